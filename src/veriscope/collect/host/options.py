"""What the host collector reads, how often, and what it leaves out."""

from typing import Annotated

import msgspec

from veriscope.signals import Duration

Ticks = Annotated[int, msgspec.Meta(ge=1)]
Count = Annotated[int, msgspec.Meta(ge=0)]


class HostOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Metrics of this machine. `…_every` counts intervals of the collect loop.

    Patterns are RE2 and match anywhere in the name unless anchored; an empty one matches
    nothing.
    """

    enabled: bool = True
    """Whether the host is watched at all."""
    procfs: str = "/proc"
    """Where the kernel's process file system is mounted (`/host/proc` in a container)."""
    sysfs: str = "/sys"
    """Where the kernel's device file system is mounted."""
    rootfs: str = "/"
    """Where the host's root is mounted; mount points are looked up below it."""
    per_core: bool = True
    """Whether `node_cpu_seconds_total` is given for each core, besides the machine's total."""
    top_processes: Count = 10
    """Processes shown by CPU, and as many by memory; 0 shows none."""
    process_every: Ticks = 5
    """Intervals between two looks at all processes: the costliest reading on a busy host."""
    filesystem_every: Ticks = 10
    """Intervals between two readings of file system usage."""
    hardware_every: Ticks = 5
    """Intervals between two readings of temperatures and of network links."""
    retry: Duration = Duration(60_000)
    """How long a sensor that failed is left alone."""
    filesystem_types_exclude: str = (
        "^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|efivarfs|fusectl"
        "|hugetlbfs|iso9660|mqueue|nsfs|proc|procfs|pstore|rpc_pipefs|securityfs|selinuxfs"
        "|squashfs|erofs|sysfs|tracefs)$"
    )
    """File system types without usage worth watching."""
    filesystem_mounts_exclude: str = (
        "^/(dev|proc|sys|run/credentials/.+|run/user/.+"
        "|var/lib/docker/.+|var/lib/containers/.+|var/lib/kubelet/.+)($|/)"
    )
    """Mount points that are not watched."""
    disks_exclude: str = r"^(z?ram|loop|fd|(h|s|v|xv)d[a-z]+|nvme\d+n\d+p|mmcblk\d+p)\d+$"
    """Block devices that are not watched: by default partitions and memory disks."""
    networks_exclude: str = "^(veth.*|[a-f0-9]{15})$"
    """Network devices that are not watched: by default one end of a container's pair."""
