"""
OpenSLO v1: `kind: SLO` and `kind: SLI`; other kinds say nothing that rules are made of.

https://github.com/OpenSLO/OpenSLO
"""

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final, Literal

import msgspec

from veriscope.rules.slo.definition import (
    GREATEST_SLICE,
    LEAST_PERIOD,
    OWN,
    WINDOW,
    AlertTexts,
    Definition,
    Events,
    Ratio,
    Slices,
    percent,
)
from veriscope.rules.slo.queries import check_query, windowed
from veriscope.signals import Duration

_PERIOD: Final = Duration.parse("30d")
_POINT_MS: Final = 60_000
"""How often a value is looked at that is good or bad at each moment."""
_DAYS: Final = {"M": 30, "Q": 90, "Y": 365}
_LENGTH: Final = re.compile(r"(\d+)([mhdwMQY])")
_NOT_LABEL: Final = re.compile(r"[^a-zA-Z0-9_]")
_NOT_NAME: Final = re.compile(r"[^a-z0-9]+")
_OPPOSITE: Final = {"lt": ">=", "lte": ">", "gt": "<=", "gte": "<"}
_PROMETHEUS: Final = "prometheus"


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """What has no other keys than its fields."""


class Metadata(_Strict, frozen=True):
    """What a document is called."""

    name: str
    display_name: str = ""
    labels: dict[str, str | tuple[str, ...]] = {}
    annotations: dict[str, str] = {}


class MetricSource(_Strict, frozen=True):
    """A query, and where it is asked."""

    spec: dict[str, str]
    type: str = ""
    metric_source_ref: str = ""

    def __post_init__(self) -> None:
        if self.type and self.type.lower() != _PROMETHEUS:
            raise ValueError(f"`type: {self.type}` is not supported; it must be Prometheus")
        if "query" not in self.spec and "promql" not in self.spec:
            raise ValueError("`spec` needs a `query` in PromQL")
        check_query(self.query)

    @property
    def query(self) -> str:
        """The PromQL."""
        return self.spec.get("query") or self.spec.get("promql", "")


class Metric(_Strict, frozen=True):
    """A metric source with a level of its own around it, as OpenSLO has it."""

    metric_source: MetricSource

    @property
    def query(self) -> str:
        """The PromQL."""
        return self.metric_source.query


class RatioMetric(_Strict, frozen=True):
    """Good or bad events beside all events; or a ratio as it is."""

    counter: bool | None = None
    good: Metric | None = None
    bad: Metric | None = None
    total: Metric | None = None
    raw_type: Literal["success", "failure"] | None = None
    raw: Metric | None = None

    def __post_init__(self) -> None:
        events = (self.good is None) != (self.bad is None) and self.total is not None
        if self.raw is not None:
            if self.good or self.bad or self.total:
                raise ValueError("`ratioMetric` has either `raw` or events; remove one of them")
            if self.raw_type is None:
                raise ValueError("`raw` needs `rawType: success` or `rawType: failure`")
        elif not events:
            raise ValueError("`ratioMetric` needs `total`, and one of `good` and `bad`")
        for metric in (self.good, self.bad, self.total):
            if metric is not None:
                windowed(metric.query, counter=self.counter)

    @property
    def failures(self) -> str | None:
        """The share of what was bad, where that is what the query gives."""
        if self.raw is None:
            return None
        return self.raw.query if self.raw_type == "failure" else f"1 - ({self.raw.query})"

    @property
    def events(self) -> Events:
        """What was bad and what there was."""
        bad, good, total = (
            windowed(metric.query, counter=self.counter) if metric else ""
            for metric in (self.bad, self.good, self.total)
        )
        return Events(bad or f"({total}) - ({good})", total)


class IndicatorSpec(_Strict, frozen=True):
    """How well the service does."""

    description: str = ""
    threshold_metric: Metric | None = None
    ratio_metric: RatioMetric | None = None

    def __post_init__(self) -> None:
        if (self.threshold_metric is None) == (self.ratio_metric is None):
            raise ValueError("an SLI has either `ratioMetric` or `thresholdMetric`; give one")


