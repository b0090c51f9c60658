"""Hosts and GPUs, as Veriscope's collectors measure them."""

from typing import Final

from deploy.grafana.board import Board, lines, rows_of

_HOST: Final = 'instance=~"$instance"'
_RATE: Final = "[$__rate_interval]"
_DISKS: Final = f'{_HOST},device!~"(loop|ram|zram|dm-).*"'
_LINKS: Final = f'{_HOST},device!~"(lo|veth.*|docker.*|br-.*)"'


def hosts() -> Board:
    """Return CPU, memory, disks and network of each host."""
    return Board(
        "Hosts",
        ["system"],
        [
            [
                lines(
                    "CPU",
                    "percentunit",
                    (
                        f'1 - avg by (instance) (rate(node_cpu_seconds_total{{{_HOST},mode="idle"}}{_RATE}))',
                        "{{instance}}",
                    ),
                    top=1,
                ),
                lines("Load", "short", (f"node_load1{{{_HOST}}}", "{{instance}}")),
                lines(
                    "Memory used",
                    "percentunit",
                    (
                        f"1 - node_memory_MemAvailable_bytes{{{_HOST}}}"
                        f" / node_memory_MemTotal_bytes{{{_HOST}}}",
                        "{{instance}}",
                    ),
                    top=1,
                ),
            ],
            [
                lines(
                    "CPU by mode",
                    "percentunit",
                    (
                        f'avg by (mode) (rate(node_cpu_seconds_total{{{_HOST},mode!="idle"}}{_RATE}))',
                        "{{mode}}",
                    ),
                    stacked=True,
                ),
                lines(
                    "Pressure",
                    "percentunit",
                    (
                        f"rate(node_pressure_cpu_waiting_seconds_total{{{_HOST}}}{_RATE})",
                        "CPU {{instance}}",
                    ),
                    (
                        f"rate(node_pressure_memory_waiting_seconds_total{{{_HOST}}}{_RATE})",
                        "memory {{instance}}",
                    ),
                    (
                        f"rate(node_pressure_io_waiting_seconds_total{{{_HOST}}}{_RATE})",
                        "I/O {{instance}}",
                    ),
                ),
            ],
            [
                lines(
                    "Disk read and written",
                    "Bps",
                    (
                        f"sum by (instance) (rate(node_disk_read_bytes_total{{{_DISKS}}}{_RATE}))",
                        "read {{instance}}",
                    ),
                    (
                        f"sum by (instance) (rate(node_disk_written_bytes_total{{{_DISKS}}}{_RATE}))",
                        "written {{instance}}",
                    ),
                ),
                lines(
                    "Network received and sent",
                    "Bps",
                    (
                        f"sum by (instance) (rate(node_network_receive_bytes_total{{{_LINKS}}}{_RATE}))",
                        "received {{instance}}",
                    ),
                    (
                        f"sum by (instance) (rate(node_network_transmit_bytes_total{{{_LINKS}}}{_RATE}))",
                        "sent {{instance}}",
                    ),
                ),
            ],
            [
                lines(
                    "File systems used",
                    "percentunit",
                    (
                        f"1 - node_filesystem_avail_bytes{{{_HOST}}}"
                        f" / node_filesystem_size_bytes{{{_HOST}}}",
                        "{{instance}} {{mountpoint}}",
                    ),
                    top=1,
                ),
                rows_of("Targets that do not answer", "up == 0"),
            ],
        ],
        variables=[("instance", "label_values(node_uname_info, instance)")],
    )


def gpus() -> Board:
    """Return utilisation, memory, heat and power of each GPU."""
    each = "{{instance}} GPU {{gpu}}"

    def of(name: str) -> tuple[str, str]:
        return f"{name}{{{_HOST}}}", each

    return Board(
        "GPUs",
        ["gpu"],
        [
            [
                lines("Utilization", "percentunit", of("gpu_utilization_ratio"), top=1),
                lines(
                    "Memory used",
                    "percentunit",
                    (f"gpu_memory_used_bytes{{{_HOST}}} / gpu_memory_total_bytes{{{_HOST}}}", each),
                    top=1,
                ),
            ],
            [
                lines("Memory", "bytes", of("gpu_memory_used_bytes")),
                lines("Temperature", "celsius", of("gpu_temperature_celsius")),
            ],
            [
                lines("Power", "watt", of("gpu_power_draw_watts")),
                lines("Fan speed", "percentunit", of("gpu_fan_speed_ratio"), top=1),
            ],
        ],
        variables=[("instance", "label_values(gpu_utilization_ratio, instance)")],
    )
