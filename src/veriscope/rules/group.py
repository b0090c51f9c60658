"""One group's rules, evaluated at one time: what they give is recorded, what has ended is stale."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, TypeAlias

import numpy as np
import structlog

from veriscope.query.promql import QueryResult
from veriscope.query.promql.histograms.points import where
from veriscope.query.promql.result import ResultKind
from veriscope.rules.dependencies import stages
from veriscope.rules.files import Rule, RuleGroup
from veriscope.signals import (
    METRIC_NAME,
    STALE_NAN,
    Clock,
    InvalidInputError,
    Labels,
    LabelSets,
    Matrix,
    SampleBatch,
    VeriscopeError,
    to_labels,
)
from veriscope.signals.histograms import HistogramBatch

_log = structlog.get_logger(__name__)

Evaluate: TypeAlias = Callable[[str, int], Awaitable[QueryResult]]
"""Gives the value of an expression at a time (Unix milliseconds); raises `VeriscopeError`."""
Record: TypeAlias = Callable[[SampleBatch | HistogramBatch], Awaitable[None]]
"""Stores a batch for good; raises `VeriscopeError`."""


class RuleError(InvalidInputError):
    """What an expression gives cannot be recorded."""


class RuleHealth(StrEnum):
    """How a rule's last evaluation went, in Prometheus' words."""

    UNKNOWN = "unknown"
    OK = "ok"
    BAD = "err"


@dataclass(slots=True)
class RuleState:
    """A rule, and how its last evaluation went."""

    rule: Rule
    health: RuleHealth = RuleHealth.UNKNOWN
    error: str = ""
    evaluated_ms: int = 0
    """When it began, in Unix milliseconds; zero before the first."""
    seconds: float = 0.0
    series: LabelSets = field(default_factory=LabelSets)
    """What the last evaluation recorded."""


@dataclass(slots=True)
class GroupState:
    """A group, and how its last evaluation went."""

    group: RuleGroup
    interval_ms: int
    rules: list[RuleState]
    evaluated_ms: int = 0
    """When it began, in Unix milliseconds; zero before the first."""
    seconds: float = 0.0


class GroupEvaluator:
    """Evaluates one group; use from one event loop, one evaluation at a time."""

    def __init__(
        self,
        group: RuleGroup,
        *,
        interval_ms: int,
        evaluate: Evaluate,
        record: Record,
        clock: Clock,
    ) -> None:
        self.state = GroupState(group, interval_ms, [RuleState(rule) for rule in group.rules])
        self._stages = stages(group.rules)
        self._evaluate = evaluate
        self._record = record
        self._clock = clock

    async def run_once(self, time_ms: int) -> int:
        """
        Evaluate every recording rule at *time_ms* and return how many failed.

        A rule that reads what an earlier one of the group records sees what that one has just
        recorded. A failure is kept in the rule's state and does not hold up the others.
        """
        began = self._clock.monotonic_s()
        self.state.evaluated_ms = self._clock.now_ms()
        for stage in self._stages:
            states = [self.state.rules[position] for position in stage]
            await asyncio.gather(
                *(self._run_rule(state, time_ms) for state in states if state.rule.record)
            )
        self.state.seconds = self._clock.monotonic_s() - began
        return sum(state.health is RuleHealth.BAD for state in self.state.rules)

    async def _run_rule(self, state: RuleState, time_ms: int) -> None:
        began = self._clock.monotonic_s()
        state.evaluated_ms = self._clock.now_ms()
        try:
            result = await self._evaluate(state.rule.expr, time_ms)
            vector = _as_vector(result, state.rule)
            recorded = self._labels(vector.labels, state.rule)
            self._check(recorded, state.rule)
            ended = tuple(set(state.series) - set(recorded)) if recorded is not state.series else ()
            await self._store(recorded, vector, ended, time_ms)
        except VeriscopeError as error:
            state.health, state.error = RuleHealth.BAD, str(error)
            _log.warning(
                "rule_failed", group=self.state.group.name, rule=state.rule.name, error=str(error)
            )
        else:
            state.health, state.error, state.series = RuleHealth.OK, "", recorded
        state.seconds = self._clock.monotonic_s() - began

    async def _store(
        self, recorded: LabelSets, vector: Matrix, ended: tuple[Labels, ...], time_ms: int
    ) -> None:
        # The same label sets each time are the same object, which the store need not hash again.
        floats = ~where(vector)[:, 0]
        if floats.all() and recorded:
            await self._record(SampleBatch.at(recorded, vector.values[:, 0].copy(), time_ms))
        elif recorded:
            rows = np.flatnonzero(floats).astype(np.uint32)
            times = np.full(len(recorded), time_ms, dtype=np.int64)
            values = vector.values[rows, 0]
            await self._record(SampleBatch(recorded, rows, times[: len(rows)], values))
        if (native := vector.histograms) is not None:
            rows, times = native.rows.astype(np.uint32), np.full(len(native.rows), time_ms)
            await self._record(HistogramBatch(recorded, rows, times, native.values))
        if ended:
            stale = np.full(len(ended), STALE_NAN)
            await self._record(SampleBatch.at(ended, stale, time_ms))

    def _labels(self, labels: LabelSets, rule: Rule) -> LabelSets:
        added = {**self.state.group.labels, **rule.labels, METRIC_NAME: rule.record}
        return labels.derived(
            ("recorded", tuple(added.items())),
            lambda rows: LabelSets([to_labels({**dict(row), **added}) for row in rows]),
        )

    def _check(self, recorded: LabelSets, rule: Rule) -> None:
        if len(set(recorded)) != len(recorded):
            raise RuleError(
                "vector contains metrics with the same labelset after applying rule labels;"
                f" {rule.record} needs a label that tells them apart"
            )
        if (limit := self.state.group.limit) and len(recorded) > limit:
            raise RuleError(f"exceeded limit of {limit} with {len(recorded)} series")


_RECORDABLE: Final = (ResultKind.VECTOR, ResultKind.SCALAR)


def _as_vector(result: QueryResult, rule: Rule) -> Matrix:
    if result.kind not in _RECORDABLE:
        raise RuleError(f"{rule.name} gives a {result.kind}; a rule records a vector or a scalar")
    value = result.value
    if isinstance(value, Matrix):
        return value
    values = np.asarray(value, dtype=np.float64).reshape(1, 1)
    return Matrix(LabelSets(((),)), result.grid, values, np.ones((1, 1), dtype=np.bool_))
