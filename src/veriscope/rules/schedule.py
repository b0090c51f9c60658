"""When groups are evaluated: each at its interval, at a moment of its own within it."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

import structlog
from prometheus_client import CollectorRegistry

from veriscope.query.promql import QueryResult
from veriscope.rules.expansion import Expander
from veriscope.rules.files import Rule, RuleGroup, RuleOptions
from veriscope.rules.group import GroupEvaluator, GroupState
from veriscope.rules.metrics import RuleMetrics
from veriscope.rules.reads import Prepare
from veriscope.rules.recording import Record
from veriscope.rules.reload import find_again, leave, take_over
from veriscope.rules.sending import SendAlerts
from veriscope.rules.slots import Slots
from veriscope.signals import Clock, Duration, RaggedSamples, RawFetch, to_labels
from veriscope.signals.alerts import PostedAlert
from veriscope.templates.prometheus import RuleTemplates

_log = structlog.get_logger(__name__)
_PATIENCE_S: Final = 5.0  # for alerts that are on their way when the server stops
_STALE_AFTER: Final = 2  # intervals, as Prometheus: a rule that has moved writes by then

Query: TypeAlias = Callable[[str, int], QueryResult]
Search: TypeAlias = Callable[[Rule, int], QueryResult]


@dataclass(slots=True, eq=False)
class _Running:
    """A group with what it was made of, and its evaluation."""

    group: RuleGroup
    made_of: tuple[object, ...]
    evaluator: GroupEvaluator
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        return f"{self.group.file};{self.group.name}"


class RuleLoop:
    """
    Evaluates *groups* until it is told to stop; groups do not wait for each other.

    A group's moment within its interval comes from its name, so that groups of one interval do
    not all begin at once and a restart changes nothing. *query*, *search* (of rules on logs and
    traces) and *restore* (raw samples of the time before a restart) block and are called in
    threads. Alerts go to *send* with *external_labels*, where they lack them.
    """

    def __init__(
        self,
        groups: Sequence[RuleGroup],
        options: RuleOptions,
        *,
        interval: Duration,
        query_offset: Duration,
        query: Query,
        record: Record,
        clock: Clock,
        registry: CollectorRegistry,
        search: Search | None = None,
        prepare: Prepare | None = None,
        send: SendAlerts | None = None,
        restore: Callable[[RawFetch], RaggedSamples] | None = None,
        external_labels: Mapping[str, str] | None = None,
        external_url: str = "",
    ) -> None:
        self._options = options
        self._query = query
        self._search = search
        self._prepare = prepare
        self._record = record
        self._send = send
        self._restore = restore
        self._external_url = external_url
        self._clock = clock
        self._threads = ThreadPoolExecutor(
            options.max_concurrent_evaluations, thread_name_prefix="rule"
        )
        self._metrics = RuleMetrics(registry, self.states)
        self._tasks: asyncio.TaskGroup | None = None
        self._farewells: set[asyncio.Task[None]] = set()
        self._reloading = asyncio.Lock()
        labels = external_labels or {}
        self._groups = [self._make(each, interval, query_offset, labels) for each in groups]

    def states(self) -> list[GroupState]:
        """Return the groups and how their last evaluations went."""
        return [running.evaluator.state for running in self._groups]

    async def run(self, stop: asyncio.Event) -> None:
        """Evaluate until *stop* is set and the evaluations under way have ended."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                for running in self._groups:
                    self._start(running)
                await stop.wait()
                self._tasks = None
                for running in self._groups:
                    running.stop.set()
        finally:
            for farewell in self._farewells:
                farewell.cancel()
            for running in self._groups:
                running.evaluator.outbox.close()
            self._threads.shutdown()

    async def reload(
        self,
        groups: Sequence[RuleGroup],
        *,
        interval: Duration,
        query_offset: Duration,
        external_labels: Mapping[str, str],
    ) -> None:
        """
        Go on with *groups*: those that stay as they are do not notice.

        In those that change a rule of the same name and labels goes on with its alerts, and so does
        one that is the same in another group. The alerts of rules that are no more are resolved,
        and their series end.
        """
        async with self._reloading:
            old = {running.name: running for running in self._groups}
            new: list[_Running] = []
            for group in groups:
                made = self._make(group, interval, query_offset, external_labels)
                before = old.get(made.name)
                if before is not None and before.made_of == made.made_of:
                    new.append(old.pop(made.name))
                else:
                    new.append(made)
            await asyncio.gather(*(_end(running) for running in old.values()))
            for running in new:
                if (before := old.get(running.name)) is not None:
                    take_over(running.evaluator, before.evaluator)
            made_now = [each.evaluator for each in new if each.task is None]
            find_again(made_now, [each.evaluator for each in old.values()])
            self._groups = new
            for running in new:
                if running.task is None:
                    self._start(running)
            for running in old.values():
                self._dismiss(running)

    def _make(
        self,
        group: RuleGroup,
        interval: Duration,
        query_offset: Duration,
        external_labels: Mapping[str, str],
    ) -> _Running:
        interval_ms = group.interval or interval
        offset_ms = query_offset if group.query_offset is None else group.query_offset
        evaluator = GroupEvaluator(
            group,
            interval_ms=interval_ms,
            evaluate=self._evaluate,
            record=self._record,
            clock=self._clock,
            expander=Expander(RuleTemplates(external_labels, self._external_url), self._query),
            query_offset_ms=offset_ms,
            prepare=self._prepare,
            send=self._sender(external_labels),
            read_back=self._read_back if self._restore else None,
            external_url=self._external_url,
            options=self._options,
        )
        return _Running(group, (group, interval_ms, offset_ms, dict(external_labels)), evaluator)

    def _sender(self, external_labels: Mapping[str, str]) -> SendAlerts | None:
        if (send := self._send) is None or not external_labels:
            return self._send

        async def send_labelled(alerts: Sequence[PostedAlert]) -> None:
            await send([_labelled(alert, external_labels) for alert in alerts])

        return send_labelled

    def _start(self, running: _Running) -> None:
        if self._tasks is not None:
            self._metrics.begin(running.name, running.evaluator.state)
            running.task = self._tasks.create_task(self._run_group(running), name=running.name)

    def _dismiss(self, running: _Running) -> None:
        if running.name not in {each.name for each in self._groups}:
            self._metrics.forget(running.name)
        pause_s = _STALE_AFTER * running.evaluator.state.interval_ms / 1000
        farewell = asyncio.create_task(
            leave(
                running.evaluator,
                lambda: [each.evaluator for each in self._groups],
                pause_s=pause_s,
            ),
            name=f"farewell {running.name}",
        )
        self._farewells.add(farewell)
        farewell.add_done_callback(self._farewells.discard)

    async def _run_group(self, running: _Running) -> None:
        evaluator, name = running.evaluator, running.name
        slots = Slots(name, evaluator.state.interval_ms, self._clock)
        while not await _is_set(running.stop, slots.wait_s()):
            slot_ms, missed = slots.take()
            if missed:
                _log.warning("rule_evaluations_missed", group=name, missed=missed)
            failed = await evaluator.run_once(slot_ms)
            self._metrics.observe(name, evaluator.state, failed=failed, missed=missed)
        await evaluator.outbox.settle(_PATIENCE_S)

    async def _evaluate(self, rule: Rule, time_ms: int) -> QueryResult:
        loop = asyncio.get_running_loop()
        if rule.source is None:
            return await loop.run_in_executor(self._threads, self._query, rule.expr, time_ms)
        assert self._search is not None  # noqa: S101 - who reads such rules gives a search
        return await loop.run_in_executor(self._threads, self._search, rule, time_ms)

    async def _read_back(self, fetch: RawFetch) -> RaggedSamples:
        assert self._restore is not None  # noqa: S101 - else this is not given on
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._restore, fetch)


def _labelled(alert: PostedAlert, external: Mapping[str, str]) -> PostedAlert:
    return replace(alert, labels=to_labels({**external, **dict(alert.labels)}))


async def _end(running: _Running) -> None:
    running.stop.set()
    if running.task is not None:
        await asyncio.wait((running.task,))


async def _is_set(event: asyncio.Event, wait_s: float) -> bool:
    """Wait until *event* is set, at most *wait_s* seconds, and return whether it is."""
    if wait_s > 0:
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await event.wait()
    return event.is_set()
