"""Group commit: what waits together is stored together, and acknowledged once it is durable."""

import asyncio
import math
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic, perf_counter
from typing import Generic, TypeVar

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from veriscope.signals import InvalidInputError, OverloadedError, VeriscopeError

_log = structlog.get_logger(__name__)
T = TypeVar("T")


class CommitMetrics:
    """What every lane counts, told apart by the label `door`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.commits = Counter(
            "veriscope_ingest_commits_total",
            "Inserts into the store, each of one group of requests.",
            ["door"],
            registry=registry,
        )
        self.requests = Counter(
            "veriscope_ingest_requests_total",
            "Requests by outcome: stored, refused (their fault), overloaded, failed (ours).",
            ["door", "outcome"],
            registry=registry,
        )
        self.bytes = Counter(
            "veriscope_ingest_bytes_total",
            "Unpacked bytes of stored requests.",
            ["door"],
            registry=registry,
        )
        self.pending = Gauge(
            "veriscope_ingest_pending_bytes",
            "Unpacked bytes of requests that wait for their commit.",
            ["door"],
            registry=registry,
        )
        self.seconds = Histogram(
            "veriscope_ingest_commit_duration_seconds",
            "Time that the store takes for one commit.",
            ["door"],
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
            registry=registry,
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting(Generic[T]):
    item: T
    size: int
    done: asyncio.Future[None]


class GroupCommit(Generic[T]):
    """
    One lane of commits in front of *insert*, a blocking call that stores a group durably.

    While one group is stored the next one gathers, so the size of groups follows the load; groups
    are also at least *spacing_s* apart, unless *eager_bytes* wait already. Those who send without
    a pause are waited for after their answer, up to *linger* times as long as the commit took:
    else they would take turns with those who came during it. *insert* may return for
    each member why it was refused, or None. When it raises instead, members are stored one by one:
    the bad one is told so, the others are stored.
    Use from one event loop; start with `run`.
    """

    def __init__(
        self,
        door: str,
        insert: Callable[[Sequence[T]], Sequence[VeriscopeError | None] | None],
        *,
        max_pending_bytes: int,
        max_commit_bytes: int,
        metrics: CommitMetrics,
        spacing_s: float = 0.0,
        eager_bytes: float = math.inf,
        linger: float = 0.0,
    ) -> None:
        self._door = door
        self._spacing_s = spacing_s
        self._eager_bytes = eager_bytes
        self._linger = linger
        self._expected = math.inf
        self._next_s = 0.0
        self._insert = insert
        self._max_pending = max_pending_bytes
        self._max_commit = max_commit_bytes
        self._metrics = metrics
        self._waiting: deque[_Waiting[T]] = deque()
        self._pending_bytes = 0
        self._wake = asyncio.Event()
        self._hurry = asyncio.Event()
        self._stopping = False
        self._closing = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"commit-{door}")

    async def submit(self, item: T, size: int) -> None:
        """
        Store *item*, of *size* bytes, and return once it is durable.

        Raises `OverloadedError` when too much waits already (nothing was stored), what the
        store raises for *item* alone otherwise. Cancelling does not take the item back.
        """
        if self._closing or (self._waiting and self._pending_bytes + size > self._max_pending):
            self._metrics.requests.labels(self._door, "overloaded").inc()
            reason = "the server is stopping" if self._closing else "too much waits to be stored"
            raise OverloadedError(f"{reason}; send it again later")
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(item, size, done))
        self._count_pending(size)
        self._wake.set()
        await asyncio.shield(done)

    async def run(self, stop: asyncio.Event) -> None:
        """Commit until *stop* is set, then what still waits, then return."""
        stopping = asyncio.create_task(stop.wait())
        stopping.add_done_callback(self._hasten)
        while not (stop.is_set() and not self._waiting):
            if not self._waiting:
                await self._wake.wait()
                self._wake.clear()
                continue
            await self._keep_distance()
            group = self._take_group()
            begun_s = monotonic()
            await self._commit(group)
            if self._linger:
                self._await_return(len(group), monotonic() - begun_s)
        self._closing = True
        await stopping
        self._thread.shutdown()

    def _hasten(self, _: object) -> None:
        self._stopping = True
        self._wake.set()
        self._hurry.set()

    async def _keep_distance(self) -> None:
        if (wait_s := self._next_s - monotonic()) > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), wait_s)
        self._next_s = monotonic() + self._spacing_s

    def _await_return(self, answered: int, took_s: float) -> None:
        self._expected = answered + len(self._waiting)
        self._next_s = max(self._next_s, monotonic() + self._linger * took_s)
        self._count_pending(0)  # enough for the last group may be too little for this one

    def _take_group(self) -> list[_Waiting[T]]:
        group = [self._waiting.popleft()]
        size = group[0].size
        while self._waiting and size + self._waiting[0].size <= self._max_commit:
            size += self._waiting[0].size
            group.append(self._waiting.popleft())
        self._count_pending(-size)
        return group

    async def _commit(self, group: list[_Waiting[T]]) -> None:
        try:
            outcomes = await self._store([waiting.item for waiting in group])
        except Exception as error:  # noqa: BLE001 - whatever it was, those who wait must hear of it
            if len(group) > 1:
                for waiting in group:
                    await self._commit([waiting])
            elif isinstance(error, InvalidInputError):
                self._settle(group, "refused", error)
            else:
                if isinstance(error, VeriscopeError):
                    _log.warning("commit_failed", door=self._door, error=str(error))
                else:
                    _log.exception("commit_failed", door=self._door)
                self._settle(group, "failed", error)
        else:
            for waiting, refusal in zip(group, outcomes or (None,) * len(group), strict=True):
                self._settle([waiting], "refused" if refusal else "stored", refusal)

    async def _store(self, items: list[T]) -> Sequence[VeriscopeError | None] | None:
        started = perf_counter()
        loop = asyncio.get_running_loop()
        outcomes = await loop.run_in_executor(self._thread, self._insert, items)
        self._metrics.commits.labels(self._door).inc()
        self._metrics.seconds.labels(self._door).observe(perf_counter() - started)
        return outcomes

    def _settle(self, group: list[_Waiting[T]], outcome: str, error: Exception | None) -> None:
        self._metrics.requests.labels(self._door, outcome).inc(len(group))
        for waiting in group:
            if error is None:
                self._metrics.bytes.labels(self._door).inc(waiting.size)
                waiting.done.set_result(None)
            else:
                waiting.done.set_exception(error)
                # A client that hung up leaves nobody to look at the error; that is no fault.
                waiting.done.exception()

    def _count_pending(self, change: int) -> None:
        self._pending_bytes += change
        enough = self._pending_bytes >= self._eager_bytes or len(self._waiting) >= self._expected
        if self._stopping or enough:
            self._hurry.set()
        else:
            self._hurry.clear()
        self._metrics.pending.labels(self._door).set(self._pending_bytes)
