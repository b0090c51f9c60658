"""Label sets: the identity of a series."""

from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias

METRIC_NAME: Final = "__name__"
"""The label that holds a series' metric name."""

Labels: TypeAlias = tuple[tuple[str, str], ...]
"""Pairs of name and value, sorted by name, each name once, no empty value. Hashable."""


def to_labels(pairs: Mapping[str, str] | Iterable[tuple[str, str]]) -> Labels:
    """
    Return *pairs* as a label set: sorted by name, empty values left out.

    A name given twice keeps its last value. An empty value and an absent label are the same
    thing in Prometheus' data model.
    """
    return tuple(sorted((name, value) for name, value in dict(pairs).items() if value))


def label_value(labels: Labels, name: str) -> str:
    """Return the value of label *name*, or `""` where it is absent."""
    for key, value in labels:
        if key == name:
            return value
    return ""


def without(labels: Labels, names: frozenset[str]) -> Labels:
    """Return *labels* less those in *names*."""
    return tuple(pair for pair in labels if pair[0] not in names)


def keep(labels: Labels, names: frozenset[str]) -> Labels:
    """Return only the labels in *names*."""
    return tuple(pair for pair in labels if pair[0] in names)
