"""Veriscope and Debian's Prometheus on the same samples: the same series, values and errors."""

import itertools
import json
import math
import random
from collections.abc import Callable
from typing import Any

import pytest

from veriscope.query import ParseError, QueryError
from veriscope.query.promql import PromqlEngine, encode
from veriscope.signals import Grid, Labels, to_labels

BASE_S = 1_699_999_200
"""
A multiple of ten minutes.

Samples lie 7.123 s after multiples of 15 s and questions 11 s after one of 75 s, so that no edge of
a window or subquery is ever hit: there 2.42 and 3 differ on purpose. The ranges of subqueries that
may hold subqueries are odd by half a second for the same reason.
"""
START_S, END_S, STEP_S = BASE_S + 911, BASE_S + 2711, 75

Series = dict[Labels, list[tuple[int, float]]]

SELECTORS = [
    "requests_total",
    'requests_total{job="api"}',
    'requests_total{code=~"5..|404", job!~"w.*"}',
    'temperature{room!="attic"}',
    "temperature",
    'odd{kind=~".+"}',
]
RANGE_FUNCTIONS = [
    "rate({}[5m])", "increase({}[4m])", "delta({}[5m])", "irate({}[3m])", "idelta({}[3m])",
    "sum_over_time({}[5m])", "avg_over_time({}[5m])", "min_over_time({}[5m])",
    "max_over_time({}[5m])", "count_over_time({}[7m])", "last_over_time({}[3m])",
    "present_over_time({}[2m])", "stddev_over_time({}[5m])", "stdvar_over_time({}[5m])",
    "quantile_over_time(0.3, {}[5m])", "changes({}[10m])", "resets({}[10m])", "deriv({}[5m])",
    "predict_linear({}[5m], 600)", "absent_over_time({}[1m])", "rate({}[5m] offset 3m)",
    f"sum_over_time({{}}[5m] @ {BASE_S + 1811})", "max_over_time({}[5m] offset -2m)",
    "double_exponential_smoothing({}[5m], 0.4, 0.3)",
]  # fmt: skip
SIMPLE = [
    "abs({})", "ceil({})", "floor({} / 7)", "exp({} / 1000)", "ln({})", "log2({})", "log10({})",
    "sqrt({})", "sgn({} - 20)", "round({}, 0.3)", "round({})", "clamp({}, 3, 20)",
    "clamp_min({}, 10)", "clamp_max({}, 10)", "sin({})", "cos({})", "tan({})", "asinh({})",
    "atan({})", "tanh({})", "deg({})", "rad({})", "timestamp({})", "timestamp({} + 0)",
    "-{}", "{} offset 4m", "{} @ end()", "{} @ start() offset 1m", "absent({})",
    "scalar({})",
    "vector(scalar({}))", "sort({})", "sort_desc({})",
    'label_replace({}, "to", "$1-x", "job", "(.).*")', 'label_join({}, "to", "/", "job", "code")',
    "{} > 10", "{} >= bool 10", "10 < {}", "{} == {}", "{} != bool {}", "2 ^ ({} % 7)",
    "{} atan2 2", "{} / 0", "{} % 0", "({} > 10) + 1",
]  # fmt: skip
CALENDAR = [
    "hour({})", "day_of_week({} * 12345)", "days_in_month({} * 100000)", "month({} * 1000000)",
    "day_of_year({} * 100000)", "day_of_month({} * 99999)", "year({} * 10000000)", "minute({})",
]  # fmt: skip
AGGREGATIONS = [
    "sum", "avg", "min", "max", "count", "group", "stddev", "stdvar",
    "quantile(0.7, ", "topk(2, ", "bottomk(3, ",
]  # fmt: skip
GROUPINGS = ["", "by (job)", "without (instance, room)", "by (job, code, kind)", "by (nothing)"]
WRITTEN = [
    # matching
    "requests_total / on(job, instance) group_left(version) build",
    "build * on(job, instance) group_right(version) requests_total",
    "requests_total - ignoring(code) group_left sum without(code) (requests_total)",
    "sum by (job) (requests_total) / sum by (job) (requests_total offset 5m)",
    "requests_total / requests_total offset 1m",
    "requests_total + on(job) requests_total",
    "requests_total * on(job) group_left() requests_total",
    "requests_total + ignoring(code) requests_total",
    "sum by (job, code) (requests_total) > on(job) group_left sum by (job) (requests_total) / 4",
    "sum by (job) (requests_total) == bool on(job) sum by (job) (requests_total)",
    "build and on(instance) temperature",
    'requests_total and requests_total{code="200"}',
    'requests_total unless requests_total{code="200"}',
    'requests_total{code="200"} or requests_total',
    "requests_total or on(job) temperature or vector(1)",
    'temperature or label_replace(vector(3), "room", "cellar", "", "")',
    "requests_total unless on(job, instance) build",
    'rate({__name__=~"requests_total|temperature"}[5m])',
    'rate({job="api"}[5m])',
    'sum(rate({__name__=~"twin_.+"}[5m]))',
    '{__name__=~"twin_.+"}',
    '-{__name__=~"twin_.+"}',
    'abs({__name__=~"twin_.+"})',
    'sum by (__name__) ({__name__=~"twin_.+"})',
    "sum by (__name__) (rate(requests_total[5m]))",
    'count without () ({__name__=~"twin_.+"})',
    'label_replace(twin_a, "side", "z", "side", ".*")',
    'absent({__name__="nothing", a="b", c=~"d", e="f", e="g"})',
    "absent(nothing)", "absent(sum(nothing))", 'absent_over_time(nothing{x="y"}[5m])',
    "absent(requests_total > 1e12)",
    # histograms
    "histogram_quantile(0.9, rate(latency_bucket[5m]))",
    "histogram_quantile(0.5, sum by (le, job) (rate(latency_bucket[5m])))",
    "histogram_quantile(0.99, sum by (le) (latency_bucket))",
    "histogram_quantile(-1, latency_bucket)", "histogram_quantile(2, latency_bucket)",
    "histogram_quantile(NaN, latency_bucket)", "histogram_quantile(0, latency_bucket)",
    "histogram_quantile(1, latency_bucket)", 'histogram_quantile(0.5, latency_bucket{le!="+Inf"})',
    "histogram_quantile(0.5, requests_total)", 'histogram_quantile(0.4, latency_bucket{le!="0.5"})',
    'histogram_quantile(scalar(temperature{room="attic"}) / 100, latency_bucket)',
    # scalars and literals
    "1 + 2 * 3 ^ 2 % 5", "-1 ^ 2", "1 / 0", "0 / 0", "-1 / 0", "3 > bool 2", "1 == bool NaN",
    "time()", "pi()", "vector(1)", "vector(time())", "scalar(vector(3)) + 1", "minute()", "hour()",
    "time() - 5 > 3", "1e-7 + 0", "0x1f", "-Inf", "7 atan2 -2", "-7 % 3", "7 % -3", "(-8) ^ (1/3)",
    "vector(2) > vector(1)", "vector(1) > vector(2)", "1 < vector(2)", "sum(vector(2))",
    # subqueries
    "rate(requests_total[3m])[10m:30s]",
    "max_over_time(rate(requests_total[3m])[10m:30s])",
    "avg_over_time(sum by (job) (requests_total)[10m:1m])",
    "sum_over_time((temperature > 20)[10m:30s] offset 2m)",
    f"quantile_over_time(0.5, temperature[10m:45s] @ {BASE_S + 2011})",
    "min_over_time(max_over_time(temperature[125s:30s])[10m:1m])",
    "deriv(rate(requests_total[2m])[10m:30s])",
    "count_over_time(vector(1)[7m:1m])", "sum_over_time(time()[5m:30s])",
    "max_over_time(time()[5m:30s] offset 1m)",
    "rate((requests_total or temperature)[5m:30s])", "changes(odd[10m:30s])",
    "last_over_time(nothing[5m:1m])", "absent_over_time(nothing[5m:1m])",
    "present_over_time(sum(requests_total)[20s:30s])",
    f"predict_linear(temperature[5m] @ {BASE_S + 1511}, 60)",
    f"timestamp(temperature @ {BASE_S + 1511})", f"sum(requests_total @ {BASE_S + 1511})",
    f"requests_total - requests_total @ {BASE_S + 1511}",
    f"topk(1, temperature) + on() group_left() sum(temperature @ {BASE_S + 1511})",
    "sum_over_time(sum_over_time(temperature[1m])[5m:1m] @ end())",
    # aggregations with parameters
    'count_values("value", round(temperature / 10))',
    'count_values by (room) ("v", temperature > 20)',
    'count_values("job", requests_total > 500)', "topk(scalar(sum(vector(2))), temperature)",
    "topk(0, temperature)", "topk(-1, temperature)", "bottomk(100, temperature)",
    "topk by (job) (1, requests_total)", "quantile(2, temperature)", "quantile(-1, temperature)",
    "quantile(NaN, temperature)", "quantile(scalar(vector(0.2)), temperature)",
    "topk(2, odd)", "bottomk(1, odd)", "sum(odd)", "avg(odd)", "stddev(temperature) by (room)",
    # errors
    "rate(requests_total)", "sum(1)", "requests_total +", "foo(bar)", 'a{x="}', "1 > 2", "a and 1",
    "sum(requests_total[5m])", "-requests_total[5m]", '"text" + 1', 'a{x=~"("}',
    "topk(temperature)", 'label_replace(temperature, "to", "$1", "room", "(")', "label_replace(a)",
    'label_join(temperature, "", "-", "room")',
    "double_exponential_smoothing(temperature[5m], 2, 0.5)",
    "double_exponential_smoothing(temperature[5m], 0.5, 0)", "a[5m][5m:]", "a offset 5m offset 5m",
    "{}", '{a=""}',
    'a{__name__="b"}', "a + on(b) group_left(b) c", "a and on(b) group_left c", "a > bool 1 bool 2",
    "topk(NaN, temperature)", '"a string"', "temperature[5m]", "temperature[5m] offset 1m",
    "vector(temperature)", "time(1)", "abs(1)", "sum by (a) by (b) (c)", "a[0s]", "a[5m:0s]",
]  # fmt: skip


