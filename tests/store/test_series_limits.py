"""Limits on series: only what is one too many is refused, by its name."""

from collections.abc import Callable

import numpy as np
import pytest

from veriscope.signals import (
    Labels,
    ManualClock,
    PartlyRefusedError,
    SampleBatch,
    VeriscopeError,
    to_labels,
)
from veriscope.store import EngineError, MetricWriter, SeriesLimits, Store
from veriscope.wire import remote_write

Write = Callable[..., VeriscopeError | None]


def now_ms(store: Store) -> int:
    """Return the engine's time."""
    [row] = store._engine.query("SELECT toUnixTimestamp64Milli(now64(3)) AS now").to_pylist()
    return int(row["now"])


def series(metric: str, **labels: str) -> Labels:
    """Return a label set."""
    return to_labels({"__name__": metric, **labels})


def writer(store: Store, clock: ManualClock | None = None, **limits: int) -> MetricWriter:
    """Return a writer with *limits*, as a new process has it."""
    return MetricWriter(store._engine, limits=SeriesLimits(**limits), clock=clock)


def write(
    into: MetricWriter, store: Store, *label_sets: Labels, door: str = "remote write"
) -> VeriscopeError | None:
    """Write one sample of each of *label_sets*, now, and return the outcome."""
    batch = SampleBatch.at(label_sets, np.ones(len(label_sets)), now_ms(store))
    request = batch if door == "batch" else into.decode(remote_write.encode(batch))
    [outcome] = into.insert([request])
    return outcome


def _one_sample() -> SampleBatch:
    return SampleBatch.at((series("c"),), np.ones(1), 1_700_000_000_000)


def stored(store: Store) -> int:
    """Count the samples."""
    [row] = store._engine.query("SELECT count() AS n FROM samples FINAL").to_pylist()
    return int(row["n"])


@pytest.mark.parametrize("door", ["remote write", "batch"])
def test_series_beyond_the_total_are_refused_and_the_rest_is_stored(
    store: Store, door: str
) -> None:
    """The answer names count and option; series that were there go on."""
    into = writer(store, max_series=3)
    assert write(into, store, series("a"), series("b"), door=door) is None
    outcome = write(into, store, *(series(name) for name in "abcde"), door=door)
    assert isinstance(outcome, PartlyRefusedError)
    assert str(outcome) == (
        "2 new series refused: 3 series are active, 3 allowed (ingest.max_series);"
        " send fewer series, or raise the limit"
    )
    assert (outcome.refused, outcome.option) == (2, "max_series")
    assert stored(store) == 5
    again = write(into, store, *(series(name) for name in "abcde"), door=door)
    assert isinstance(again, PartlyRefusedError)
    assert write(into, store, series("c"), door=door) is None


def test_only_the_metric_with_too_many_series_is_refused(store: Store) -> None:
    """Another one may still grow."""
    into = writer(store, max_series_per_metric=2)
    sent = [series("a", i="1"), series("a", i="2"), series("a", i="3"), series("b", i="1")]
    outcome = write(into, store, *sent)
    assert str(outcome) == (
        '1 new series refused: metric "a" has 2 active series, 2 allowed'
        " (ingest.max_series_per_metric); drop labels that take many values, or raise the limit"
    )
    assert stored(store) == 3


def test_only_new_values_of_the_label_are_refused(store: Store) -> None:
    """New series with values that are known may still come."""
    into = writer(store, max_values_per_label=3)
    users = [series("a", user=str(user), code="200") for user in range(3)]
    assert write(into, store, *users) is None
    fine, bad = series("a", user="2", code="500"), series("a", user="9", code="500")
    outcome = write(into, store, fine, bad, series("b", user="9"))
    assert str(outcome) == (
        '1 new series refused: label "user" of metric "a" has 3 values, 3 allowed'
        " (ingest.max_values_per_label); drop labels that take many values, or raise the limit"
    )
    assert stored(store) == 5


def test_values_of_one_request_count_as_well(store: Store) -> None:
    """What is not stored yet is not forgotten."""
    into = writer(store, max_values_per_label=3)
    outcome = write(into, store, *(series("a", user=str(user)) for user in range(10)))
    assert isinstance(outcome, PartlyRefusedError)
    assert (outcome.refused, outcome.option) == (7, "max_values_per_label")


def test_several_offenders_are_counted(store: Store) -> None:
    """The worst is named."""
    into = writer(store, max_series_per_metric=1)
    sent = [series("a", i=str(i)) for i in range(4)] + [series("b", i=str(i)) for i in range(3)]
    outcome = write(into, store, *sent)
    assert str(outcome).startswith('3 new series refused: metric "a" has 1 active series')
    assert str(outcome).endswith("(and 2 more for 1 other reasons)")


def test_a_new_process_knows_what_was_active(store: Store) -> None:
    """Series that were written lately are let in again, and count."""
    assert write(writer(store), store, series("a"), series("b")) is None
    into = writer(store, max_series=3)
    outcome = write(into, store, series("a"), series("b"), series("c"), series("d"))
    assert isinstance(outcome, PartlyRefusedError)
    assert outcome.refused == 1
    [rows] = store._engine.query("SELECT count() AS n FROM series").to_pylist()
    assert rows["n"] == 3


def test_a_new_process_looks_again_where_the_engine_failed(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failure while it reads what was active must not let every limit begin at nothing."""
    assert write(writer(store), store, series("a"), series("b")) is None
    anew = writer(store, max_series=2)
    request = anew.decode(remote_write.encode(_one_sample()))
    with monkeypatch.context() as broken:
        broken.setattr(store._engine, "query", _failing)
        with pytest.raises(EngineError):
            anew.insert([request])
    assert isinstance(write(anew, store, series("c")), PartlyRefusedError)


def _failing(*_: object) -> None:
    raise EngineError("out of reach")


def test_series_that_are_not_written_any_more_make_room(store: Store) -> None:
    """After two hours at most, whichever door they came through."""
    clock = ManualClock()
    into = writer(store, clock, max_series=2)
    batch = SampleBatch.at((series("a"), series("b")), np.ones(2), now_ms(store))
    assert into.insert([batch]) == [None]
    assert isinstance(write(into, store, series("c")), PartlyRefusedError)
    clock.advance(ms=2 * 3_600_000)
    assert write(into, store, series("c")) is None
    assert into.active_series == 1
    [outcome] = into.insert([batch])
    assert isinstance(outcome, PartlyRefusedError)
    assert outcome.refused == 1
