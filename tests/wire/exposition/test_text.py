import contextlib
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    StateSetMetricFamily,
    SummaryMetricFamily,
)
from prometheus_client.openmetrics import exposition as om_exposition
from prometheus_client.openmetrics import parser as om_parser
from prometheus_client.parser import text_string_to_metric_families

from veriscope.signals import METRIC_NAME, MetricType, to_labels
from veriscope.wire.exposition import (
    NO_TIMESTAMP,
    ExpositionError,
    SeriesTable,
    parse_openmetrics,
    parse_text,
)


def read(parse: Any, body: bytes, table: SeriesTable | None = None) -> Any:
    """Return (labels, value) pairs of a body."""
    table = SeriesTable() if table is None else table
    found = parse(body, table)
    return [
        (to_labels(table.labels[row]), value)
        for row, value in zip(found.series, found.values.tolist(), strict=True)
    ]


def same(left: Any, right: Any) -> bool:
    """Compare pairs in any order, NaN being equal to itself."""

    def key(pairs: Any) -> Any:
        return sorted((labels, "nan" if math.isnan(v) else repr(float(v))) for labels, v in pairs)

    return key(left) == key(right)


def expected(families: Any) -> Any:
    """Return what prometheus_client's own parser reads."""
    return [
        (to_labels({**sample.labels, METRIC_NAME: sample.name}), float(sample.value))
        for family in families
        for sample in family.samples
    ]


names = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)
label_names = st.sampled_from(["a", "b_1", "C"])
texts = st.text(st.characters(exclude_categories=["Cs", "Cc"], include_characters='\n\\"'))
numbers = st.floats(allow_nan=True, allow_infinity=True)
counts = st.integers(0, 10**6)


@st.composite
def families(draw: Any) -> Any:
    """Draw one family of any type with a few label sets."""
    name = f"m{draw(st.integers(0, 10**6))}_{draw(names)}x"
    labels = sorted(draw(st.sets(label_names)))
    kind = draw(
        st.sampled_from(
            [
                CounterMetricFamily,
                GaugeMetricFamily,
                HistogramMetricFamily,
                SummaryMetricFamily,
                InfoMetricFamily,
                StateSetMetricFamily,
            ]
        )
    )
    family = kind(name, draw(texts).strip(), labels=labels)
    sets = st.lists(st.tuples(*[texts for _ in labels]), unique=True, min_size=1, max_size=3)
    for values in draw(sets) if labels else [()]:
        if kind is HistogramMetricFamily:
            low, high = sorted([draw(counts), draw(counts)])
            family.add_metric(values, [("0.5", low), ("+Inf", high)], draw(st.floats(0, 1e9)))
        elif kind is SummaryMetricFamily:
            family.add_metric(values, draw(counts), draw(st.floats(0, 1e9)))
        elif kind is InfoMetricFamily:
            family.add_metric(values, {"version": draw(texts)})
        elif kind is StateSetMetricFamily:
            family.add_metric(values, {"on": draw(st.booleans()), "off": False})
        elif kind is CounterMetricFamily:
            family.add_metric(values, draw(st.floats(0, 1e300)))
        else:
            family.add_metric(values, draw(numbers))
    return family


class Collector:
    """Hands families to prometheus_client's printers."""

    def __init__(self, found: Any) -> None:
        self.found = found

    def collect(self) -> Any:
        """Return the families."""
        return self.found


def registry(found: Any) -> CollectorRegistry:
    """Return a registry of exactly these families."""
    result = CollectorRegistry()
    result.register(Collector(found))
    return result


@given(st.lists(families(), max_size=4, unique_by=lambda family: family.name))
def test_text_reads_as_prometheus_client_reads(found: Any) -> None:
    """What prometheus_client prints, both parsers read alike; also when seen before."""
    body = generate_latest(registry(found))
    table = SeriesTable()
    first = read(parse_text, body, table)
    assert same(first, expected(text_string_to_metric_families(body.decode())))
    assert same(first, read(parse_text, body, table))


@given(st.lists(families(), max_size=4, unique_by=lambda family: family.name))
def test_openmetrics_reads_as_prometheus_client_reads(found: Any) -> None:
    """What prometheus_client prints as OpenMetrics, both parsers read alike."""
    body = om_exposition.generate_latest(registry(found))
    table = SeriesTable()
    first = read(parse_openmetrics, body, table)
    assert same(first, expected(om_parser.text_string_to_metric_families(body.decode())))
    assert same(first, read(parse_openmetrics, body, table))


@given(
    st.one_of(
        st.binary(),
        st.lists(
            st.sampled_from(
                [b"a", b"1", b" ", b"{", b"}", b'"', b"=", b",", b"\n", b"#", b"\\", b"# TYPE ",
                 b"# HELP ", b"# EOF", b"\xff", b"_", b"-", b".5", b"e9", b"9" * 400, b"\t"]
            )
        ).map(b"".join),
    )
)  # fmt: skip
@pytest.mark.parametrize("parse", [parse_text, parse_openmetrics])
def test_any_bytes_parse_or_are_refused(parse: Any, body: bytes) -> None:
    """No input raises anything but the typed error, with a fresh table or a used one."""
    table = SeriesTable()
    parse_text(b'a{a="1"} 1\na 1\n', table)
    for candidate in (body, body + b"\n# EOF\n", b'a{a="1"} ' + body + b"\n# EOF"):
        with contextlib.suppress(ExpositionError):
            parse(candidate, table)