DIFFERS = [
    # In 2.42 a plain mean forgets small numbers beside large ones.
    'avg_over_time(odd{kind=~".+"}',
    # In 2.42 the deviation of a single NaN or Inf is 0, in 3 NaN.
    'stddev(odd{kind!="cancelling"})',
    'stdvar(odd{kind!="cancelling"})',
    # In 2.42 atan2 with a scalar keeps the metric name.
    "} atan2 2", "temperature atan2 2", "requests_total atan2 2",
    # In 2.42 a counter near zero reaches back beyond half a gap where samples are missing.
    "rate(temperature", "increase(temperature", 'rate({__name__=~"requests_total|temperature"}',
    # In 2.42 the variance of large numbers loses digits.
    "stdvar(timestamp(", "stddev(timestamp(",
    # In 2.42 a range pinned by @ still moves with the steps under predict_linear.
    "predict_linear(temperature[5m] @",
]  # fmt: skip
"""What is in these queries has another answer in Prometheus 3, which Veriscope follows."""


def make_series() -> Series:
    """Return counters with resets and gaps, gauges, histograms, and odd values."""
    chance = random.Random(7)  # noqa: S311 - data for a test
    times = [(BASE_S + 15 * tick) * 1000 + 7_123 for tick in range(200)]
    series: Series = {}

    def add(name: str, values: list[float], keep: float = 1.0, **labels: str) -> None:
        points = [(t, v) for t, v in zip(times, values, strict=False) if chance.random() < keep]
        series[to_labels({"__name__": name, **labels})] = points

    def counter(start: float, reset: float = 0.01) -> list[float]:
        values, value = [], start
        for _ in times:
            value = chance.random() * 3 if chance.random() < reset else value + chance.random() * 9
            values.append(value)
        return values

    for job, instance, code in itertools.product(
        ("api", "web", "worker"), ("a:1", "b:2"), ("200", "404", "500")
    ):
        add("requests_total", counter(5000), 0.95, job=job, instance=instance, code=code)
    for job, instance in itertools.product(("api", "web"), ("a:1", "b:2")):
        version = f"1.{len(series)}"
        add("build", [1.0] * 200, job=job, instance=instance, version=version)
    for room in ("attic", "cellar", "hall", "kitchen"):
        add("temperature", [20 + 15 * chance.gauss() for _ in times], 0.9, room=room)
    add("temperature", [21.5] * 200, 0.2, room="shed")
    for job in ("api", "web"):
        totals = [0.0] * 6
        rows: list[list[float]] = []
        for _ in times:
            totals = [total + chance.randrange(5) for total in totals]
            rows.append(list(itertools.accumulate(totals)))
        for position, bound in enumerate(("0.1", "0.5", "1", "2.5", "10", "+Inf")):
            add("latency_bucket", [row[position] for row in rows], job=job, le=bound)
    add("odd", [math.nan, 1.0, math.inf, 2.0] * 50, kind="mixed")
    add("odd", [-math.inf, 3.0, -3.0, 0.5, 0.5] * 40, kind="negative")
    add("odd", [math.nan] * 200, kind="nan")
    add("odd", [1e15, 1.0, -1e15, 3.0] * 50, kind="cancelling")
    add("odd", [0.1] * 200, kind="constant")
    add("twin_a", counter(100), side="left")
    add("twin_b", counter(100), side="left")
    add("twin_a", counter(100), side="right")
    return series