class Indicator(_Strict, frozen=True):
    """An SLI within an SLO."""

    spec: IndicatorSpec
    metadata: Metadata | None = None


class TimeWindow(_Strict, frozen=True):
    """What the error budget is for."""

    duration: str
    is_rolling: bool = True
    calendar: dict[str, str] | None = None

    def __post_init__(self) -> None:
        if not self.is_rolling or self.calendar is not None:
            raise ValueError("only rolling windows are supported; write `isRolling: true`")
        if _length_ms(self.duration) < LEAST_PERIOD:
            raise ValueError(f"a window of {self.duration} is too short; give at least 7d")


class Goal(_Strict, frozen=True):
    """One item of `objectives`."""

    display_name: str = ""
    op: Literal["lt", "lte", "gt", "gte"] | None = None
    value: float | None = None
    target: str | None = None
    target_percent: str | None = None
    time_slice_target: float | None = None
    time_slice_window: str | None = None
    composite_weight: float | None = None
    indicator: Indicator | None = None
    indicator_ref: str | None = None

    def __post_init__(self) -> None:
        if (self.target is None) == (self.target_percent is None):
            raise ValueError("an objective has either `target` or `targetPercent`; give one")
        percent(str(self.percent))
        if self.composite_weight is not None:
            raise ValueError("composite objectives are not supported; write one SLO for each part")
        if self.time_slice_target is not None and not 0 < self.time_slice_target <= 1:
            raise ValueError("`timeSliceTarget` is a share; give more than 0 and at most 1")
        if self.time_slice_window is not None and not 0 < self.slice_ms <= GREATEST_SLICE:
            raise ValueError(f"`timeSliceWindow` must be at most {GREATEST_SLICE}")

    @property
    def percent(self) -> Decimal:
        """What is to be good, in per cent."""
        try:
            if self.target is not None:
                return Decimal(self.target) * 100
            return Decimal(self.target_percent or "")
        except ArithmeticError as error:
            raise ValueError("an objective's target must be a number") from error

    @property
    def slug(self) -> str:
        """Its display name, as part of a name; may be empty."""
        return _NOT_NAME.sub("-", self.display_name.lower()).strip("-")

    @property
    def slice_ms(self) -> int:
        """How long a slice of time is, in milliseconds; a number is minutes."""
        text = self.time_slice_window or "1m"
        return int(text) * 60_000 if text.isdigit() else _length_ms(text)


class SloSpec(_Strict, frozen=True):
    """What an SLO says."""

    service: str
    objectives: tuple[Goal, ...]
    budgeting_method: Literal["Occurrences", "Timeslices", "RatioTimeslices"] = "Occurrences"
    description: str = ""
    indicator: Indicator | None = None
    indicator_ref: str | None = None
    time_window: tuple[TimeWindow, ...] = ()
    alert_policies: tuple[Any, ...] = ()

    def __post_init__(self) -> None:
        if not self.objectives:
            raise ValueError("`objectives` is empty; give one with a `target`")
        if len(self.time_window) > 1:
            raise ValueError("`timeWindow` has one item; remove the others")

    @property
    def period_ms(self) -> int:
        """The window of the error budget; 30 days where there is none."""
        return _length_ms(self.time_window[0].duration) if self.time_window else _PERIOD