@pytest.mark.parametrize(
    ("line", "labels", "value"),
    [
        (b"a 1", {METRIC_NAME: "a"}, 1),
        (b"  a\t 1 \r", {METRIC_NAME: "a"}, 1),
        (b"a{} +Inf", {METRIC_NAME: "a"}, math.inf),
        (b'a { b = "c" , } -1e3', {METRIC_NAME: "a", "b": "c"}, -1000),
        (b'a{b="}"}1', {METRIC_NAME: "a", "b": "}"}, 1),
        (b'a{b="x\\\\y\\"\\n\\t"} 1', {METRIC_NAME: "a", "b": 'x\\y"\n\\t'}, 1),
        ('{"größe.x","k k"="ü"} 1'.encode(), {METRIC_NAME: "größe.x", "k k": "ü"}, 1),
    ],
)
def test_text_line(line: bytes, labels: dict[str, str], value: float) -> None:
    """Each spelling of a line has one meaning."""
    assert read(parse_text, line) == [(to_labels(labels), value)]


@pytest.mark.parametrize(
    ("body", "line", "cause"),
    [
        (b"a 1\nb", 2, "a value was expected"),
        (b"a 1_0", 1, "not a number"),
        (b"a 0x1p3", 1, "not a number"),
        (b"a 1 1.5", 1, "not a timestamp"),
        (b"a 1 2 3", 1, "a value was expected"),
        (b'a{b="c} 1', 1, "a label or a closing brace"),
        (b'a{b="1",b="2"} 1', 1, "given twice"),
        (b'{b="1"} 1', 1, "metric name"),
        (b'a{b="\xff"} 1', 1, "not UTF-8"),
        (b"a 1\n# TYPE a thing", 2, "not a metric type"),
        (b"\n\n# HELP", 3, "not a HELP"),
        (b"1a 1", 1, "metric name"),
    ],
)
def test_text_error(body: bytes, line: int, cause: str) -> None:
    """An error names the line and the cause, also after a good parse of the same series."""
    table = SeriesTable()
    parse_text(b"a 1\n", table)
    with pytest.raises(ExpositionError, match=cause) as caught:
        parse_text(body, table)
    assert caught.value.line == line


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        (b"a 1\n", "# EOF"),
        (b"a 1\n# EOF\na 2\n", "# EOF"),
        (b"\n# EOF", "metric name"),
        (b"a  1\n# EOF", "not a number"),
        (b"a 1 \n# EOF", "timestamp|number"),
        (b"# comment\n# EOF", "not a HELP"),
        (b"# TYPE a untyped\n# EOF", "not a metric type"),
        (b"# UNIT a_bytes seconds\n# EOF", "not the suffix"),
        (b"a 1 # x 1\n# EOF", "exemplar starts"),
        (b'a 1 # {x="1"}\n# EOF', "exemplar's value"),
        (b'a 1 # {x="1} 1\n# EOF', "label or a closing"),
        (b"a 1 nan\n# EOF", "timestamp"),
    ],
)
def test_openmetrics_error(body: bytes, cause: str) -> None:
    """OpenMetrics is read strictly."""
    with pytest.raises(ExpositionError, match=cause):
        parse_openmetrics(body, SeriesTable())


def test_exemplars_are_checked_and_left_out() -> None:
    """A sample keeps its value and timestamp beside an exemplar, seen before or not."""
    table = SeriesTable()
    body = b'a_bucket{le="1"} 3 1.5 # {trace="a # {b} "} 0.5 1.25\n# EOF\n'
    for _ in range(2):
        found = parse_openmetrics(body, table)
        assert found.values.tolist() == [3]
        assert found.timestamps_ms is not None
        assert found.timestamps_ms.tolist() == [1500]
    assert len(table) == 1


def test_timestamps_are_milliseconds_in_text() -> None:
    """Samples without a timestamp are marked where others have one."""
    found = parse_text(b"a 1 -1500\nb 2\n", SeriesTable())
    assert found.timestamps_ms is not None
    assert found.timestamps_ms.tolist() == [-1500, NO_TIMESTAMP]


def test_bounds_are_spelled_one_way() -> None:
    """`le` and `quantile` of histograms and summaries are written as Prometheus 3 does."""
    body = (
        b'# TYPE h histogram\nh_bucket{le="1"} 1\nh_bucket{le="1000000"} 1\n'
        b'h_bucket{le="0.00001"} 1\nh_bucket{le="+Inf"} 1\n# TYPE g gauge\ng{le="1"} 1\n'
    )
    bounds = [dict(labels)["le"] for labels, _ in read(parse_text, body)]
    assert bounds == ["1.0", "1e+06", "1e-05", "+Inf", "1"]


def test_metadata_is_read_once() -> None:
    """Families have help, type and unit; unchanged comments give the same object."""
    body = b"# HELP a_seconds One\\nline\n# TYPE a_seconds counter\n# UNIT a_seconds seconds\n# EOF"
    table = SeriesTable()
    first = parse_openmetrics(body, table).metadata
    assert [(item.name, item.type, item.help, item.unit) for item in first] == [
        ("a_seconds_total", MetricType.COUNTER, "One\nline", "seconds")
    ]
    assert parse_openmetrics(body, table).metadata is first


def test_a_known_name_is_no_prefix_of_another() -> None:
    """A line that only begins like a known series is not taken for it."""
    table = SeriesTable()
    parse_text(b"a 1\n", table)
    with pytest.raises(ExpositionError):
        parse_text(b"a1", table)
