from typing import Any

import msgspec
import pytest

from veriscope.collect.scrape import GlobalConfig, ScrapeConfig
from veriscope.collect.scrape.job import build_jobs
from veriscope.collect.scrape.target_series import TargetSeries, merge_labels
from veriscope.signals import InvalidInputError, decode_unit, is_stale, label_value
from veriscope.wire.exposition import parse_text


def series(**keys: object) -> TargetSeries:
    """Return the series of a target `instance="i"` whose only report is `up`."""
    config = msgspec.convert({"job_name": "j", **keys}, ScrapeConfig, dec_hook=decode_unit)
    return TargetSeries(build_jobs(GlobalConfig(), [config])[0], (("instance", "i"),), ("up",))


def scrape(found: TargetSeries, body: bytes, time_ms: int = 1000, *, commit: bool = True) -> Any:
    """Return (name, timestamp, value or None for stale) of a scrape's batch."""
    batch = found.batch(found.read(body, parse_text, time_ms), (1.0,), time_ms)
    if commit:
        found.commit()
    return written(batch)


def written(batch: Any) -> Any:
    """Return a batch as sorted tuples."""
    stale = is_stale(batch.values)
    found = [
        (label_value(batch.labels[row], "__name__"), int(time), None if end else float(value))
        for row, time, value, end in zip(
            batch.series, batch.timestamps_ms, batch.values, stale, strict=True
        )
    ]
    return sorted(found, key=str)


def test_timestamps_are_honoured_and_not_tracked() -> None:
    """A series with its own timestamp keeps it and does not go stale."""
    found = series()
    assert ("a", 5, 1.0) in scrape(found, b"a 1 5\nb 2\n")
    assert scrape(found, b"\n", 2000) == [("b", 2000, None), ("up", 2000, 1.0)]


def test_timestamps_can_be_tracked_or_ignored() -> None:
    """`track_timestamps_staleness` ends such a series too; `honor_timestamps: false` restamps."""
    found = series(track_timestamps_staleness=True)
    scrape(found, b"a 1 5\n")
    assert ("a", 2000, None) in scrape(found, b"\n", 2000)
    assert ("a", 1000, 1.0) in scrape(series(honor_timestamps=False), b"a 1 5\n")


def test_duplicates_keep_the_first() -> None:
    """A series that comes twice keeps its first sample; what is left out is counted."""
    found = series(metric_relabel_configs=[{"action": "labeldrop", "regex": "x"}])
    scraped = found.read(b'a{x="1"} 1\na{x="2"} 2\na{x="1"} 3\n', parse_text, 1000)
    assert (scraped.exposed, scraped.kept, scraped.duplicates) == (3, 3, 2)
    assert scraped.values.tolist() == [1.0]
    mixed = series().read(b"a 1 5\na 2 6\na 3 5\n", parse_text, 1000)
    assert mixed.values.tolist() == [1.0, 2.0]


def test_a_batch_that_was_not_stored_changes_nothing() -> None:
    """Staleness is judged against what the sink took last."""
    found = series()
    scrape(found, b"a 1\n")
    assert ("a", 2000, None) in scrape(found, b"b 1\n", 2000, commit=False)
    assert ("a", 3000, None) in scrape(found, b"b 1\n", 3000)
    assert scrape(found, b"b 1\n", 4000) == [("b", 4000, 1.0), ("up", 4000, 1.0)]


def test_memory_of_series_is_bounded() -> None:
    """Series that come and go are forgotten, and staleness is right all along."""
    found = series()
    for index in range(5000):
        rows = scrape(found, f'a{{n="{index}"}} 1\nb 1\n'.encode(), 1000 + index)
        assert len(rows) == (4 if index else 3)
    assert len(found._labels) < 2000
    assert len(written(found.end(9999))) == 3


def test_dropped_samples_and_missing_names() -> None:
    """A rule may drop a sample; one that takes its name away fails the scrape."""
    found = series(
        metric_relabel_configs=[
            {"source_labels": ["__name__"], "regex": "a", "action": "drop"},
            {"source_labels": ["x"], "regex": "y", "target_label": "__name__", "replacement": ""},
        ]
    )
    scraped = found.read(b"a 1\nb 1\n", parse_text, 1)
    assert (scraped.exposed, scraped.kept) == (2, 1)
    with pytest.raises(InvalidInputError, match="metric name"):
        found.read(b'b{x="y"} 1\n', parse_text, 2)
    assert found.read(b"b 1\n", parse_text, 3).kept == 1


def test_a_successor_takes_over_what_is_live() -> None:
    """The series of a target outlive a reload: only those that are missing then go stale."""
    old = series()
    scrape(old, b"a 1\nb 1\n")
    job = build_jobs(GlobalConfig(), [ScrapeConfig(job_name="j")])[0]
    new = TargetSeries(job, (("instance", "i"),), ("up",), old.live())
    assert scrape(new, b"a 1\n", 2000) == [
        ("a", 2000, 1.0),
        ("b", 2000, None),
        ("up", 2000, 1.0),
    ]


def test_clashing_labels() -> None:
    """Labels of target and sample merge as `honor_labels` describes."""
    exposed = {"job": "e", "exported_job": "x", "instance": ""}
    target = {"job": "t", "instance": "i"}
    assert merge_labels(exposed, target, honor=False) == {
        "job": "t",
        "instance": "i",
        "exported_job": "x",
        "exported_exported_job": "e",
    }
    assert merge_labels(exposed, target, honor=True) == {"job": "e", "exported_job": "x"}