class Grammar:
    """Writes nested expressions at random, the same ones in every run."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)  # noqa: S311 - queries for a test

    def vector(self, depth: int) -> str:
        """Return an expression of type instant vector, at most *depth* levels deep."""
        pick = self._chance.choice
        if depth == 0:
            return pick(
                [
                    "requests_total",
                    'requests_total{job=~"api|web"}',
                    'latency_bucket{job="api"}',
                    "temperature",
                    "rate(requests_total[4m])",
                    "build",
                ]
            )
        inner = self.vector(depth - 1)
        makers: list[Callable[[], str]] = [
            lambda: f"{pick(['abs', 'ceil', 'sqrt', '-', 'exp', 'sgn', 'round'])}({inner})",
            lambda: f"{pick(AGGREGATIONS[:8])}({inner}) {pick(GROUPINGS)}",
            lambda: f"quantile(0.7, {inner}) {pick(GROUPINGS)}",
            lambda: f"({inner} {pick(OPERATORS)} {self.scalar(depth - 1)})",
            lambda: f"({self.scalar(depth - 1)} {pick(OPERATORS)} {inner})",
            lambda: f"({inner} {pick(OPERATORS)} {pick(MATCHINGS)} {self.vector(depth - 1)})",
            lambda: f"({inner} {pick(['and', 'or', 'unless'])} {self.vector(depth - 1)})",
            lambda: f"({inner} {pick(SET_MATCHINGS)} {self.vector(depth - 1)})",
            lambda: f"{pick(FOLDS)}_over_time({inner}[{pick(RANGES)}:{pick(['30s', '1m'])}])",
            lambda: f"absent({inner})",
            lambda: f"histogram_quantile(0.8, {inner})",
            lambda: f'label_replace({inner}, "job", "$1", "code", "(..).*")',
            lambda: f"timestamp({inner})",
            lambda: f"deriv({inner}[5m500ms:30s] offset 1m)",
        ]
        return pick(makers)()

    def scalar(self, depth: int) -> str:
        """Return an expression of type scalar."""
        pick = self._chance.choice
        if depth <= 0:
            return pick(["2", "0.5", "-3", "1000", "(time() % 100)"])
        return pick([f"scalar({self.vector(depth - 1)})", f"scalar(sum({self.vector(depth - 1)}))"])


OPERATORS = ["+", "-", "*", "/", "%", ">", "<=", "==", "!= bool", ">= bool", "<"]
MATCHINGS = [
    "", "", "on(job)", "ignoring(code)", "on(job, instance)", "on(job) group_left", "on()",
    "on(job, instance) group_left(version)", "ignoring(code, instance) group_right", "on(room)",
]  # fmt: skip
SET_MATCHINGS = ["and on(job)", "or on(job)", "unless on(job, code)", "and ignoring(instance)"]
RANGES = ["4m500ms", "7m500ms"]
FOLDS = ["sum", "avg", "min", "max", "count", "last", "stddev", "present"]


def make_queries() -> list[str]:
    """Return written queries, templates with selectors that suit them, and random ones."""
    grammar = Grammar(seed=11)
    queries = list(WRITTEN) + [grammar.vector(depth) for depth in (1, 2, 2, 3, 3) * 80]
    for template, selector in itertools.product(RANGE_FUNCTIONS + SIMPLE, SELECTORS):
        queries.append(template.replace("{}", selector))
    queries += [template.replace("{}", SELECTORS[0]) for template in CALENDAR]
    for op, grouping, inner in itertools.product(
        AGGREGATIONS,
        GROUPINGS,
        ("requests_total", "rate(requests_total[5m])", "temperature", 'odd{kind!="cancelling"}'),
    ):
        call = f"{op}{inner})" if op.endswith(" ") else f"{op}({inner})"
        queries.append(f"{call} {grouping}")
    return [query for query in dict.fromkeys(queries) if not any(d in query for d in DIFFERS)]


@pytest.fixture(scope="module")
def series() -> Series:
    """Return the samples that both sides hold."""
    return make_series()


@pytest.fixture(scope="module")
def peer(series: Series, peer_with: Callable[[Series], Any]) -> Any:
    """Return Debian's Prometheus on the samples."""
    return peer_with(series)


