"""
The outbox of an agent: batches leave as remote write, and wait on disk while they cannot.

There is one request at a time, oldest first. Where one body lies on disk, every later one goes
there too, so the order holds across failures and restarts.
"""

import asyncio
import random
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge
from yarl import URL

from veriscope.collect.remote_write_client import (
    AgentOptions,
    Refusal,
    RemoteWriteClient,
    authorities,
)
from veriscope.collect.sink import pause
from veriscope.collect.spool import Spool, SpooledBody
from veriscope.signals import (
    Clock,
    InvalidInputError,
    SampleBatch,
    UnavailableError,
)
from veriscope.signals.log import get_log
from veriscope.wire import remote_write

_log = get_log(__name__)

_MAX_MESSAGE_BYTES: Final = 1 << 20
"""Messages are joined up to here, far below what a server accepts at once."""
_MAX_MEMORY_BYTES: Final = 8 << 20
"""Past it bodies go to disk though the server answers: it is slower than the collectors."""
_MAX_JOINED_BYTES: Final = 256 << 10
"""Compressed bodies on disk are sent together up to here: a commit takes longer than a body."""
_MAX_UNPACKED_BYTES: Final = 64 << 20
_LARGE_BATCH: Final = 5_000
"""Samples whose encoding would hold up the event loop."""
_TELL_EVERY_S: Final = 60.0
_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 30.0
_GRACE_S: Final = 5.0
"""How long the end waits for the server to take what is left."""


@dataclass(slots=True, eq=False)
class _Body:
    """A compressed message, or where on disk it lies."""

    sequence: int
    samples: int
    content: bytes | SpooledBody


