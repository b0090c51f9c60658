"""The PromQL engine: text in, whole-array answers out."""

from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final, TypeGuard

import numpy as np
import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram

from veriscope.query.errors import (
    ExecutionError,
    ParseError,
    QueryTimeoutError,
    QueryTooLargeError,
)
from veriscope.query.options import QueryOptions, RollupUse
from veriscope.query.promql.analysis import Prepared, cached_prepare
from veriscope.query.promql.ast import ValueType
from veriscope.query.promql.budget import Budget
from veriscope.query.promql.cache import (
    AnswerCache,
    Entry,
    Reach,
    answer_bytes,
    is_right,
    joined,
    reach,
    reusable_steps,
)
from veriscope.query.promql.evaluate import Evaluation
from veriscope.query.promql.functions.invocation import spell_notes
from veriscope.query.promql.plan import PlanRules, make_plan
from veriscope.query.promql.result import (
    Answer,
    QueryResult,
    QueryStats,
    ResultKind,
    instant_answer,
    range_answer,
)
from veriscope.query.promql.rolled import RollupSource
from veriscope.query.promql.source import SeriesSource
from veriscope.signals import (
    Clock,
    Grid,
    InvalidInputError,
    LimitExceededError,
    Matrix,
    TimedOutError,
)
from veriscope.signals.cancel import Cancellation, WorkCancelledError

_log = structlog.get_logger(__name__)

_BUCKETS_SECONDS: Final = (
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1,
    2.5,
    5,
    10,
    60,
)


@dataclass(frozen=True, slots=True)
class _Question:
    """A query with all that its answer depends on, and how it may be answered."""

    text: str
    prepared: Prepared
    grid: Grid
    instant: bool
    rules: PlanRules
    begun_s: float
    timeout_ms: int
    cancel: Cancellation | None
    counting: bool
    rollup_use: RollupUse

    @property
    def key(self) -> Hashable:
        """What a cached answer is found by, also when the grid has moved on by whole steps."""
        grid, lookback_ms = self.grid, self.rules.lookback_ms
        if self.instant:
            return self.text, grid.start_ms, lookback_ms
        shape = grid.step_ms, grid.start_ms % grid.step_ms, len(grid)
        return self.text, *shape, lookback_ms, self.rollup_use

    def on(self, grid: Grid) -> "_Question":
        """Return the same question on *grid*."""
        return replace(self, grid=grid)


