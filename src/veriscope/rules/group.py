"""One group's rules, evaluated at one time: what they give is recorded, and becomes alerts."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

import numpy as np
import structlog

from veriscope.query.promql import QueryResult, parse
from veriscope.query.promql.format import format_expression
from veriscope.rules.alerting import Alert, AlertingRule, Found
from veriscope.rules.dependencies import stages
from veriscope.rules.expansion import Expander, RuleTexts, as_vector, elements
from veriscope.rules.files import Rule, RuleGroup, RuleOptions
from veriscope.rules.jumps import JumpWatch
from veriscope.rules.reads import Prepare, reads_of
from veriscope.rules.recording import (
    Record,
    Recorder,
    Written,
    check_recorded,
    recorded,
    recorded_labels,
)
from veriscope.rules.restore import Restore, restore
from veriscope.rules.sending import Outbox, SendAlerts, generator_url
from veriscope.signals import Clock, Labels, VeriscopeError

_log = structlog.get_logger(__name__)
_MANY: Final = 200  # elements from which on their texts are filled in by a thread
_PATIENCE_S: Final = 5.0

Evaluate: TypeAlias = Callable[[Rule, int], Awaitable[QueryResult]]
"""Gives what a rule finds at a time (Unix milliseconds); raises `VeriscopeError`."""


class RuleHealth(StrEnum):
    """How a rule's last evaluation went, in Prometheus' words."""

    UNKNOWN = "unknown"
    OK = "ok"
    BAD = "err"


@dataclass(slots=True)
class RuleState:
    """A rule, and how its last evaluation went."""

    rule: Rule
    text: str
    """What is evaluated, spelled as Prometheus spells it."""
    alerting: AlertingRule | None
    """The alerts of an alerting rule."""
    health: RuleHealth = RuleHealth.UNKNOWN
    error: str = ""
    evaluated_ms: int = 0
    """When it began, in Unix milliseconds; zero before the first."""
    seconds: float = 0.0
    series: tuple[Labels, ...] = ()
    """What the last evaluation recorded."""
    taken_over: bool = False
    """Whether a rule of other rule files goes on where this one was."""

    @property
    def active(self) -> Sequence[Alert]:
        """The alerts that are pending or firing."""
        return () if self.alerting is None else self.alerting.active


@dataclass(slots=True)
class GroupState:
    """A group, and how its last evaluation went."""

    group: RuleGroup
    interval_ms: int
    rules: list[RuleState]
    evaluated_ms: int = 0
    """When it began, in Unix milliseconds; zero before the first."""
    seconds: float = 0.0
    slot_ms: int = 0
    """The time for which it was evaluated."""


class GroupEvaluator:
    """
    Evaluates one group; use from one event loop, one evaluation at a time.

    Its expressions are evaluated *query_offset_ms* before the time of the evaluation. Before the
    first one *prepare* is told what they read: hundreds of small fetches take seconds. Alerts are
    given to *send*, where there is one, and taken up again from what *read_back* finds of the
    time before a restart, where it is given.
    """

    def __init__(
        self,
        group: RuleGroup,
        *,
        interval_ms: int,
        evaluate: Evaluate,
        record: Record,
        clock: Clock,
        expander: Expander,
        query_offset_ms: int = 0,
        prepare: Prepare | None = None,
        send: SendAlerts | None = None,
        read_back: Restore | None = None,
        external_url: str = "",
        options: RuleOptions | None = None,
    ) -> None:
        self._options = options or RuleOptions()
        self.state = GroupState(
            group,
            interval_ms,
            [
                RuleState(rule, _shown(rule), _alerting(rule, group, restored=read_back is None))
                for rule in group.rules
            ],
        )
        self.query_offset_ms = query_offset_ms
        self.outbox = Outbox(send, resend_ms=self._options.resend_delay, interval_ms=interval_ms)
        self._stages = [(Recorder(record), places) for places in stages(group.rules)]
        self._texts = [RuleTexts(rule, group.labels, expander) for rule in group.rules]
        self._urls = [generator_url(external_url, state.text) for state in self.state.rules]
        self._evaluate = evaluate
        self._to_prepare = prepare
        self._read_back = read_back
        self.clock = clock
        self.record = record
        self.jumps = JumpWatch(clock)

    async def run_once(self, time_ms: int) -> int:
        """
        Evaluate every rule at *time_ms* and return how many failed.

        A rule that reads what an earlier one of the group records sees what that one has just
        recorded. A failure is kept in the rule's state and does not hold up the others; a rule's
        alerts stay as they are, and are sent on. Sending is waited for a few seconds at most.
        """
        began_s = self.clock.monotonic_s()
        self.state.evaluated_ms, self.state.slot_ms = self.clock.now_ms(), time_ms
        self._follow_clock()
        await self._prepare(time_ms - self.query_offset_ms)
        for recorder, places in self._stages:
            await self._run_stage(recorder, places, time_ms)
        await self.outbox.settle(min(self.state.interval_ms / 2000, _PATIENCE_S))
        self.state.seconds = self.clock.monotonic_s() - began_s
        return sum(state.health is RuleHealth.BAD for state in self.state.rules)

    @property
    def alerting(self) -> list[tuple[AlertingRule, str]]:
        """The alerts of each alerting rule, and where its expression is shown."""
        pairs = zip(self.state.rules, self._urls, strict=True)
        return [(state.alerting, url) for state, url in pairs if state.alerting is not None]

    async def _prepare(self, time_ms: int) -> None:
        prepare, self._to_prepare = self._to_prepare, None
        if prepare is None:
            return
        metrics, reach_ms = reads_of([state.rule for state in self.state.rules])
        if len(metrics) > 1:
            # What cannot be had now is fetched by each rule, which then says what is wrong.
            with suppress(VeriscopeError):
                await asyncio.to_thread(prepare, metrics, time_ms - reach_ms, time_ms)

    def _follow_clock(self) -> None:
        if jump_ms := self.jumps.jump_ms():
            _log.warning("clock_jumped", group=self.state.group.name, by_ms=jump_ms)
            for alerting, _ in self.alerting:
                alerting.shift(jump_ms)

    async def _run_stage(self, recorder: Recorder, places: Sequence[int], time_ms: int) -> None:
        given = await asyncio.gather(*(self._run_rule(place, time_ms) for place in places))
        states = [self.state.rules[place] for place in places]
        wrote = [(s, w) for s, w in zip(states, given, strict=True) if w is not None]
        errors = await recorder.store([w for _, w in wrote], time_ms - self.query_offset_ms)
        for (state, written), error in zip(wrote, errors, strict=True):
            if error is None:
                state.series = written.series
            else:
                self._fail(state, error)

    async def _run_rule(self, place: int, time_ms: int) -> Written | None:
        """Return what the rule writes; None where it failed."""
        state = self.state.rules[place]
        began_s = self.clock.monotonic_s()
        state.evaluated_ms = self.clock.now_ms()
        try:
            if (alerting := state.alerting) is None:
                written = await self._run_recording(state, time_ms)
            else:
                written = await self._run_alerting(place, alerting, time_ms)
        except VeriscopeError as error:
            self._fail(state, error)
            return None
        except Exception as error:  # noqa: BLE001 - one rule's fault must not silence the others
            _log.exception("rule_crashed", group=self.state.group.name, rule=state.rule.name)
            state.health, state.error = RuleHealth.BAD, f"internal error: {error!r}; see the log"
            return None
        else:
            state.health, state.error = RuleHealth.OK, ""
            return written
        finally:
            state.seconds = self.clock.monotonic_s() - began_s
            if state.alerting is not None:
                self.outbox.offer(state.alerting, self._urls[place], time_ms)

    def _fail(self, state: RuleState, error: VeriscopeError) -> None:
        state.health, state.error = RuleHealth.BAD, str(error)
        _log.warning(
            "rule_failed", group=self.state.group.name, rule=state.rule.name, error=str(error)
        )

    async def _run_recording(self, state: RuleState, time_ms: int) -> Written:
        at_ms = time_ms - self.query_offset_ms
        vector = as_vector(await self._evaluate(state.rule, at_ms), state.rule.name)
        series = recorded_labels(vector.labels, state.rule, self.state.group)
        check_recorded(series, state.rule, self.state.group.limit)
        return recorded(vector, series, state.series, at_ms)

    async def _run_alerting(self, place: int, alerting: AlertingRule, time_ms: int) -> Written:
        self.jumps.check_settled()
        state, texts = self.state.rules[place], self._texts[place]
        result = await self._evaluate(state.rule, time_ms - self.query_offset_ms)
        rows = elements(as_vector(result, state.rule.name))

        def found() -> list[Found]:
            return [texts.found(labels, value, time_ms) for labels, value in rows]

        if texts.asks or (len(rows) > _MANY and texts.has_templates):
            alerts = await asyncio.to_thread(found)
        else:
            alerts = found()
        alerting.advance(alerts, time_ms)
        if self._read_back is not None:
            await restore(
                alerting,
                state.rule.alert,
                time_ms,
                read=self._read_back,
                options=self._options,
            )
        return _alert_series(alerting, state.series)


def _shown(rule: Rule) -> str:
    return format_expression(parse(rule.expr)) if rule.source is None else rule.text


def _alerting(rule: Rule, group: RuleGroup, *, restored: bool) -> AlertingRule | None:
    if not rule.alert:
        return None
    return AlertingRule(
        hold_ms=rule.for_,
        keep_firing_ms=rule.keep_firing_for,
        limit=group.limit,
        restored=restored,
    )


def _alert_series(alerting: AlertingRule, before: tuple[Labels, ...]) -> Written:
    """Return the series of the alerts, the same object as *before* where they are the same."""
    active = alerting.active if alerting.restored else ()
    if not active and not before:
        return Written()
    series = tuple(labels for alert in active for labels in alert.series)
    values = np.ones(len(series))
    values[1::2] = [alert.active_at_ms // 1000 for alert in active]
    if series == before:
        return Written(before, values)
    return Written(series, values, ended=tuple(set(before) - set(series)))
