"""The order of alerts and of groups, as Alertmanager 0.25 has it."""

from collections.abc import Iterable, Mapping

from veriscope.alert.alerts import StoredAlert
from veriscope.signals import Labels, label_value

_Key = tuple[int | str, ...]


def in_order(alerts: Iterable[StoredAlert]) -> list[StoredAlert]:
    """Return *alerts* by `job`, by `instance`, then by their labels (`types.AlertSlice`)."""
    found = list(alerts)
    ranks = name_ranks(alert.labels for alert in found)

    def key(alert: StoredAlert) -> _Key:
        job, instance = (label_value(alert.labels, name) for name in ("job", "instance"))
        return (not job, job, not instance, instance, *labels_key(alert.labels, ranks))

    return sorted(found, key=key)


def name_ranks(sets: Iterable[Labels]) -> Mapping[str, int]:
    """Return the names of the label sets, each with its number, from the last to the first."""
    names = {name for labels in sets for name, _ in labels}
    return {name: rank for rank, name in enumerate(sorted(names, reverse=True))}


def labels_key(labels: Labels, ranks: Mapping[str, int]) -> _Key:
    """
    Return what sorts label sets as Prometheus' `LabelSet.Before` does.

    The smaller set comes first; of two with the same number, what decides is the first name, in
    alphabetical order, that both have with different values, or that one of them lacks: it comes
    first. So greater names come before smaller ones.
    """
    key: list[int | str] = [len(labels)]
    for name, value in labels:
        key += (ranks[name], value)
    return tuple(key)