class PromqlEngine:
    """
    Evaluates PromQL on what *source* holds; synchronous, and safe from many threads.

    Both queries raise `QueryError` where there is no answer, `WorkCancelledError`, and whatever
    *source* raises. *timeout_ms* can only shorten the time that the options allow, *lookback_ms*
    replaces theirs. With *stats* samples are counted for each step. The answer comes from the
    cache, in whole or in part, unless *cache* is False or *stats* are wanted: only as far as the
    source says that nothing it depends on has changed. *rollups* says when those of its source may
    stand in for samples, where there are any; as the options say where it is not given.
    """

    def __init__(
        self,
        source: SeriesSource,
        options: QueryOptions,
        clock: Clock,
        registry: CollectorRegistry,
        rollups: RollupSource | None = None,
    ) -> None:
        self._source = source
        self._rollups = rollups
        self._options = options
        self._clock = clock
        self._rules = PlanRules(
            lookback_ms=options.lookback,
            subquery_step_ms=options.subquery_step or PlanRules().subquery_step_ms,
            max_samples=options.max_samples,
        )
        self._prepare = cached_prepare(options.parse_cache_size)
        self._answers: AnswerCache[QueryResult] = AnswerCache(options.result_cache_bytes)
        self._instrument(registry)

    @property
    def answers(self) -> AnswerCache[QueryResult]:
        """The answers that are kept."""
        return self._answers

    def _instrument(self, registry: CollectorRegistry) -> None:
        durations = Histogram(
            "veriscope_query_duration_seconds",
            "Time from a query's text to its answer.",
            ["type"],
            registry=registry,
            buckets=_BUCKETS_SECONDS,
        )
        self._durations = {kind: durations.labels(kind) for kind in ("instant", "range")}
        self._failures = Counter(
            "veriscope_query_failures_total",
            "Queries that gave no answer.",
            ["reason"],
            registry=registry,
        )
        found = Counter(
            "veriscope_query_cache_requests_total",
            "Queries that looked for their answer in the cache, by what was there.",
            ["result"],
            registry=registry,
        )
        self._lookups = {result: found.labels(result) for result in ("hit", "partial", "miss")}

    def instant_query(
        self,
        text: str,
        time_ms: int,
        *,
        timeout_ms: int | None = None,
        lookback_ms: int | None = None,
        cancel: Cancellation | None = None,
        stats: bool = False,
        cache: bool = True,
    ) -> QueryResult:
        """Return the value of *text* at *time_ms* (Unix milliseconds)."""
        with self._observed("instant", text) as begun_s:
            question = _Question(
                text,
                self._prepare(text),
                Grid.instant(time_ms),
                instant=True,
                rules=self._rules_with(lookback_ms),
                begun_s=begun_s,
                timeout_ms=min(timeout_ms or self._options.timeout, self._options.timeout),
                cancel=cancel,
                counting=stats,
                rollup_use=RollupUse.OFF,
            )
            return self._answer(question, cache=cache)

    def range_query(
        self,
        text: str,
        grid: Grid,
        *,
        timeout_ms: int | None = None,
        lookback_ms: int | None = None,
        cancel: Cancellation | None = None,
        stats: bool = False,
        cache: bool = True,
        rollups: RollupUse | None = None,
    ) -> QueryResult:
        """Return the value of *text*, an instant vector or a scalar, on every step of *grid*."""
        with self._observed("range", text) as begun_s:
            prepared = self._prepare(text)
            _check_range_type(prepared.returns, text)
            question = _Question(
                text,
                prepared,
                grid,
                instant=False,
                rules=self._rules_with(lookback_ms),
                begun_s=begun_s,
                timeout_ms=min(timeout_ms or self._options.timeout, self._options.timeout),
                cancel=cancel,
                counting=stats,
                rollup_use=rollups or self._options.rollups,
            )
            return self._answer(question, cache=cache)

    def _rules_with(self, lookback_ms: int | None) -> PlanRules:
        return replace(self._rules, lookback_ms=lookback_ms) if lookback_ms else self._rules

    # --- answers kept ---------------------------------------------------------------------

    def _answer(self, question: _Question, *, cache: bool) -> QueryResult:
        version = self._source.version() if cache and not question.counting else None
        if version is None or not self._options.result_cache_bytes:
            return self._evaluate(question)[0]
        if (found := self._kept(question, version)) is not None:
            return found
        with self._answers.turn((question.key, question.grid), lambda: self._is_over(question)):
            # Whoever answered meanwhile did so from data that may have changed since.
            version = self._source.version() or version
            return self._kept(question, version) or self._extend(question, version)

    def _is_over(self, question: _Question) -> bool:
        """Tell whether nobody waits for the answer any more."""
        cancelled = question.cancel is not None and question.cancel.cancelled
        return cancelled or self._left_ms(question) <= 0

    def _left_ms(self, question: _Question) -> int:
        return int(question.timeout_ms - (self._clock.monotonic_s() - question.begun_s) * 1000)

    def _kept(self, question: _Question, version: int) -> QueryResult | None:
        """Return the kept answer if it would still be the same; *version* is the source's."""
        entry = self._answers.get(question.key)
        if entry is None or entry.grid != question.grid:
            return None
        changed_ms = self._source.first_ms_since(entry.version)
        if not is_right(entry, changed_ms):
            return None
        entry.version = version
        self._lookups["hit"].inc()
        return entry.answer

    def _extend(self, question: _Question, version: int) -> QueryResult:
        """Answer, with what is kept as far as it is right, and keep the answer."""
        entry = self._answers.get(question.key)
        kept = 0
        if entry is not None and question.prepared.stepwise and not question.instant:
            changed_ms = self._source.first_ms_since(entry.version)
            kept = reusable_steps(entry, question.grid, changed_ms)
        if entry is None or not kept:
            self._lookups["miss"].inc()
            result, needed = self._evaluate(question)
        else:
            self._lookups["partial"].inc()
            result, needed = self._continue(question, entry, kept)
        size = answer_bytes(result.value)
        self._answers.put(question.key, Entry(result, question.grid, needed, version, size))
        return result

    def _continue(
        self, question: _Question, entry: Entry[QueryResult], kept: int
    ) -> tuple[QueryResult, Reach]:
        """Answer the steps after the first *kept* ones, which are those of *entry*."""
        grid, old = question.grid, entry.answer
        rest = Grid(grid.start_ms + kept * grid.step_ms, grid.end_ms, grid.step_ms)
        new, needed = self._evaluate(question.on(rest))
        if not _are_floats(old.value) or not _are_floats(new.value):
            return self._evaluate(question)
        whole = replace(
            new,
            grid=grid,
            value=range_answer(joined(old.value, new.value, grid), grid),
            warnings=tuple(dict.fromkeys(old.warnings + new.warnings)),
            infos=tuple(dict.fromkeys(old.infos + new.infos)),
        )
        return whole, needed | entry.reach

    # --- evaluation -----------------------------------------------------------------------

    def _evaluate(self, question: _Question) -> tuple[QueryResult, Reach]:
        prepared, grid = question.prepared, question.grid
        budget = Budget(
            self._options,
            self._clock,
            question.timeout_ms,
            question.begun_s,
            question.cancel,
            samples_per_step=np.zeros(len(grid), np.int64) if question.counting else None,
        )
        run = Evaluation(
            self._source,
            budget,
            lookback_ms=question.rules.lookback_ms,
            rollups=self._rollups,
            rollup_use=question.rollup_use,
        )
        try:
            plan = make_plan(prepared, grid, question.rules, instant=question.instant)
            prepared_s = self._clock.monotonic_s()
            value = run.run(plan)
        except RecursionError as error:
            raise ExecutionError("expression is nested too deeply to evaluate") from error
        evaluated_s = self._clock.monotonic_s()
        if question.instant:
            kind, answer = instant_answer(prepared.expr, value)
        else:
            kind, answer = ResultKind.MATRIX, range_answer(value, grid)
        ended_s = self._clock.monotonic_s()
        counts = budget.samples_per_step
        stats = QueryStats(
            seconds=ended_s - question.begun_s,
            samples=budget.samples if counts is None else int(counts.sum()),
            peak_samples=budget.peak_samples,
            samples_per_step=counts,
            preparation_seconds=prepared_s - question.begun_s,
            sorting_seconds=ended_s - evaluated_s,
        )
        warnings = spell_notes(run.notes.warnings, "warning", question.text)
        infos = spell_notes(run.notes.infos, "info", question.text)
        return QueryResult(kind, grid, answer, warnings, infos, stats), reach(plan)

    @contextmanager
    def _observed(self, kind: str, text: str) -> Iterator[float]:
        begun_s = self._clock.monotonic_s()
        try:
            yield begun_s
        except Exception as error:
            reason = _reason(error)
            self._failures.labels(reason).inc()
            _log.debug("query_failed", query=text, reason=reason, error=str(error))
            raise
        finally:
            self._durations[kind].observe(self._clock.monotonic_s() - begun_s)


def _check_range_type(found: ValueType, text: str) -> None:
    if found not in {ValueType.VECTOR, ValueType.SCALAR}:
        raise ParseError(
            f'invalid expression type "{found}" for range query, must be Scalar or instant Vector',
            text=text,
        )


def _are_floats(answer: Answer) -> TypeGuard[Matrix]:
    return isinstance(answer, Matrix) and answer.histograms is None


def _reason(error: Exception) -> str:
    match error:
        case ParseError():
            return "parse"
        case QueryTimeoutError() | TimedOutError():
            return "timeout"
        case QueryTooLargeError() | LimitExceededError():
            return "too_large"
        case WorkCancelledError():
            return "cancelled"
        case InvalidInputError():
            return "execution"
        case _:
            return "internal"
