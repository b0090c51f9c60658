"""How long people took, over many incidents."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from veriscope.alert.incidents.incident import Incident, IncidentState


@dataclass(frozen=True, slots=True)
class Figures:
    """Counts and times of some incidents; times are seconds, None where there is none."""

    count: int
    acknowledged: int
    """Those that somebody took, also if they are resolved by now."""
    resolved: int
    mean_time_to_acknowledge_s: float | None
    mean_time_to_resolve_s: float | None
    median_time_to_acknowledge_s: float | None
    median_time_to_resolve_s: float | None


def figures_of(incidents: Iterable[Incident]) -> Figures:
    """Return the figures of *incidents*."""
    every = list(incidents)
    taken = [s for each in every if (s := each.acknowledge_s) is not None]
    solved = [s for each in every if (s := each.resolve_s) is not None]
    return Figures(
        count=len(every),
        acknowledged=len(taken),
        resolved=sum(each.state is IncidentState.RESOLVED for each in every),
        mean_time_to_acknowledge_s=statistics.fmean(taken) if taken else None,
        mean_time_to_resolve_s=statistics.fmean(solved) if solved else None,
        median_time_to_acknowledge_s=statistics.median(taken) if taken else None,
        median_time_to_resolve_s=statistics.median(solved) if solved else None,
    )


def by_severity(incidents: Sequence[Incident]) -> Mapping[str, Figures]:
    """Return the figures of each severity, the most frequent first."""
    return _by({each.number: {each.severity} for each in incidents}, incidents)


def by_alertname(incidents: Sequence[Incident]) -> Mapping[str, Figures]:
    """Return the figures of the incidents of each alert, the most frequent first."""
    names = {
        each.number: {dict(member.labels).get("alertname", "") for member in each.members.values()}
        for each in incidents
    }
    return _by(names, incidents)


def _by(keys: Mapping[int, set[str]], incidents: Sequence[Incident]) -> Mapping[str, Figures]:
    found: dict[str, list[Incident]] = {}
    for incident in incidents:
        for key in keys[incident.number]:
            found.setdefault(key, []).append(incident)
    ordered = sorted(found.items(), key=lambda pair: (-len(pair[1]), pair[0]))
    return {key: figures_of(of_key) for key, of_key in ordered}
