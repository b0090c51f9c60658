"""Where alerting keeps what must outlive the process, and how it is written without waiting."""

import asyncio
from collections.abc import Collection, Mapping
from typing import Final, Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge

from veriscope.instrument.backoff import pause_s
from veriscope.instrument.per_registry import PerRegistry
from veriscope.signals.log import get_log

_log = get_log(__name__)
_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 10.0


class StateDoor(Protocol):
    """Documents by kind and key; each method blocks, and a write is durable on return."""

    def all(self, kind: str) -> dict[str, bytes]:
        """Return every document of *kind* by key."""

    def get(self, kind: str, key: str) -> bytes | None:
        """Return one document, or None where there is none."""

    def put_many(self, kind: str, documents: Mapping[str, bytes]) -> None:
        """Write the documents, UTF-8 texts, in place of former ones."""

    def delete_many(self, kind: str, keys: Collection[str]) -> None:
        """Remove the documents; nothing happens where there is none."""


class _Metrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        self.waiting = Gauge(
            "veriscope_alert_state_waiting",
            "Documents of alerting that wait to be stored.",
            registry=registry,
        )
        self.failures = Counter(
            "veriscope_alert_state_failures_total",
            "Writes of alerting's documents that failed, and were tried again.",
            registry=registry,
        )


_metrics_of: Final = PerRegistry(_Metrics)


class Journal:
    """
    Writes documents behind those who make them: memory is the truth, this is what survives it.

    Of one key only the newest document waits, so what waits is bounded by what there is. A
    failed write is repeated, with pauses, until it succeeds. Used from one event loop.
    """

    def __init__(self, state: StateDoor, registry: CollectorRegistry) -> None:
        self._state = state
        self._metrics = _metrics_of(registry)
        self._waiting: dict[str, dict[str, bytes | None]] = {}
        self._writing: dict[str, dict[str, bytes | None]] = {}
        self._changed = asyncio.Event()
        self._asked = self._written = 0
        self._progress = asyncio.Condition()

    def put(self, kind: str, key: str, document: bytes) -> None:
        """Have *document* written."""
        self._note(kind, key, document)

    def delete(self, kind: str, key: str) -> None:
        """Have the document removed."""
        self._note(kind, key, None)

    async def all(self, kind: str) -> dict[str, bytes]:
        """Return every stored document of *kind*; raises what the store raises."""
        return await asyncio.to_thread(self._state.all, kind)

    async def get(self, kind: str, key: str) -> bytes | None:
        """Return the newest document under *key*, stored or not; raises what the store raises."""
        for documents in (self._waiting.get(kind, {}), self._writing.get(kind, {})):
            if key in documents:
                return documents[key]
        return await asyncio.to_thread(self._state.get, kind, key)

    async def durable(self, timeout_s: float) -> bool:
        """Wait until everything noted so far is stored; False where that takes longer."""
        target = self._asked
        try:
            async with asyncio.timeout(timeout_s), self._progress:
                await self._progress.wait_for(lambda: self._written >= target)
        except TimeoutError:
            return False
        return True

    async def run(self, stop: asyncio.Event) -> None:
        """Write what is noted until *stop* is set, then what still waits, once."""
        failures = 0
        while not stop.is_set():
            await first_of(stop, self._changed)
            if await self._write():
                failures = 0
            else:
                failures += 1
                await first_of(stop, timeout_s=pause_s(failures, _FIRST_PAUSE_S, _LONGEST_PAUSE_S))
        if not await self._write():
            _log.error("alert_state_lost", documents=self._count())

    def _note(self, kind: str, key: str, document: bytes | None) -> None:
        self._waiting.setdefault(kind, {})[key] = document
        self._asked += 1
        self._changed.set()

    async def _write(self) -> bool:
        """
        Store all that waits; False, with everything waiting again, where the store fails.

        What is noted meanwhile waits for the next time, so a document is never stored before one
        that was noted earlier.
        """
        self._changed.clear()
        target = self._asked
        batch, self._waiting = self._waiting, {}
        self._writing = batch
        for kind, documents in batch.items():
            if not await self._store(kind, documents):
                self._wait_again(batch)
                return False
        self._writing = {}
        self._metrics.waiting.set(0)
        async with self._progress:
            self._written = target
            self._progress.notify_all()
        return True

    def _wait_again(self, batch: Mapping[str, dict[str, bytes | None]]) -> None:
        for kind, documents in batch.items():
            self._waiting[kind] = documents | self._waiting.get(kind, {})
        self._metrics.waiting.set(self._count())
        self._metrics.failures.inc()
        self._changed.set()

    def _count(self) -> int:
        return sum(map(len, self._waiting.values()))

    async def _store(self, kind: str, documents: Mapping[str, bytes | None]) -> bool:
        put = {key: document for key, document in documents.items() if document is not None}
        gone = [key for key in documents if key not in put]
        try:
            if put:
                await asyncio.to_thread(self._state.put_many, kind, put)
            if gone:
                await asyncio.to_thread(self._state.delete_many, kind, gone)
        except Exception as error:  # noqa: BLE001 - whatever ails the store, memory is the truth
            _log.warning("alert_state_not_stored", kind=kind, error=str(error))
            return False
        return True


async def first_of(*events: asyncio.Event, timeout_s: float | None = None) -> None:
    """Return when one of *events* is set, or after *timeout_s*."""
    tasks = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(tasks, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
