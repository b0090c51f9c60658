"""Who has most series, and what the samples rest in."""

import numpy as np
import pytest

from veriscope.signals import FetchLimits, SampleBatch, to_labels
from veriscope.signals.statistics import SeriesStatistics
from veriscope.store import Store

T0 = 1_700_000_000_000
HOUR_MS = 3_600_000
LIMITS = FetchLimits()


@pytest.fixture
def filled(store: Store) -> Store:
    """Store three series of `wide`, one of `narrow`, and one that ended long before."""
    for time_ms, name, labels in (
        (T0 - 30 * HOUR_MS, "old", {"id": "0"}),
        (T0, "wide", {"id": "1", "job": "api"}),
        (T0, "wide", {"id": "22", "job": "api"}),
        (T0, "wide", {"id": "333", "job": "web"}),
        (T0, "narrow", {"job": "web"}),
    ):
        series = (to_labels({"__name__": name, **labels}),)
        store.metrics.insert_batches([SampleBatch.at(series, np.ones(1), time_ms)])
    return store


def test_series_of_late_are_counted(filled: Store) -> None:
    """By metric, by label and by pair, the greatest first."""
    found = filled.cardinality.series(10, LIMITS)
    assert found.series == 4
    assert found.samples == 5
    assert found.label_pairs == 7
    assert found.first_ms <= T0 <= found.last_ms
    assert found.series_by_metric == (("wide", 3), ("narrow", 1))
    assert found.values_by_label == (("id", 3), ("__name__", 2), ("job", 2))
    assert found.bytes_by_label == (("__name__", 18), ("job", 12), ("id", 6))
    assert found.series_by_pair[:3] == (("__name__=wide", 3), ("job=api", 2), ("job=web", 2))


def test_rankings_have_as_many_names_as_are_asked_for(filled: Store) -> None:
    """The greatest ones."""
    found = filled.cardinality.series(1, LIMITS)
    assert found.series_by_metric == (("wide", 3),)
    assert found.values_by_label == (("id", 3),)
    assert found.series == 4


def test_an_empty_store_has_no_series(store: Store) -> None:
    """And that is no error."""
    assert store.cardinality.series(10, LIMITS) == SeriesStatistics()
    assert store.cardinality.blocks(LIMITS) == ()


def test_blocks_are_the_parts_of_the_samples(filled: Store) -> None:
    """Each of one week; all samples are in one of them."""
    filled.compact()
    blocks = filled.cardinality.blocks(LIMITS)
    assert sum(block.samples for block in blocks) == 5
    assert all(block.last_ms - block.first_ms == 7 * 24 * HOUR_MS for block in blocks)
    assert blocks[-1].first_ms <= T0 < blocks[-1].last_ms
    assert all(block.bytes_on_disk > 0 for block in blocks)
