"""A canned machine: the files of /proc and /sys that the collector reads, free to change."""

from pathlib import Path

import pytest

from veriscope.collect.host import HostCollector, HostOptions
from veriscope.signals import ManualClock, SampleBatch

_FILES = {
    "proc/stat": (
        "cpu  300 20 100 5000 40 5 6 7 8 9\n"
        "cpu0 100 10 50 2500 20 2 3 3 4 5\n"
        "cpu1 200 10 50 2500 20 3 3 4 4 4\n"
        "intr 123456 1 2 3 4\nctxt 7890\nbtime 1700000000\nprocesses 4321\n"
        "procs_running 3\nprocs_blocked 1\nsoftirq 99 1 2 3\n"
    ),
    "proc/loadavg": "0.50 1.25 2.75 3/512 4321\n",
    "proc/uptime": "12345.67 20000.00\n",
    "proc/meminfo": (
        "MemTotal:       16384 kB\nMemAvailable:    8192 kB\nActive(anon):     512 kB\n"
        "SwapTotal:       1024 kB\nSwapFree:         256 kB\nHugePages_Total:       3\n"
    ),
    "proc/vmstat": "nr_free_pages 1\npgpgin 11\npswpin 22\npswpout 33\npgmajfault 44\n",
    "proc/diskstats": (
        "   7       0 loop0 1 1 1 1 1 1 1 1 1 1 1\n"
        " 259       0 nvme0n1 100 5 2048 1500 200 6 4096 2500 2 3000 4000 7 8 9 1000 11 12\n"
        " 259       1 nvme0n1p1 1 1 1 1 1 1 1 1 1 1 1\n"
        "   8       0 sda 10 1 16 20 30 2 32 40 0 50 60\n"
    ),
    "proc/net/dev": (
        "Inter-|   Receive                            |  Transmit\n"
        " face |bytes    packets errs drop fifo frame compressed multicast|bytes packets\n"
        "    lo:    100       2    0    0    0     0          0         0      100       2"
        "    0    0    0     0       0          0\n"
        "  eth0: 5000000 4000 3 2 1 0 0 9 6000000 5000 7 8 0 1 2 0\n"
        "veth12ab: 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1\n"
    ),
    "proc/sys/fs/file-nr": "1024\t0\t65536\n",
    "proc/sys/kernel/hostname": "forge\n",
    "proc/sys/kernel/domainname": "(none)\n",
    "proc/sys/kernel/osrelease": "6.12.0\n",
    "proc/sys/kernel/ostype": "Linux\n",
    "proc/sys/kernel/version": "#1 SMP\n",
    "proc/pressure/cpu": (
        "some avg10=0.00 avg60=0.00 avg300=0.00 total=1500000\n"
        "full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"
    ),
    "proc/pressure/memory": (
        "some avg10=0.00 avg60=0.00 avg300=0.00 total=2500000\n"
        "full avg10=0.00 avg60=0.00 avg300=0.00 total=500000\n"
    ),
    "proc/pressure/io": (
        "some avg10=0.00 avg60=0.00 avg300=0.00 total=3500000\n"
        "full avg10=0.00 avg60=0.00 avg300=0.00 total=1500000\n"
    ),
    "proc/1/mounts": (
        "/dev/root / ext4 rw,relatime 0 0\n"
        "/dev/old /srv/my\\040models xfs rw 0 0\n"
        "/dev/new /srv/my\\040models xfs ro,relatime 0 0\n"
        "proc /proc proc rw 0 0\ntmpfs /sys/fs/cgroup tmpfs rw 0 0\n"
    ),
    "sys/class/net/eth0/operstate": "up\n",
    "sys/class/net/eth0/speed": "10000\n",
    "sys/class/net/lo/operstate": "unknown\n",
    "sys/class/thermal/thermal_zone0/temp": "48500\n",
    "sys/class/thermal/thermal_zone0/type": "x86_pkg_temp\n",
    "sys/class/hwmon/hwmon0/name": "k10temp\n",
    "sys/class/hwmon/hwmon0/temp1_input": "62125\n",
    "sys/class/hwmon/hwmon0/temp1_label": "Tctl\n",
    "sys/class/hwmon/hwmon0/temp1_max": "95000\n",
    "sys/class/hwmon/hwmon0/temp2_input": "40000\n",
    "sys/class/hwmon/hwmon0/fan1_input": "1200\n",
}


class HostMachine:
    """A machine in *root*, and a collector that reads every sensor at every tick."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.clock = ManualClock(now_ms=1_700_000_000_000)
        for path, content in _FILES.items():
            self.write(path, content)
        (root / "srv/my models").mkdir(parents=True)
        device = root / "sys/devices/pci0000:00/0000:00:18.3"
        device.mkdir(parents=True)
        (root / "sys/class/hwmon/hwmon0/device").symlink_to(device)
        self.process(1, "init", ticks=100, pages=10)

    def write(self, path: str, content: str) -> None:
        """Write a file in place, as the kernel does: open descriptors see it."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content)

    def process(
        self, pid: int, comm: str, *, ticks: int = 0, pages: int = 0, state: str = "S"
    ) -> None:
        """Start process *pid*, or change it."""
        self.write(
            f"proc/{pid}/stat",
            f"{pid} ({comm}) {state} 1 1 1 0 -1 0 0 0 0 0 {ticks} 0 0 0 20 0 4 0 {pid} 9999 "
            f"{pages} 18446744073709551615 0 0\n",
        )
        self.write(f"proc/{pid}/io", "rchar: 1\nwchar: 2\nread_bytes: 4096\nwrite_bytes: 8192\n")
        (self.root / f"proc/{pid}/fd").mkdir(exist_ok=True)
        for descriptor in range(3):
            (self.root / f"proc/{pid}/fd/{descriptor}").touch()

    def end(self, pid: int) -> None:
        """Let process *pid* end."""
        folder = self.root / f"proc/{pid}"
        for path in sorted(folder.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        folder.rmdir()

    def collector(self, **options: object) -> HostCollector:
        """Return a collector of this machine."""
        settings: dict[str, object] = {
            "procfs": str(self.root / "proc"),
            "sysfs": str(self.root / "sys"),
            "rootfs": str(self.root),
            "process_every": 1,
            "filesystem_every": 1,
            "hardware_every": 1,
        }
        return HostCollector(HostOptions(**(settings | options)), self.clock)

    def tick(self, collector: HostCollector, seconds: int = 1) -> SampleBatch:
        """Let time pass and collect."""
        self.clock.advance(ms=seconds * 1000)
        return collector.collect(self.clock.now_ms())


@pytest.fixture
def machine(tmp_path: Path) -> HostMachine:
    """Return a machine with two cores, two disks, one network card and one process."""
    return HostMachine(tmp_path)