def points_of(answer: dict[str, Any]) -> dict[Labels, dict[float, float]]:
    """Return the points of any `data` object by series and time."""
    if answer["resultType"] in {"scalar", "string"}:
        time_s, text = answer["result"]
        return {(): {time_s: math.nan if answer["resultType"] == "string" else float(text)}}
    found = {}
    for row in answer["result"]:
        points = row["values"] if "values" in row else [row["value"]]
        found[to_labels(row["metric"])] = {float(t): float(v) for t, v in points}
    return found


def agree(ours: float, theirs: float) -> bool:
    """Tell whether two values are the same to 1e-9, or both tiny beside what they come from."""
    if math.isnan(ours) or math.isnan(theirs):
        return math.isnan(ours) and math.isnan(theirs)
    return ours == theirs or math.isclose(ours, theirs, rel_tol=1e-9, abs_tol=1e-11)


def difference(ours: dict[str, Any], theirs: dict[str, Any]) -> str | None:
    """Say how two `data` objects differ, None where they do not."""
    if ours["resultType"] != theirs["resultType"]:
        return f"{ours['resultType']} instead of {theirs['resultType']}"
    mine, yours = points_of(ours), points_of(theirs)
    if set(mine) != set(yours):
        return f"series {sorted(set(mine) ^ set(yours))[:3]}"
    for labels, points in yours.items():
        if set(points) != set(mine[labels]):
            extra, missing = set(mine[labels]) - set(points), set(points) - set(mine[labels])
            return f"times of {labels}: extra {sorted(extra)[:3]}, missing {sorted(missing)[:3]}"
        for at, value in points.items():
            if not agree(mine[labels][at], value):
                return f"{labels} at {at}: {mine[labels][at]!r} instead of {value!r}"
    return None


