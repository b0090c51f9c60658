"""A registry of `prometheus_client` read as a batch of samples."""

from typing import Final

import numpy as np
from prometheus_client import CollectorRegistry, Metric

from veriscope.signals import (
    METRIC_NAME,
    Labels,
    MetricMetadata,
    MetricType,
    SampleBatch,
    to_labels,
)

_TYPES: Final = {str(known): known for known in MetricType}


class RegistryCollector:
    """
    Reads every metric of *registry*, on every *every*-th call of `collect`; else nothing.

    Names and values are those of the Prometheus text format, so that a series is the same
    whether it was collected here or scraped from `/metrics`.
    """

    name = "self"

    def __init__(self, registry: CollectorRegistry, every: int = 1) -> None:
        self._registry = registry
        self._every = every
        self._calls = 0
        self._keys: list[tuple[str, tuple[tuple[str, str], ...]]] = []
        self._labels: tuple[Labels, ...] = ()
        self._told: frozenset[MetricMetadata] = frozenset()

    def collect(self, now_ms: int) -> SampleBatch:
        """Return the registry's samples at *now_ms* (Unix milliseconds)."""
        self._calls += 1
        if (self._calls - 1) % self._every:
            return SampleBatch.at((), np.empty(0), now_ms)
        families = list(self._registry.collect())
        samples = [sample for family in families for sample in family.samples]
        keys = [(sample.name, tuple(sample.labels.items())) for sample in samples]
        if keys != self._keys:
            known = dict(zip(self._keys, self._labels, strict=True))
            self._keys = keys
            self._labels = tuple(
                known.get(key) or to_labels([(METRIC_NAME, key[0]), *key[1]]) for key in keys
            )
        values = np.array([sample.value for sample in samples], dtype=np.float64)
        return SampleBatch.at(self._labels, values, now_ms, self._news(families))

    def _news(self, families: list[Metric]) -> tuple[MetricMetadata, ...]:
        known = frozenset(_metadata(family) for family in families)
        news, self._told = known - self._told, known
        return tuple(sorted(news, key=lambda metadata: metadata.name))


def _metadata(family: Metric) -> MetricMetadata:
    # prometheus_client strips `_total` from a counter's name; queries use the whole of it.
    name = f"{family.name}_total" if family.type == "counter" else family.name
    kind = _TYPES.get(family.type, MetricType.UNKNOWN)
    return MetricMetadata(name, kind, family.documentation, family.unit)
