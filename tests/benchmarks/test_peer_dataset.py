from pathlib import Path

import numpy as np

from peers import bodies, dataset, questions
from veriscope.wire import remote_write
from veriscope.wire.protobuf_fields import varint


def test_a_fleet_has_the_series_asked_for() -> None:
    """10,000 series, each once, dealt out evenly."""
    parts = dataset.fleet(10_000, 2, 8)
    series = [labels for part in parts for labels in part.labels]
    assert len(series) == len(set(series)) == 10_000
    assert {part.values.shape for part in parts} == {(1_250, 2)}


def test_rates_of_nearly_all_series_do_not_collide() -> None:
    """Without their names the label sets still differ, but for a histogram's sum and count."""
    named = [dict(labels) for part in dataset.fleet(1_000, 2, 8) for labels in part.labels]
    bare = [
        tuple((name, value) for name, value in labels.items() if name != "__name__")
        for labels in named
        if not labels["__name__"].endswith("_count")
    ]
    assert len(bare) == len(set(bare))


def test_counters_never_fall_and_buckets_are_cumulative() -> None:
    """No reset is in the data, and a histogram's larger bucket holds the smaller one's."""
    part = dataset.fleet(500, 50, 1)[0]
    names = np.array([dict(labels)["__name__"] for labels in part.labels])
    counters = part.values[~np.char.startswith(names, "cpu_usage_")]
    assert (np.diff(counters, axis=1) >= 0).all()
    buckets = part.values[names == "http_request_duration_seconds_bucket"].reshape(-1, 9, 50)
    assert (np.diff(buckets, axis=1) >= 0).all()
    counts = part.values[names == "http_request_duration_seconds_count"]
    assert np.array_equal(buckets[:, -1], counts)


def test_bodies_hold_every_reading_in_the_order_of_time(tmp_path: Path) -> None:
    """What the senders post is the whole fleet, each sender's times never going back."""
    parts = dataset.fleet(1_000, 40, 2)
    encoded = bodies.encode(parts, 1_700_000_004, tmp_path / "bodies")
    assert encoded.samples == 1_000 * 40
    for part, sender in zip(parts, encoded.senders, strict=True):
        assert len(sender) == 2
        message = b"".join(remote_write.decompress(bytes(body), 1 << 30) for body in sender)
        times = [message.index(varint((1_700_000_004 + at * 10) * 1000)) for at in range(40)]
        assert times == sorted(times)
        infos = sum(("__name__", "service_info") in labels for labels in part.labels)
        assert message.count(b"service_info") == infos * 40


def test_no_step_falls_on_a_reading_or_on_a_subquery_step() -> None:
    """Prometheus 2 and 3 treat a sample as old as the window differently; none is."""
    last_s = 1_700_000_040 + 4
    when = questions.Times.before(last_s)
    assert (when.end_s - last_s) % dataset.INTERVAL_S != 0
    assert when.end_s % 10 != 0
    assert last_s % 10 != 0
    assert last_s - 10 < when.end_s < last_s
    assert when.start_s - 30 * 60 > last_s - 3600 - 600


def test_questions_are_told_apart() -> None:
    """Each is asked once; each that VictoriaMetrics is not compared in says why in words."""
    asked = questions.questions(320)
    assert len({question.text for question in asked}) == len(asked) >= 16
    assert all(question.not_compared == "" or " " in question.not_compared for question in asked)
