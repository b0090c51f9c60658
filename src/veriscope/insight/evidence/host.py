"""How the machine is doing that the alerts come from."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from veriscope.insight.evidence.asking import Asking, Case, NothingToSayError
from veriscope.insight.units import Unit, format_value
from veriscope.query.promql.format import quote
from veriscope.signals.evidence import HostFigure

_HERE: Final = ("instance", "host", "node", "nodename")
# What tells a machine from any other target: node_exporter has it, and the server's collector.
_MACHINES: Final = "node_load1"
_FIGURES: Final = (
    (
        "CPU",
        Unit.RATIO,
        """1 - sum(rate(node_cpu_seconds_total{{mode=~"idle|iowait",{at}}}[2m]))
             / sum(rate(node_cpu_seconds_total{{{at}}}[2m]))""",
    ),
    ("load", Unit.NUMBER, "max(node_load1{{{at}}})"),
    (
        "memory",
        Unit.RATIO,
        "1 - max(node_memory_MemAvailable_bytes{{{at}}}) / max(node_memory_MemTotal_bytes{{{at}}})",
    ),
    (
        "fullest disk",
        Unit.RATIO,
        "max(1 - node_filesystem_avail_bytes{{{at}}} / node_filesystem_size_bytes{{{at}}})",
    ),
    ("GPU", Unit.RATIO, "max(gpu_utilization_ratio{{{at}}})"),
    ("GPU temperature", Unit.CELSIUS, "max(gpu_temperature_celsius{{{at}}})"),
)


def find_host(case: Case, asking: Asking) -> Mapping[str, Any]:
    """Return the figures of the alerts' machine, or of the only one that is collected."""
    found = asking.instant(f"group by (instance) ({_MACHINES})", case.now_ms)
    machines = [dict(labels).get("instance", "") for labels in found.labels]
    return {"host": tuple(_figures(_machine(case, machines), case, asking))}


def _machine(case: Case, machines: list[str]) -> str:
    wanted = [value for name in _HERE if (value := case.common.get(name))]
    for value in wanted:
        for machine in machines:
            if machine == value or _host(machine) == _host(value):
                return machine
    if len(machines) == 1:
        return machines[0]
    if not machines:
        raise NothingToSayError("no machine is collected")
    raise NothingToSayError("the alerts name none of the machines that are collected")


def _figures(machine: str, case: Case, asking: Asking) -> Iterator[HostFigure]:
    at = f"instance={quote(machine)}"
    for name, unit, query in _FIGURES:
        found = asking.instant(query.format(at=at), case.now_ms)
        if len(found.labels):
            yield HostFigure(machine, name, format_value(float(found.values[0, 0]), unit))


def _host(instance: str) -> str:
    return instance.rpartition(":")[0] or instance
