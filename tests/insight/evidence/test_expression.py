"""What is drawn of an alert's expression, and what it measures."""

import pytest

from veriscope.insight.evidence.expression import expression_of, read_expression
from veriscope.insight.units import Unit


@pytest.mark.parametrize(
    ("text", "shown", "threshold"),
    [
        ("a > 5", "a", 5.0),
        ("5 < a", "a", 5.0),
        ("(rate(a[5m]) >= -0.5)", "rate(a[5m])", -0.5),
        ("a == bool 1", "a", 1.0),
        ("a > 2 * 1024", "a", 2048.0),
        ("a > 1 / 0", "a > 1 / 0", None),
        ("a > b", "a > b", None),
        ("a > 1 and b > 2", "a > 1 and b > 2", None),
        ("absent(a)", "absent(a)", None),
        ("1 > bool 2", "1 > bool 2", None),
    ],
)
def test_threshold_is_taken_off(text: str, shown: str, threshold: float | None) -> None:
    """What is left has a value also while all is well."""
    found = read_expression(text)
    assert (found.shown, found.threshold) == (shown, threshold)


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("memory_bytes > 1", Unit.BYTES),
        ("rate(sent_bytes_total[5m])", Unit.BYTES_PER_SECOND),
        ("sum by (job) (rate(requests_total[5m]))", Unit.PER_SECOND),
        ("histogram_quantile(0.9, sum by (le) (rate(took_seconds_bucket[5m])))", Unit.SECONDS),
        ("rate(took_seconds_sum[5m]) / rate(took_seconds_count[5m])", Unit.SECONDS),
        ('sum(rate(a_total{s="5"}[5m])) / sum(rate(a_total[5m]))', Unit.RATIO),
        ('100 * (sum(rate(a_total{s="5"}[5m])) / sum(rate(a_total[5m])))', Unit.PERCENT),
        ("1 - free_bytes / size_bytes", Unit.RATIO),
        ("size_bytes - free_bytes", Unit.BYTES),
        ("avg_over_time(chip_celsius[10m])", Unit.CELSIUS),
        ("max(quantile_over_time(0.9, chip_celsius[10m]))", Unit.CELSIUS),
        ("count(chip_celsius)", Unit.NUMBER),
        ("queue_length", Unit.NUMBER),
        ("a / b", Unit.NUMBER),
        ("free_bytes / 1024", Unit.NUMBER),
        ("time()", Unit.NUMBER),
        ("-free_bytes", Unit.BYTES),
    ],
)
def test_unit_is_read_from_the_names(text: str, unit: Unit) -> None:
    """As far as Prometheus' conventions tell."""
    assert read_expression(text).unit is unit


def test_the_deepest_that_is_read_has_no_unit() -> None:
    """An alert may come from anywhere, with any expression."""
    assert read_expression("a + " * 4_000 + "a > 1").unit is Unit.NUMBER


def test_ranges_and_names_are_known() -> None:
    """The longest range says how late a change is noticed."""
    found = read_expression("rate(a[5m]) + max_over_time(rate(b[1m])[1h:1m])")
    assert found.range_ms == 3_600_000
    assert found.metrics == {"a", "b"}


def test_expression_is_that_of_the_first_link_that_has_one() -> None:
    """Links of elsewhere and what is no PromQL are passed over; nothing too long is read."""
    links = [
        "",
        "http://x/other",
        "http://x/graph?g0.expr=%29",
        "http://x/graph?g0.expr=up&g0.tab=1",
    ]
    found = expression_of(links)
    assert found is not None
    assert found.text == "up"
    assert expression_of([f"http://x/graph?g0.expr={'a%2B' * 9_000}a"]) is None
    assert expression_of([]) is None