class Slo(_Strict, frozen=True):
    """A document of `kind: SLO`."""

    api_version: Literal["openslo/v1"]
    kind: Literal["SLO"]
    metadata: Metadata
    spec: SloSpec

    def definitions(
        self, file: str, indicators: Mapping[str, IndicatorSpec]
    ) -> Iterator[Definition]:
        """
        Yield its objectives; *indicators* are the documents of `kind: SLI` by name.

        Raises `ValueError` for what is wrong in the sum of its parts.
        """
        for place, goal in enumerate(self.spec.objectives, start=1):
            name = self.metadata.name
            if len(self.spec.objectives) > 1:
                name += f"-{goal.slug or place}"
            yield Definition(
                service=self.spec.service,
                name=name,
                description=self.spec.description or self.metadata.display_name,
                percent=percent(str(goal.percent)),
                period_ms=self.spec.period_ms,
                labels=_labels(self.metadata),
                indicator=_indicator(self._found(goal, indicators), goal, self.spec),
                page=_texts(self.metadata, "critical"),
                ticket=_texts(self.metadata, "warning"),
                dialect=OWN,
                file=file,
            )

    def _found(self, goal: Goal, indicators: Mapping[str, IndicatorSpec]) -> IndicatorSpec:
        inline = goal.indicator or self.spec.indicator
        reference = goal.indicator_ref or self.spec.indicator_ref
        if (inline is None) == (reference is None):
            raise ValueError("an SLO has either `indicator` or `indicatorRef`; give one of them")
        if inline is not None:
            return inline.spec
        if reference is None or reference not in indicators:
            raise ValueError(f"there is no SLI {reference!r}; add the file that holds it")
        return indicators[reference]


class Sli(_Strict, frozen=True):
    """A document of `kind: SLI`."""

    api_version: Literal["openslo/v1"]
    kind: Literal["SLI"]
    metadata: Metadata
    spec: IndicatorSpec


def _indicator(spec: IndicatorSpec, goal: Goal, slo: SloSpec) -> Events | Ratio | Slices:
    if spec.threshold_metric is not None:
        return _threshold(spec.threshold_metric, goal, slo)
    if spec.ratio_metric is None:
        raise ValueError("an SLI has either `ratioMetric` or `thresholdMetric`; give one")
    ratio = spec.ratio_metric
    if slo.budgeting_method == "Occurrences":
        if (failures := ratio.failures) is None:
            return ratio.events
        # A ratio without a window is one of the moment.
        return Ratio(failures) if WINDOW.search(failures) else Slices(failures, _POINT_MS)
    window = str(Duration(goal.slice_ms))
    failures = ratio.failures
    if failures is None:
        events = ratio.events
        failures = f"(({events.error}) or 0 * ({events.total})) / (({events.total}) > 0)"
    error = WINDOW.sub(window, failures)
    if slo.budgeting_method == "Timeslices":
        error = f"({error}) > bool {_allowed(goal)}"
    return Slices(error, goal.slice_ms)


def _threshold(metric: Metric, goal: Goal, slo: SloSpec) -> Slices:
    if goal.op is None or goal.value is None:
        raise ValueError("an objective of a `thresholdMetric` needs `op` and `value`")
    query = WINDOW.sub(str(Duration(goal.slice_ms)), metric.query)
    error = f"({query}) {_OPPOSITE[goal.op]} bool {goal.value:g}"
    if slo.budgeting_method == "Occurrences":
        return Slices(error, _POINT_MS)
    if slo.budgeting_method == "Timeslices":
        whole = f"avg_over_time(({error})[{Duration(goal.slice_ms)}:])"
        return Slices(f"{whole} > bool {_allowed(goal)}", goal.slice_ms)
    raise ValueError("`RatioTimeslices` is for a `ratioMetric`; write `Timeslices`")


def _allowed(goal: Goal) -> str:
    """Return the share of a slice that may be bad."""
    if goal.time_slice_target is None:
        raise ValueError("`budgetingMethod: Timeslices` needs `timeSliceTarget` in each objective")
    return f"{1 - Decimal(str(goal.time_slice_target)):f}"


def _labels(metadata: Metadata) -> dict[str, str]:
    return {
        _NOT_LABEL.sub("_", name): value if isinstance(value, str) else ",".join(value)
        for name, value in metadata.labels.items()
    }


def _texts(metadata: Metadata, severity: str) -> AlertTexts:
    annotations = {_NOT_LABEL.sub("_", name): text for name, text in metadata.annotations.items()}
    return AlertTexts("SLOErrorBudgetBurn", {"severity": severity}, annotations)


def _length_ms(text: str) -> int:
    found = _LENGTH.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not a duration; write it as 30d, 4w or 1M")
    count, unit = int(found[1]), found[2]
    if unit in _DAYS:
        count, unit = count * _DAYS[unit], "d"
    return Duration.parse(f"{count}{unit}")