def other_refusal(error: QueryError, theirs: dict[str, Any]) -> str | None:
    """Say how Prometheus' answer differs from the refusal *error*, None where it does not."""
    if theirs["status"] == "success":
        return f"refused with {error}"
    kind = "bad_data" if isinstance(error, ParseError) else "execution"
    if theirs["errorType"] != kind:
        return f"{kind} ({error}), not {theirs['errorType']}"
    # Which of several series is named first depends on their order; 3 says more of NaN.
    words = str(error).partition(" {")[0]
    if kind == "execution" and "NaN" not in words and not theirs["error"].startswith(words):
        return f"{error} instead of {theirs['error']}"
    return None


@pytest.mark.peer
@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", ["instant", "range"])
def test_every_query_has_the_answer_that_prometheus_gives(
    series: Series,
    peer: Any,
    source: Any,
    engine_over: Callable[..., PromqlEngine],
    kind: str,
) -> None:
    """The same series, values within 1e-9 and the same refusals for several hundred queries."""
    source.series.update(series)
    engine = engine_over(source)
    wrong = []
    for query in make_queries():
        old = query.replace("double_exponential_smoothing", "holt_winters")
        if kind == "instant":
            theirs = peer.get("/api/v1/query", query=old, time=START_S)
        else:
            theirs = peer.get(
                "/api/v1/query_range", query=old, start=START_S, end=END_S, step=STEP_S
            )
        try:
            if kind == "instant":
                result = engine.instant_query(query, START_S * 1000)
            else:
                grid = Grid(START_S * 1000, END_S * 1000, STEP_S * 1000)
                result = engine.range_query(query, grid)
        except QueryError as error:
            if found := other_refusal(error, theirs):
                wrong.append(f"{query}: {found}")
            continue
        if theirs["status"] != "success":
            wrong.append(f"{query}: answered; Prometheus says {theirs['error']}")
        elif found := difference(json.loads(b"".join(encode(result))), theirs["data"]):
            wrong.append(f"{query}: {found}")
    assert not wrong, "\n".join([f"{len(wrong)} of {len(make_queries())} differ", *wrong])
