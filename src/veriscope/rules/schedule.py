"""When groups are evaluated: each at its interval, at a moment of its own within it."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import structlog
import xxhash
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from veriscope.query.promql import QueryResult
from veriscope.rules.files import RuleGroup, RuleOptions
from veriscope.rules.group import GroupEvaluator, GroupState, Record
from veriscope.signals import Clock, Duration

_log = structlog.get_logger(__name__)


class RuleLoop:
    """
    Evaluates *groups* until it is told to stop; groups do not wait for each other.

    A group's moment within its interval comes from its name, so that groups of one interval do
    not all begin at once and a restart changes nothing. *query* blocks and is called in threads.
    """

    def __init__(
        self,
        groups: Sequence[RuleGroup],
        options: RuleOptions,
        *,
        interval: Duration,
        query_offset: Duration,
        query: Callable[[str, int], QueryResult],
        record: Record,
        clock: Clock,
        registry: CollectorRegistry,
    ) -> None:
        self._query = query
        self._query_offset = query_offset
        self._clock = clock
        self._threads = ThreadPoolExecutor(
            options.max_concurrent_evaluations, thread_name_prefix="rule"
        )
        self._groups = [
            GroupEvaluator(
                group,
                interval_ms=group.interval or interval,
                evaluate=self._evaluate,
                record=record,
                clock=clock,
            )
            for group in groups
        ]
        self._metrics = _Metrics(registry)

    def states(self) -> list[GroupState]:
        """Return the groups and how their last evaluations went."""
        return [group.state for group in self._groups]

    async def run(self, stop: asyncio.Event) -> None:
        """Evaluate until *stop* is set and the evaluations under way have ended."""
        try:
            await asyncio.gather(
                stop.wait(), *(self._run_group(group, stop) for group in self._groups)
            )
        finally:
            self._threads.shutdown()

    async def _run_group(self, group: GroupEvaluator, stop: asyncio.Event) -> None:
        state = group.state
        name = f"{state.group.file};{state.group.name}"
        slot_ms = next_slot(name, state.interval_ms, self._clock.now_ms())
        while not await self._stopped(stop, slot_ms):
            offset_ms = state.group.query_offset
            if offset_ms is None:
                offset_ms = self._query_offset
            failed = await group.run_once(slot_ms - offset_ms)
            self._metrics.observe(name, state, failed)
            slot_ms += state.interval_ms
            if (missed := (self._clock.now_ms() - slot_ms) // state.interval_ms) > 0:
                slot_ms += missed * state.interval_ms
                self._metrics.missed.labels(name).inc(missed)
                _log.warning("rule_evaluations_missed", group=name, missed=missed)

    async def _stopped(self, stop: asyncio.Event, slot_ms: int) -> bool:
        """Wait until *slot_ms*, or until told to stop."""
        wait_s = max(0.0, (slot_ms - self._clock.now_ms()) / 1000)
        try:
            async with asyncio.timeout(wait_s):
                await stop.wait()
        except TimeoutError:
            return stop.is_set()
        return True

    async def _evaluate(self, expr: str, time_ms: int) -> QueryResult:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._query, expr, time_ms)


def next_slot(name: str, interval_ms: int, now_ms: int) -> int:
    """Return the first moment of the group *name* that is not before *now_ms*."""
    offset_ms = xxhash.xxh3_64_intdigest(name.encode()) % interval_ms
    return now_ms + (offset_ms - now_ms) % interval_ms


class _Metrics:
    """What the loop says of itself."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.evaluations = Counter(
            "veriscope_rule_evaluations_total",
            "Rules evaluated.",
            ["rule_group"],
            registry=registry,
        )
        self.failures = Counter(
            "veriscope_rule_evaluation_failures_total",
            "Rules that failed.",
            ["rule_group"],
            registry=registry,
        )
        self.missed = Counter(
            "veriscope_rule_group_iterations_missed_total",
            "Evaluations left out because an earlier one took too long.",
            ["rule_group"],
            registry=registry,
        )
        self.seconds = Histogram(
            "veriscope_rule_group_duration_seconds",
            "Time that one evaluation of a group took.",
            buckets=(0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60),
            registry=registry,
        )
        self.series = Gauge(
            "veriscope_rule_group_last_evaluation_samples",
            "Series that the last evaluation of a group recorded.",
            ["rule_group"],
            registry=registry,
        )

    def observe(self, name: str, state: GroupState, failed: int) -> None:
        """Count one evaluation of the group."""
        self.evaluations.labels(name).inc(sum(bool(rule.rule.record) for rule in state.rules))
        self.failures.labels(name).inc(failed)
        self.seconds.observe(state.seconds)
        self.series.labels(name).set(sum(len(rule.series) for rule in state.rules))
