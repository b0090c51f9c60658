"""
An objective compiled to rules: error ratios over windows, the budget, and alerts on its burning.

The alerts are those of Google's Site Reliability Workbook, chapter 5, "Alerting on SLOs", method
6: multiple windows, multiple burn rates. Each looks at a long window, over which a share of the
error budget is spent, and at a short one, so that it ends soon after the cause has ended:

| alert  | share of the budget | long | short | burn rate of a 30 days' budget |
|--------|---------------------|------|-------|--------------------------------|
| page   | 2 %                 | 1h   | 5m    | 14.4                           |
| page   | 5 %                 | 6h   | 30m   | 6                              |
| ticket | 10 %                | 1d   | 2h    | 3                              |
| ticket | 10 %                | 3d   | 6h    | 1                              |

A burn rate is the share times the period divided by the long window, so that of another period is
scaled by its length; it is never less than 1, at which the budget lasts exactly for the period.

The names of what is recorded are Sloth's (https://sloth.dev).
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Final, NamedTuple

from veriscope.query.promql.format import quote
from veriscope.rules.files import Rule, RuleGroup
from veriscope.rules.slo.definition import WINDOW, AlertTexts, Definition, Events, Ratio, Slices
from veriscope.rules.slo.objectives import Objective
from veriscope.signals import Duration

_DAY_MS: Final = 86_400_000
_WINDOWS: Final = tuple(map(Duration.parse, ("5m", "30m", "1h", "2h", "6h", "1d", "3d")))
_SHORTEST: Final = _WINDOWS[0]
_ERRORS: Final = "slo:sli_error:ratio_rate"
_SLICE: Final = "slo:sli_error:slice"
_EVENTS_ERROR: Final = "slo:events_error:rate5m"
_EVENTS_TOTAL: Final = "slo:events_total:rate5m"
_OBJECTIVE: Final = "slo:objective:ratio"
_BUDGET: Final = "slo:error_budget:ratio"
_DAYS: Final = "slo:time_period:days"
_BURN: Final = "slo:current_burn_rate:ratio"
_PERIOD_BURN: Final = "slo:period_burn_rate:ratio"
_REMAINING: Final = "slo:period_error_budget_remaining:ratio"


class _Burn(NamedTuple):
    """One row of the table above."""

    share: Decimal
    long: Duration
    short: Duration

    def rate(self, period_ms: int) -> Decimal:
        """Return the burn rate that spends the share within the long window."""
        return max(Decimal(1), self.share * period_ms / self.long)


def _burn(share: str, long: str, short: str) -> _Burn:
    return _Burn(Decimal(share), Duration.parse(long), Duration.parse(short))


_PAGE: Final = (_burn("0.02", "1h", "5m"), _burn("0.05", "6h", "30m"))
_TICKET: Final = (_burn("0.1", "1d", "2h"), _burn("0.1", "3d", "6h"))


def compile_slo(slo: Definition) -> tuple[RuleGroup, ...]:
    """Return the groups of an objective: its ratios, its budget, and its alerts if it has any."""
    every = slo.indicator.every_ms if isinstance(slo.indicator, Slices) else None
    kinds = (tuple(_ratios(slo)), tuple(_metadata(slo)), tuple(_alerts(slo)))
    return tuple(
        RuleGroup(
            name=name + slo.id,
            interval=Duration(every) if every and place == 0 else None,
            rules=rules,
            file=slo.file,
        )
        for place, (name, rules) in enumerate(zip(slo.dialect.groups, kinds, strict=True))
        if rules
    )


def describe(slo: Definition) -> Objective:
    """Return the objective with the names of what its rules record."""
    windows = (*_WINDOWS, Duration(slo.period_ms))
    return Objective(
        id=slo.id,
        service=slo.service,
        name=slo.name,
        description=slo.description,
        percent=float(slo.percent),
        window_ms=slo.period_ms,
        labels=tuple(sorted(slo.labels.items())),
        selector=tuple(slo.identity.items()),
        error_ratio=tuple((int(window), f"{_ERRORS}{window}") for window in windows),
        budget_remaining=_REMAINING,
        burn_rate=_BURN,
        period_burn_rate=_PERIOD_BURN,
        alerts=tuple(dict.fromkeys(alert.name for alert in (slo.page, slo.ticket) if alert)),
        file=slo.file,
    )


# --- recording rules ------------------------------------------------------------------------------


def _ratios(slo: Definition) -> Iterator[Rule]:
    """Yield the share of what was bad, over each window."""
    labels = {**slo.labels, **slo.identity}
    if isinstance(slo.indicator, Slices):
        yield Rule(record=_SLICE, expr=slo.indicator.error, labels=labels)
    for window in _WINDOWS:
        yield _ratio(slo, window, _over(slo, window))
    if isinstance(slo.indicator, Events):
        # A period is made of recorded rates: cheap, and each event counts once.
        error, total = (_filled(text, _SHORTEST) for text in _events(slo.indicator))
        yield Rule(record=_EVENTS_ERROR, expr=error, labels=labels)
        yield Rule(record=_EVENTS_TOTAL, expr=total, labels=labels)
    yield _ratio(slo, Duration(slo.period_ms), _over_period(slo))


def _ratio(slo: Definition, window: Duration, expr: str) -> Rule:
    own = {f"{slo.dialect.prefix}window": str(window)}
    return Rule(
        record=f"{_ERRORS}{window}", expr=expr, labels={**slo.labels, **slo.identity, **own}
    )


def _over(slo: Definition, window: Duration) -> str:
    match slo.indicator:
        case Events() as events:
            error, total = (_filled(text, window) for text in _events(events))
            # Without traffic there is no ratio; a NaN would spoil every window it is in.
            return f"({error})\n/\n(({total}) > 0)\n"
        case Ratio(error=error):
            return _filled(error, window)
        case Slices():
            return f"avg_over_time({_SLICE}{_selector(slo)}[{window}])"


def _over_period(slo: Definition) -> str:
    period, selector = Duration(slo.period_ms), _selector(slo)
    if isinstance(slo.indicator, Events):
        return (
            f"sum_over_time({_EVENTS_ERROR}{selector}[{period}])\n/\n"
            f"(sum_over_time({_EVENTS_TOTAL}{selector}[{period}]) > 0)\n"
        )
    series = _SLICE
    if isinstance(slo.indicator, Ratio):
        series = f"{_ERRORS}{_SHORTEST}"
    return f"avg_over_time({series}{selector}[{period}])"


def _events(events: Events) -> tuple[str, str]:
    # No series of errors means that there was none yet: as many as there are of all, times zero.
    return f"({events.error}) or 0 * ({events.total})", events.total


def _filled(text: str, window: Duration) -> str:
    return WINDOW.sub(str(window), text).strip()


def _metadata(slo: Definition) -> Iterator[Rule]:
    labels, selector = {**slo.labels, **slo.identity}, _selector(slo)
    on = f"on({', '.join(slo.identity)}) group_left"
    period = Duration(slo.period_ms)
    info = {f"{slo.dialect.prefix}objective": _number(slo.percent), **dict(slo.dialect.extra)}
    for record, expr in (
        (_OBJECTIVE, f"vector({_number(slo.percent / 100)})"),
        (_BUDGET, f"vector({_number(slo.budget)})"),
        (_DAYS, f"vector({_number(Decimal(slo.period_ms) / _DAY_MS)})"),
        (_BURN, f"{_ERRORS}{_SHORTEST}{selector}\n/ {on}\n{_BUDGET}{selector}\n"),
        (_PERIOD_BURN, f"{_ERRORS}{period}{selector}\n/ {on}\n{_BUDGET}{selector}\n"),
        (_REMAINING, f"1 - {_PERIOD_BURN}{selector}"),
    ):
        yield Rule(record=record, expr=expr, labels=labels)
    yield Rule(record=slo.dialect.info, expr="vector(1)", labels={**labels, **info})


# --- alerts -------------------------------------------------------------------------------------


def _alerts(slo: Definition) -> Iterator[Rule]:
    for severity, texts, burns in (("page", slo.page, _PAGE), ("ticket", slo.ticket, _TICKET)):
        if texts is not None:
            expr = "or\n".join(_burns(slo, burn) for burn in burns)
            yield _alert(slo, texts, severity, expr)


def _burns(slo: Definition, burn: _Burn) -> str:
    least = f"{_number(burn.rate(slo.period_ms))} * {_number(slo.budget)}"
    without = f"without ({slo.dialect.prefix}window)"
    short, long = (
        f"    max {without} ({_ERRORS}{window}{_selector(slo)} > ({least}))\n"
        for window in (burn.short, burn.long)
    )
    return f"(\n{short}    and\n{long})\n"


def _alert(slo: Definition, texts: AlertTexts, severity: str, expr: str) -> Rule:
    prefix, name = slo.dialect.prefix, slo.dialect.name_label
    what = f"{{{{$labels.{prefix}service}}}} {{{{$labels.{name}}}}} SLO error budget burn rate"
    annotations = {
        "title": f"({severity}) {what} is too fast.",
        "summary": f"{what} is over expected.",
        **texts.annotations,
    }
    # They come with the series anyway; here they tell two objectives' rules of one name apart.
    labels = {**slo.identity, f"{prefix}severity": severity, **texts.labels}
    return Rule(alert=texts.name, expr=expr, labels=labels, annotations=annotations)


# --- texts --------------------------------------------------------------------------------------


def _selector(slo: Definition) -> str:
    return _braced(slo.identity)


def _braced(labels: Mapping[str, str]) -> str:
    return "{" + ", ".join(f"{name}={quote(value)}" for name, value in labels.items()) + "}"


def _number(value: Decimal) -> str:
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