class _Metrics:
    """What the outbox says of itself."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.sent_samples = Counter(
            "veriscope_agent_sent_samples_total",
            "Samples that the server acknowledged.",
            registry=registry,
        )
        self.sent_bytes = Counter(
            "veriscope_agent_sent_bytes_total",
            "Compressed bytes that the server acknowledged.",
            registry=registry,
        )
        self.failures = Counter(
            "veriscope_agent_send_failures_total",
            "Requests that the server did not acknowledge.",
            registry=registry,
        )
        self.dropped = Counter(
            "veriscope_agent_dropped_samples_total",
            "Samples given up: refused by the server, pushed out of a full spool, or unreadable.",
            ["reason"],
            registry=registry,
        )
        for reason in ("refused", "spool_full", "unreadable"):
            self.dropped.labels(reason)
        self.spool_bytes = Gauge(
            "veriscope_agent_spool_bytes", "Bytes that wait on disk.", registry=registry
        )
        self.pending = Gauge(
            "veriscope_agent_pending_samples",
            "Samples that wait to be sent, in memory and on disk.",
            registry=registry,
        )


class Outbox:
    """
    Sends batches to the remote write endpoint *url*; keeps them under *directory* meanwhile.

    Construction raises `UnavailableError` where another process uses the directory or it cannot
    be written, and `InvalidInputError` where `ca_file` cannot be used. *chance* spreads retries.
    """

    def __init__(
        self,
        options: AgentOptions,
        url: URL,
        directory: Path,
        *,
        clock: Clock,
        registry: CollectorRegistry,
        chance: random.Random,
    ) -> None:
        self._options = options
        self._url = url
        self._clock = clock
        self._chance = chance
        self._metrics = _Metrics(registry)
        self._tls = authorities(options)
        self._spool = Spool(directory)
        self._queue = deque(
            _Body(each.sequence, each.samples, each) for each in self._spool.found()
        )
        self._unsaved: list[_Body] = []  # those of the queue that are in memory, oldest first
        self._queued_samples = sum(body.samples for body in self._queue)
        self._messages: list[bytes] = []
        self._message_samples = 0
        self._message_bytes = 0
        self._memory_bytes = 0
        self._sending: Sequence[_Body] = ()
        self._alone = 0  # bodies to send one by one, since together they were refused
        self._cause = ""
        self._is_away = False
        self._told_s = -_TELL_EVERY_S
        self._spool_fails = False
        self._failures_in_a_row = 0
        self._arrived = asyncio.Event()
        self._lock = asyncio.Lock()
        self._drop_oldest()
        self._note_size()

    async def accept(self, batch: SampleBatch) -> None:
        """
        Take *batch* for good: in memory while the server answers, else on disk on return.

        Raises `InvalidInputError` where a label is not text.
        """
        try:
            if len(batch) > _LARGE_BATCH:
                message = await asyncio.to_thread(remote_write.encode, batch)
            else:
                message = remote_write.encode(batch)
        except UnicodeEncodeError as error:
            raise InvalidInputError(f"a label cannot be written as UTF-8: {error}") from error
        if self._message_bytes + len(message) > _MAX_MESSAGE_BYTES:
            self._seal()
        self._messages.append(message)
        self._message_samples += len(batch)
        self._message_bytes += len(message)
        self._memory_bytes += len(message)
        self._note_size()
        self._arrived.set()
        if self._is_away or self._spool.size_bytes or self._memory_bytes > _MAX_MEMORY_BYTES:
            await asyncio.sleep(0)  # batches that are handed over at the same time become one body
            await self._save()

    async def run(self, stop: asyncio.Event) -> None:
        """Send until *stop* is set; what the server does not take within seconds goes to disk."""
        stopped = asyncio.create_task(stop.wait())
        stopped.add_done_callback(lambda _: self._arrived.set())
        sender = asyncio.create_task(self._send(stop))
        try:
            await asyncio.wait([stopped, sender], return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait([sender], timeout=_GRACE_S)
        finally:
            stopped.cancel()
            sender.cancel()
            await asyncio.gather(stopped, sender, return_exceptions=True)
            await self._save()
            self._tell_rest()
            self._spool.close()
        if not sender.cancelled():
            sender.result()

    async def _send(self, stop: asyncio.Event) -> None:
        async with RemoteWriteClient(self._options, self._url, self._tls, self._clock) as client:
            while bodies := await self._oldest(stop):
                pause_s = await self._offer(client, bodies)
                if pause_s is not None:
                    await self._save()
                    await pause(stop, pause_s)

    async def _oldest(self, stop: asyncio.Event) -> list[_Body]:
        """Wait for what to send next; nothing at the end, when the rest may wait on disk."""
        while not self._queue and not self._messages and not stop.is_set():
            self._arrived.clear()
            await self._arrived.wait()
        if not self._queue:
            self._seal()
        if not self._queue or (stop.is_set() and (self._is_away or self._spool.size_bytes)):
            return []
        return self._oldest_together()

    def _oldest_together(self) -> list[_Body]:
        """Return the oldest body, with it those on disk behind it that fit into one request."""
        together, size_bytes = [self._queue[0]], 0
        if self._alone or not isinstance(self._queue[0].content, SpooledBody):
            return together
        for body in self._queue:
            if not isinstance(body.content, SpooledBody):
                break
            size_bytes += body.content.size_bytes
            if size_bytes > _MAX_JOINED_BYTES:
                break
            if body is not together[0]:
                together.append(body)
        return together

    async def _offer(self, client: RemoteWriteClient, bodies: Sequence[_Body]) -> float | None:
        """Send *bodies* once, remove them where that is settled; else return seconds to pause."""
        self._sending = bodies
        try:
            content = await asyncio.to_thread(self._join, [body.content for body in bodies])
            refusal = await client.post(content)
            if refusal is not None:
                return await self._note_refusal(bodies, refusal)
            await self._remove(bodies)
            self._note_sent(sum(body.samples for body in bodies), len(content))
        except (UnavailableError, InvalidInputError) as error:
            await self._give_up(bodies, "unreadable", str(error))
        finally:
            self._sending = ()
        return None

    def _join(self, contents: Sequence[bytes | SpooledBody]) -> bytes:
        """Return one compressed message; what was on disk is checked (in a worker thread)."""
        if isinstance(contents[0], bytes):
            return contents[0]
        read = [self._spool.read(each) for each in contents if isinstance(each, SpooledBody)]
        return remote_write.compress(
            b"".join(remote_write.decompress(each, _MAX_UNPACKED_BYTES) for each in read)
        )

    def _note_sent(self, samples: int, size_bytes: int) -> None:
        self._metrics.sent_samples.inc(samples)
        self._metrics.sent_bytes.inc(size_bytes)
        self._failures_in_a_row = 0
        if self._is_away:
            self._is_away = False
            self._cause = ""
            _log.info("the server takes samples again", server=str(self._url))

    async def _note_refusal(self, bodies: Sequence[_Body], refusal: Refusal) -> float | None:
        self._metrics.failures.inc()
        if refusal.retry_after_s is None:
            await self._give_up(bodies, "refused", refusal.reason)
            return None
        if refusal.cause != self._cause:
            _log.warning("cannot send; samples are kept on disk", reason=refusal.reason)
        self._cause, self._is_away = refusal.cause, True
        pause_s = min(_FIRST_PAUSE_S * 2.0**self._failures_in_a_row, _LONGEST_PAUSE_S)
        self._failures_in_a_row = min(self._failures_in_a_row + 1, 10)
        return max(pause_s * self._chance.uniform(0.5, 1.0), refusal.retry_after_s)

    async def _give_up(self, bodies: Sequence[_Body], reason: str, error: str) -> None:
        """Drop a body; of several, any may be the bad one, so let each be tried alone."""
        if len(bodies) > 1:
            self._alone = len(bodies)
            return
        self._metrics.dropped.labels(reason).inc(bodies[0].samples)
        now_s = self._clock.monotonic_s()
        if now_s - self._told_s >= _TELL_EVERY_S:
            self._told_s = now_s
            _log.warning("samples dropped", reason=reason, error=error)
        await self._remove(bodies)

    def _tell_rest(self) -> None:
        if self._unsaved:
            lost = sum(body.samples for body in self._unsaved)
            _log.error("samples lost at the end", samples=lost)
        elif self._queue:
            _log.info("samples wait on disk for the next start", samples=self._queued_samples)

    def _seal(self) -> None:
        """Make one body of the messages at hand: joined protobuf messages are one message."""
        if not self._messages:
            return
        content = remote_write.compress(b"".join(self._messages))
        body = _Body(self._spool.next_sequence(), self._message_samples, content)
        self._queue.append(body)
        self._unsaved.append(body)
        self._queued_samples += self._message_samples
        self._memory_bytes += len(content) - self._message_bytes
        self._messages.clear()
        self._message_samples = self._message_bytes = 0

    async def _save(self) -> None:
        """Write what is in memory to disk; where that fails it stays in memory, bounded."""
        async with self._lock:
            self._seal()
            try:
                for body in list(self._unsaved):
                    if body not in self._sending and isinstance(body.content, bytes):
                        await self._save_one(body, body.content)
                self._spool_fails = False
            except OSError as error:
                if not self._spool_fails:
                    _log.warning("cannot write to the outbox; keeping in memory", error=str(error))
                self._spool_fails = True
            self._drop_oldest()
            self._note_size()

    async def _save_one(self, body: _Body, content: bytes) -> None:
        body.content = await asyncio.to_thread(
            self._spool.write, content, body.sequence, body.samples
        )
        self._unsaved.remove(body)
        self._memory_bytes -= len(content)

    async def _remove(self, bodies: Sequence[_Body]) -> None:
        """Forget the oldest *bodies*; their files too, also one that was written meanwhile."""
        async with self._lock:
            self._alone = max(self._alone - len(bodies), 0)
            for body in bodies:
                self._queue.remove(body)
                self._release(body)
            self._note_size()

    def _drop_oldest(self) -> None:
        """Keep disk and memory within their bounds, sparing what is being sent."""
        while self._spool.size_bytes > self._options.spool_max_bytes and self._drop_first(
            each for each in self._queue if isinstance(each.content, SpooledBody)
        ):
            pass
        while self._memory_bytes > _MAX_MEMORY_BYTES and self._drop_first(self._unsaved):
            pass

    def _drop_first(self, bodies: Iterable[_Body]) -> bool:
        """Drop the first of *bodies* that is not being sent, and say whether there was one."""
        body = next((each for each in bodies if each not in self._sending), None)
        if body is None:
            return False
        self._queue.remove(body)
        self._release(body)
        self._metrics.dropped.labels("spool_full").inc(body.samples)
        return True

    def _release(self, body: _Body) -> None:
        self._queued_samples -= body.samples
        if isinstance(body.content, SpooledBody):
            self._spool.delete(body.content)
        else:
            self._unsaved.remove(body)
            self._memory_bytes -= len(body.content)

    def _note_size(self) -> None:
        self._metrics.spool_bytes.set(self._spool.size_bytes)
        self._metrics.pending.set(self._message_samples + self._queued_samples)
