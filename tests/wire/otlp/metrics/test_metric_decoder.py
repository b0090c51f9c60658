"""What each kind of data point becomes, with expectations worked out by hand."""

from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)

from veriscope.signals import STALE_BITS, InvalidInputError, LimitExceededError, is_stale
from veriscope.wire.otlp.metrics import MetricDecoder, OtlpOptions, decoder

START = 1_790_000_000 * 10**9
S = 10**9
DELTA, CUMULATIVE = 1, 2


class Sender:
    """Builds requests of one metric, and reads what a decoder makes of them."""

    def __init__(self, read: Any, *, zeros: bool = False, **options: Any) -> None:
        self.read = read
        self.decoder = MetricDecoder(
            OtlpOptions(**options), key=b"0123456789abcdef", start_zeros=zeros
        )
        self.decoded: Any = None

    def send(self, kind: str, *points: dict[str, Any], **data: Any) -> Any:
        """Send points of a metric `m`."""
        return self.decode(request(kind, *points, **data))

    def decode(self, message: ExportMetricsServiceRequest) -> Any:
        """Decode a request and return what was read."""
        self.decoded = self.decoder.decode(message.SerializeToString())
        return self.read.of(self.decoded)

    def numbers(
        self, kind: str, *points: dict[str, Any], **data: Any
    ) -> list[tuple[str, int, float]]:
        """Send points and return series, second after the start, and value of each sample."""
        self.send(kind, *points, **data)
        return sorted(
            (text(batch.labels[series]), float(time - START // 10**6) / 1000, float(value))
            for batch in self.decoded.batches
            for series, time, value in zip(
                batch.series, batch.timestamps_ms, batch.values, strict=True
            )
        )


def text(labels: Any) -> str:
    """Return a label set as PromQL spells it."""
    name = dict(labels).get("__name__", "")
    rest = ",".join(f'{key}="{value}"' for key, value in labels if key != "__name__")
    return f"{name}{{{rest}}}" if rest else name


def request(kind: str, *points: dict[str, Any], **data: Any) -> ExportMetricsServiceRequest:
    """Return a request of one metric; points have `at` in seconds after the start."""
    made = ExportMetricsServiceRequest()
    metric = made.resource_metrics.add().scope_metrics.add().metrics.add(name="m")
    part = getattr(metric, kind)
    part.SetInParent()
    for name, value in data.items():
        setattr(part, name, value)
    for point in points:
        fields = dict(point)
        own = part.data_points.add(time_unix_nano=START + fields.pop("at", 10) * S)
        if (begin := fields.pop("since", None)) is not None:
            own.start_time_unix_nano = START + begin * S
        for key, value in fields.pop("labels", {}).items():
            own.attributes.add(key=key).value.string_value = value
        for sign in ("positive", "negative"):
            if sign in fields:
                offset, counts = fields.pop(sign)
                getattr(own, sign).offset = offset
                getattr(own, sign).bucket_counts.extend(counts)
        for name, value in fields.items():
            if isinstance(value, list):
                getattr(own, name).extend(value)
            else:
                setattr(own, name, value)
    return made


@pytest.fixture
def sender(read: Any) -> Sender:
    """Return a sender with Prometheus' defaults."""
    return Sender(read)


def test_gauges_and_cumulative_sums_are_samples(sender: Sender) -> None:
    """A sum that only grows is a counter; whole numbers are floats as others."""
    points = [{"as_int": 7, "labels": {"k": "a"}}, {"as_double": 0.5, "labels": {"k": "b"}}]
    assert sender.numbers("gauge", *points) == [('m{k="a"}', 10, 7), ('m{k="b"}', 10, 0.5)]
    found = sender.numbers(
        "sum", {"as_int": 3}, aggregation_temporality=CUMULATIVE, is_monotonic=True
    )
    assert found == [("m_total", 10, 3)]
    known = sender.decoder.untold()
    assert known is not None
    assert [(each.name, each.type) for each in known.metadata] == [
        ("m", "gauge"),
        ("m_total", "counter"),
    ]
    sender.decoder.told()
    assert sender.decoder.untold() is None


def test_a_histogram_is_buckets_sum_and_count(sender: Sender) -> None:
    """Buckets are cumulative and end with +Inf; without a sum there is no series for it."""
    point = {"count": 6, "bucket_counts": [1, 2, 3], "explicit_bounds": [0.5, 10.0]}
    buckets = [
        ('m_bucket{le="+Inf"}', 10, 6),
        ('m_bucket{le="0.5"}', 10, 1),
        ('m_bucket{le="10"}', 10, 3),
        ("m_count", 10, 6),
    ]
    assert sender.numbers("histogram", point, aggregation_temporality=CUMULATIVE) == buckets
    found = sender.numbers("histogram", {**point, "sum": 12.5}, aggregation_temporality=CUMULATIVE)
    assert found == [*buckets, ("m_sum", 10, 12.5)]


def test_a_summary_is_quantiles_sum_and_count(sender: Sender) -> None:
    """Quantiles stand in the label of that name."""
    message = request("summary", {"count": 4, "sum": 9.0})
    metric = message.resource_metrics[0].scope_metrics[0].metrics[0]
    metric.summary.data_points[0].quantile_values.add(quantile=0.5, value=2.0)
    metric.summary.data_points[0].quantile_values.add(quantile=0.99, value=3.0)
    found = sorted((text(labels), value) for labels, _, value in sender.decode(message).samples)
    assert [name for name, _ in found] == [
        "m_count",
        "m_sum",
        'm{quantile="0.5"}',
        'm{quantile="0.99"}',
    ]


def test_exponential_histograms_become_native_ones(sender: Sender) -> None:
    """
    Bucket *i* of OpenTelemetry is bucket *i + 1* of Prometheus.

    At scale 9 two buckets become one of schema 8: 3 and 4 (of 3, 4, 5) share the index 2 >> 1.
    """
    point = {
        "count": 9,
        "sum": 4.0,
        "scale": 0,
        "zero_count": 2,
        "positive": (-1, [1, 0, 3]),
        "negative": (4, [3]),
    }
    [(_, _, *found)] = sender.send(
        "exponential_histogram", point, aggregation_temporality=CUMULATIVE
    ).histograms
    assert found[0] == 0
    assert found[1] == 9.0
    assert found[3:] == [1e-128, 2.0, {0: 1.0, 2: 3.0}, {5: 3.0}, ()]
    finer = {"count": 6, "scale": 9, "positive": (3, [1, 2, 3])}
    [(_, _, *found)] = sender.send(
        "exponential_histogram", finer, aggregation_temporality=CUMULATIVE
    ).histograms
    assert (found[0], found[5]) == (8, {2: 1.0, 3: 5.0})


def test_native_histograms_are_as_the_store_wants_them(sender: Sender) -> None:
    """Each passes the check that the store makes."""
    sender.send(
        "exponential_histogram",
        {"count": 3, "scale": 3, "positive": (-4, [1, 1, 1])},
        {"count": 0, "flags": 1},
        aggregation_temporality=CUMULATIVE,
    )
    [batch] = sender.decoded.batches
    batch.values.check()
    assert is_stale(batch.values.sum).tolist() == [False, True]


def test_explicit_histograms_become_native_ones_where_that_is_wanted(read: Any) -> None:
    """`convert_histograms_to_nhcb`: their bounds are custom bounds."""
    sender = Sender(read, convert_histograms_to_nhcb=True)
    point = {"count": 5, "sum": 2.0, "bucket_counts": [0, 2, 3], "explicit_bounds": [0.5, 1.0]}
    found = sender.send("histogram", point, aggregation_temporality=CUMULATIVE)
    assert found.samples == []
    [(labels, _, *shown)] = found.histograms
    assert text(labels) == "m"
    assert (shown[0], shown[1], shown[5], shown[7]) == (-53, 5.0, {1: 2.0, 2: 3.0}, (0.5, 1.0))
    sender.decoded.batches[0].values.check()
    sender.send(
        "histogram", {**point, "explicit_bounds": [1.0, 0.5]}, aggregation_temporality=CUMULATIVE
    )
    assert [drop.reason for drop in sender.decoded.dropped] == [
        "a histogram has bounds that do not rise, or are not finite"
    ]


def test_deltas_are_added_up(sender: Sender) -> None:
    """
    The sum of a stream begins with 0 a millisecond after its start.

    So a sum that begins anew, as after a restart of the server, is a reset that `rate` sees.
    """
    data = {"aggregation_temporality": DELTA, "is_monotonic": True}
    found = sender.numbers("sum", {"at": 10, "since": 0, "as_int": 5}, **data)
    assert found == [("m_total", 0.001, 0), ("m_total", 10, 5)]
    assert sender.numbers("sum", {"at": 20, "since": 10, "as_int": 2}, **data) == [
        ("m_total", 20, 7)
    ]
    after_a_gap = {"at": 90, "since": 80, "as_double": 0.5}
    assert sender.numbers("sum", after_a_gap, **data) == [("m_total", 90, 7.5)]


def test_a_cumulative_sum_starts_with_zero_where_that_is_asked_for(read: Any) -> None:
    """Once, before its point by a day at most, and after what its stream said before."""
    sender, data = Sender(read, zeros=True), {"aggregation_temporality": CUMULATIVE}
    data["is_monotonic"] = True
    zero, day = ("m_total", 1, 0), 86_400
    found = sender.numbers("sum", {"at": 10, "since": 1, "as_int": 5}, **data)
    assert found == [zero, ("m_total", 10, 5)]
    for at, since in ((20, 1), (30, 15), (40, 40), (40 + 2 * day, 40 + day - 1)):
        [found] = sender.numbers("sum", {"at": at, "since": since, "as_int": 6}, **data)
        assert found[2] == 6
    again = {"at": 60 + 2 * day, "since": 50 + 2 * day, "as_int": 1}
    assert [value for *_, value in sender.numbers("sum", again, **data)] == [0, 1]
    stale = {"at": 90 + 2 * day, "since": 80 + 2 * day, "flags": 1}
    assert len(sender.numbers("sum", stale, **data)) == 1
    data["is_monotonic"] = False
    assert sender.numbers("sum", {"since": 1, "as_int": 5}, **data) == [("m", 10, 5)]
    assert sender.numbers("gauge", {"since": 1, "as_int": 5}) == [("m", 10, 5)]


@pytest.mark.parametrize("custom", [True, False], ids=("custom", "classic"))
def test_cumulative_histograms_start_empty_where_that_is_asked_for(
    read: Any, *, custom: bool
) -> None:
    """All series of a classic one, or one native histogram."""
    sender = Sender(read, zeros=True, convert_histograms_to_nhcb=custom)
    data = {"aggregation_temporality": CUMULATIVE}
    point = {"count": 3, "sum": 4.0, "bucket_counts": [1, 2], "explicit_bounds": [1.0]}
    found = sender.send("histogram", {"since": 0, **point}, **data).histograms
    assert [row[3] for row in found] == ([0.0, 3.0] if custom else [])
    [whole] = sender.send("histogram", {"since": 0, "at": 20, **point}, **data).histograms or [[]]
    assert bool(whole) == custom
    exponential = {"count": 2, "scale": 3, "positive": (3, [1, 1])}
    rows = sender.send("exponential_histogram", {"since": 0, **exponential}, **data).histograms
    assert [(row[2], row[3], row[7]) for row in rows] == [
        (3, 0.0, {}),
        (3, 2.0, {4: 1.0, 5: 1.0}),
    ]


def test_a_classic_histogram_starts_with_a_zero_of_each_series(read: Any) -> None:
    """Where that is asked for."""
    point = {"count": 3, "sum": 4.0, "bucket_counts": [1, 2], "explicit_bounds": [1.0]}
    found = Sender(read, zeros=True).numbers(
        "histogram", {"since": 1, **point}, aggregation_temporality=CUMULATIVE
    )
    values: dict[str, dict[float, float]] = {}
    for series, time, value in found:
        values.setdefault(series, {})[time] = value
    assert values == {
        'm_bucket{le="+Inf"}': {1: 0, 10: 3},
        'm_bucket{le="1"}': {1: 0, 10: 1},
        "m_count": {1: 0, 10: 3},
        "m_sum": {1: 0, 10: 4},
    }


def test_a_delta_that_is_sent_again_is_not_added_again(sender: Sender) -> None:
    """A client that got no answer sends the same again, and is told the same again."""
    data = {"aggregation_temporality": DELTA}
    for _ in range(2):
        assert sender.numbers("sum", {"at": 10, "as_int": 5}, **data) == [("m", 10, 5)]
        assert sender.decoded.dropped == ()
    assert sender.numbers("sum", {"at": 20, "as_int": 1}, **data) == [("m", 20, 6)]


def test_deltas_out_of_order_are_dropped_with_a_reason(sender: Sender) -> None:
    """What is older than the sum cannot be told apart from what is in it."""
    data = {"aggregation_temporality": DELTA, "is_monotonic": True}
    sender.numbers("sum", {"at": 30, "since": 20, "as_int": 5}, **data)
    assert sender.numbers("sum", {"at": 25, "since": 20, "as_int": 5}, **data) == []
    [drop] = sender.decoded.dropped
    assert (drop.metric, drop.points) == ("m", 1)
    assert "older than one before" in drop.reason
    assert sender.numbers("sum", {"at": 40, "since": 10, "as_int": 5}, **data) == []
    assert "starts before its stream" in sender.decoded.dropped[0].reason
    assert sender.decoded.points == 0
    assert sender.numbers("sum", {"at": 50, "since": 30, "as_int": 1}, **data)[0][2] == 6


def test_attributes_in_another_order_are_the_same_sum(sender: Sender) -> None:
    """An encoder need not keep an order."""
    data = {"aggregation_temporality": DELTA}
    one, other = {"a": "1", "b": "2"}, {"b": "2", "a": "1"}
    sender.numbers("sum", {"at": 10, "as_int": 1, "labels": one}, **data)
    found = sender.numbers("sum", {"at": 20, "as_int": 1, "labels": other}, **data)
    assert found == [('m{a="1",b="2"}', 20, 2)]


def test_deltas_of_histograms_are_added_up(sender: Sender) -> None:
    """Count, sum and every bucket."""
    point = {"count": 3, "sum": 4.0, "bucket_counts": [1, 2], "explicit_bounds": [1.0]}
    data = {"aggregation_temporality": DELTA}
    sender.numbers("histogram", {"at": 10, **point}, **data)
    assert sender.numbers("histogram", {"at": 20, **point}, **data) == [
        ('m_bucket{le="+Inf"}', 20, 6),
        ('m_bucket{le="1"}', 20, 2),
        ("m_count", 20, 6),
        ("m_sum", 20, 8),
    ]


def test_deltas_of_custom_histograms_are_added_up(read: Any) -> None:
    """With `convert_histograms_to_nhcb` too, from an empty histogram on."""
    sender = Sender(read, convert_histograms_to_nhcb=True)
    point = {"count": 3, "sum": 4.0, "bucket_counts": [0, 3], "explicit_bounds": [1.0]}
    found = [
        sender.send(
            "histogram", {"at": at, "since": at - 10, **point}, aggregation_temporality=DELTA
        ).histograms
        for at in (10, 20)
    ]
    assert [[(row[3], row[7]) for row in rows] for rows in found] == [
        [(0.0, {}), (3.0, {1: 3.0})],
        [(6.0, {1: 6.0})],
    ]


def test_deltas_with_other_buckets_are_other_sums(read: Any) -> None:
    """Bounds that change begin a new sum, which leaves those beside it alone."""
    sender = Sender(read, convert_histograms_to_nhcb=True)
    data = {"aggregation_temporality": DELTA}
    few = {"count": 1, "bucket_counts": [1, 0], "explicit_bounds": [1.0]}
    many = {"count": 9, "bucket_counts": [0] * 8 + [9], "explicit_bounds": list(range(8))}
    sender.send("histogram", {"at": 1, **few}, **data)
    sender.send("sum", {"at": 1, "as_int": 5}, **data)
    [row] = sender.send("histogram", {"at": 2, **many}, **data).histograms
    assert (row[3], row[7]) == (9.0, {8: 9.0})
    assert sender.numbers("sum", {"at": 2, "as_int": 5}, **data) == [("m", 2, 10)]


def test_deltas_of_exponential_histograms_are_added_up_at_the_coarser_scale(
    sender: Sender,
) -> None:
    """At scale 0 index 3 of scale 1 is index 1; what is sent at a finer scale is made coarser."""
    data = {"aggregation_temporality": DELTA}
    points = [
        {"at": 10, "count": 2, "sum": 1.0, "scale": 1, "positive": (3, [1, 1])},
        {"at": 20, "count": 2, "sum": 1.0, "scale": 0, "zero_count": 1, "positive": (-1, [1])},
        {"at": 30, "count": 4, "sum": 1.0, "scale": 2, "negative": (6, [1, 1, 2])},
    ]
    rows = [sender.send("exponential_histogram", point, **data).histograms[0] for point in points]
    assert [(row[2], row[3], row[6], row[7], row[8]) for row in rows] == [
        (1, 2.0, 0.0, {4: 1.0, 5: 1.0}, {}),
        (0, 4.0, 1.0, {0: 1.0, 2: 1.0, 3: 1.0}, {}),
        (0, 8.0, 1.0, {0: 1.0, 2: 1.0, 3: 1.0}, {2: 2.0, 3: 2.0}),
    ]


def test_a_sum_of_exponential_histograms_has_few_buckets(sender: Sender) -> None:
    """Two buckets 2,000 apart fit into 160 at a scale four steps coarser."""
    data = {"aggregation_temporality": DELTA}
    sender.send("exponential_histogram", {"at": 1, "count": 1, "positive": (-1000, [1])}, **data)
    [row] = sender.send(
        "exponential_histogram", {"at": 2, "count": 1, "positive": (1000, [1])}, **data
    ).histograms
    assert row[2] == -4
    assert row[7] == {(-1000 >> 4) + 1: 1.0, (1000 >> 4) + 1: 1.0}
    sender.send("exponential_histogram", {"at": 3, "count": 1, "positive": (10**6, [1])}, **data)
    assert "index" in sender.decoded.dropped[0].reason


def test_points_without_a_recorded_value_are_stale_markers(sender: Sender) -> None:
    """Every series of the point ends."""
    found = sender.send("gauge", {"flags": 1})
    assert [bits for _, _, bits in found.samples] == [STALE_BITS]
    found = sender.send(
        "histogram",
        {"flags": 1, "sum": 0.0, "bucket_counts": [0, 0], "explicit_bounds": [1.0]},
        aggregation_temporality=CUMULATIVE,
    )
    assert [bits for _, _, bits in found.samples] == [STALE_BITS] * 4


def test_exemplars_are_of_the_bucket_that_they_fell_into(sender: Sender) -> None:
    """They keep their trace, and their own attributes while all are 128 characters at most."""
    message = request(
        "histogram",
        {"count": 2, "bucket_counts": [1, 1, 0], "explicit_bounds": [1.0, 2.0]},
        aggregation_temporality=CUMULATIVE,
    )
    point = message.resource_metrics[0].scope_metrics[0].metrics[0].histogram.data_points[0]
    point.exemplars.add(
        as_double=1.0, time_unix_nano=START + S, trace_id=b"\x01" * 16, span_id=b"\x02" * 8
    )
    short = point.exemplars.add(as_int=5)
    short.filtered_attributes.add(key="user").value.string_value = "me"
    long = point.exemplars.add(as_double=1.5)
    long.filtered_attributes.add(key="user").value.string_value = "x" * 125
    found = [(text(labels), time, own) for labels, time, _, own in sender.decode(message).exemplars]
    assert sorted(found) == [
        ('m_bucket{le="+Inf"}', START // 10**6 + 10_000, (("user", "me"),)),
        (
            'm_bucket{le="1"}',
            START // 10**6 + 1_000,
            (("span_id", "02" * 8), ("trace_id", "01" * 16)),
        ),
        ('m_bucket{le="2"}', START // 10**6 + 10_000, ()),
    ]


@pytest.mark.parametrize(
    ("kind", "point", "data", "reason"),
    [
        ("gauge", {"as_int": 1, "at": -1_790_000_000}, {}, "no time between 1970 and 2100"),
        ("gauge", {}, {}, "no value"),
        ("sum", {"as_int": 1}, {}, "no aggregation temporality"),
        ("exponential_histogram", {"scale": -5}, {"aggregation_temporality": 2}, "scale below -4"),
        ("exponential_histogram", {"count": 1}, {"aggregation_temporality": 2}, "do not add up"),
        ("gauge", {"as_int": 1, "labels": {"": "x"}}, {}, "empty key"),
        ("gauge", {"as_int": 1, "labels": {"x": "y" * 70_000}}, {}, "longer than 65,535"),
        ("gauge", {"as_int": 1, "labels": {f"k{n}": "v" for n in range(128)}}, {}, "more than 128"),
    ],
)
def test_what_cannot_be_taken_is_dropped_alone(
    sender: Sender, kind: str, point: dict[str, Any], data: dict[str, Any], reason: str
) -> None:
    """The rest of the request is stored, and the reason is told each time."""
    message = request(kind, point, **data)
    metrics = message.resource_metrics[0].scope_metrics[0].metrics
    metrics.add(name="good").gauge.data_points.add(time_unix_nano=START, as_int=1)
    for _ in range(2):
        assert [text(labels) for labels, _, _ in sender.decode(message).samples] == ["good"]
        [drop] = sender.decoded.dropped
        assert (drop.metric, drop.points) == ("m", 1)
        assert reason in drop.reason
        assert sender.decoded.points == 1


@pytest.mark.parametrize("body", [b"no protobuf", b"\x0a", b"\x0a\x05abc", b"\x3a\x03abc"])
def test_what_is_no_request_is_refused(sender: Sender, body: bytes) -> None:
    """Nothing of it is stored."""
    with pytest.raises(InvalidInputError, match=r"well-formed|no resource_metrics"):
        sender.decoder.decode(body)


def test_too_many_points_are_refused(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    """A body of empty points would take much more memory than it has bytes."""
    monkeypatch.setattr(decoder, "MAX_POINTS", 2_000)
    message = request("gauge", *({} for _ in range(2_100)))
    with pytest.raises(LimitExceededError, match="more than 2,000 data points"):
        sender.decode(message)


def test_streams_that_come_one_by_one_end_in_one_block(sender: Sender) -> None:
    """A request is not cut into as many batches as there were first requests."""
    for number in range(40):
        sender.numbers(
            "gauge", *({"as_int": 1, "labels": {"n": str(n)}} for n in range(number + 1))
        )
    assert len(sender.decoded.batches) < 20
    everything = [{"as_int": n, "labels": {"n": str(n)}} for n in range(40)]
    for _ in range(3):
        found = sender.numbers("gauge", *everything)
        assert sorted(found) == sorted((f'm{{n="{n}"}}', 10, n) for n in range(40))


def test_labels_of_known_streams_are_the_same_object(sender: Sender) -> None:
    """So that the store knows them again at a glance."""
    points = [{"as_int": 1, "labels": {"n": str(n)}} for n in range(5)]
    sender.send("gauge", *points)
    first = sender.decoded.batches[0].labels
    sender.send("gauge", *points)
    assert sender.decoded.batches[0].labels is first


def test_streams_are_forgotten_when_they_are_too_many(read: Any) -> None:
    """Those that came lately keep their sums; others begin anew."""
    sender = Sender(read, max_streams=20)
    delta = {"aggregation_temporality": DELTA, "is_monotonic": True}
    exponential = {"count": 1, "positive": (0, [1])}
    histogram = {"count": 1, "bucket_counts": [1, 0], "explicit_bounds": [1.0]}
    for at in range(1, 60):
        sender.numbers("sum", {"at": at, "as_int": 1}, **delta)
        sender.send(
            "exponential_histogram", {"at": at, **exponential}, aggregation_temporality=DELTA
        )
        sender.numbers("histogram", {"at": at, **histogram}, aggregation_temporality=DELTA)
        sender.numbers("sum", {"at": at, "as_int": 1, "labels": {"n": str(at)}}, **delta)
        sender.numbers("gauge", {"at": at, "as_int": 1, "labels": {"n": str(at)}})
    assert sender.numbers("sum", {"at": 60, "as_int": 1}, **delta) == [("m_total", 60, 60)]
    [row] = sender.send(
        "exponential_histogram", {"at": 60, **exponential}, aggregation_temporality=DELTA
    ).histograms
    assert (row[3], row[7]) == (60.0, {1: 60.0})
    found = sender.numbers("histogram", {"at": 60, **histogram}, aggregation_temporality=DELTA)
    assert [value for _, _, value in found] == [60, 60, 60]
    old = sender.numbers("sum", {"at": 60, "as_int": 5, "labels": {"n": "1"}}, **delta)
    assert old == [('m_total{n="1"}', 60, 5)]
    assert sender.decoder._streams.count <= 20 + 1
