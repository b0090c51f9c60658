"""The outbox: what is sent, what waits on disk, what is given up."""

import asyncio
import random
import shutil
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs
from yarl import URL

from veriscope.collect import AgentOptions, Outbox
from veriscope.signals import (
    ByteSize,
    InvalidInputError,
    SampleBatch,
    SystemClock,
    UnavailableError,
    to_labels,
)
from veriscope.wire import remote_write


class Receiver:
    """A remote write endpoint that answers as it is told, and notes what it took."""

    def __init__(self) -> None:
        self.status = 204
        self.headers: dict[str, str] = {}
        self.taken: list[bytes] = []
        self.times_s: list[float] = []
        self.tokens: list[str | None] = []
        self.url = URL()
        self.refused: list[bytes] = []
        self.pause = asyncio.Event()
        self.pause.set()

    async def write(self, request: web.Request) -> web.Response:
        """Take a body where the status says so."""
        message = remote_write.decompress(await request.read(), 1 << 26)
        self.times_s.append(time.monotonic())
        self.tokens.append(request.headers.get("Authorization"))
        await self.pause.wait()
        if any(part in message for part in self.refused):
            return web.Response(status=400, text="a bad part")
        if self.status == 204:
            self.taken.append(message)
            return web.Response(status=204)
        return web.Response(status=self.status, text="because", headers=self.headers)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """Serve a receiver."""
    found = Receiver()
    app = web.Application(client_max_size=1 << 26)
    app.router.add_post("/api/v1/write", found.write)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    found.url = URL(f"http://127.0.0.1:{runner.addresses[0][1]}/api/v1/write")
    yield found
    await runner.cleanup()


@asynccontextmanager
async def running(
    receiver: Receiver, directory: Path, options: AgentOptions | None = None
) -> AsyncIterator[tuple[Outbox, Callable[..., float]]]:
    """Run an outbox; give it and a function that reads its metrics."""
    registry = CollectorRegistry()
    outbox = Outbox(
        options or AgentOptions(),
        receiver.url,
        directory,
        clock=SystemClock(),
        registry=registry,
        chance=random.Random(1),  # noqa: S311 - it spreads retries
    )

    def metric(name: str, **labels: str) -> float:
        return registry.get_sample_value(f"veriscope_agent_{name}", labels) or 0.0

    stop = asyncio.Event()
    task = asyncio.create_task(outbox.run(stop))
    try:
        yield outbox, metric
    finally:
        stop.set()
        await task


def batch(number: int, samples: int = 3) -> SampleBatch:
    """Return samples that can be told from those of other batches."""
    labels = tuple(to_labels({"__name__": "m", "i": str(i)}) for i in range(samples))
    return SampleBatch.at(labels, np.full(samples, float(number)), 1_700_000_000_000 + number)


def message(*numbers: int) -> bytes:
    """Return the messages of several batches, joined."""
    return b"".join(remote_write.encode(batch(number)) for number in numbers)


async def until(condition: Callable[[], Any], seconds: float = 60) -> None:
    """Wait for *condition*."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - of another task and of files
            await asyncio.sleep(0.01)


def files(directory: Path, pattern: str = "*.snappy") -> list[str]:
    """Return the names of the bodies on disk, oldest first."""
    return sorted(path.name for path in directory.glob(pattern))


async def test_batches_of_one_moment_leave_together(receiver: Receiver, tmp_path: Path) -> None:
    """One request carries them, in order, and nothing touches the disk."""
    async with running(receiver, tmp_path) as (outbox, metric):
        await asyncio.gather(outbox.accept(batch(1)), outbox.accept(batch(2)))
        await until(lambda: metric("sent_samples_total") == 6)
    assert receiver.taken == [message(1, 2)]
    assert metric("pending_samples") == 0
    assert files(tmp_path) == []


@pytest.mark.parametrize("status", [503, 401])
async def test_a_server_that_cannot_take_them_gets_them_later(
    receiver: Receiver, tmp_path: Path, status: int
) -> None:
    """They are on disk meanwhile; then each arrives once, in order; it is told once."""
    receiver.status = status
    with capture_logs() as logs:
        async with running(receiver, tmp_path) as (outbox, metric):
            await outbox.accept(batch(1))
            await until(lambda: metric("spool_bytes"))
            for number in range(2, 6):
                await outbox.accept(batch(number))
                assert len(files(tmp_path)) == number
            await until(lambda: len(receiver.times_s) > 1)
            receiver.status = 204
            await until(lambda: metric("pending_samples") == 0)
            await outbox.accept(batch(6))
            await until(lambda: metric("sent_samples_total") == 18)
    assert b"".join(receiver.taken) == message(1, 2, 3, 4, 5, 6)
    assert files(tmp_path) == []
    assert metric("spool_bytes") == 0
    assert metric("dropped_samples_total", reason="refused") == 0
    warnings = [each["reason"] for each in logs if each["log_level"] == "warning"]
    assert len(warnings) == 1
    assert str(status) in warnings[0]
    assert ("agent.token_file" in warnings[0]) == (status == 401)


async def test_the_server_says_when_to_come_back(receiver: Receiver, tmp_path: Path) -> None:
    """`Retry-After` is the least that is waited."""
    receiver.status, receiver.headers = 429, {"Retry-After": "1"}
    async with running(receiver, tmp_path) as (outbox, _):
        await outbox.accept(batch(1))
        await until(lambda: len(receiver.times_s) == 2)
    assert receiver.times_s[1] - receiver.times_s[0] >= 0.99


async def test_a_full_spool_gives_up_the_oldest(receiver: Receiver, tmp_path: Path) -> None:
    """What is given up is counted, what is left is the newest and within the bound."""
    size = len(remote_write.compress(message(1)))
    receiver.status = 503
    options = AgentOptions(spool_max_bytes=ByteSize(3 * size + size // 2))
    async with running(receiver, tmp_path, options) as (outbox, metric):
        await outbox.accept(batch(1))
        await until(lambda: metric("spool_bytes"))
        for number in range(2, 8):
            await outbox.accept(batch(number))
        await until(lambda: metric("dropped_samples_total", reason="spool_full") == 12)
        receiver.status = 204
        await until(lambda: metric("pending_samples") == 0)
    assert b"".join(receiver.taken) == message(5, 6, 7)


async def test_a_refused_body_is_given_up(receiver: Receiver, tmp_path: Path) -> None:
    """It is counted and told with the server's reason; the next ones go on."""
    receiver.status = 400
    with capture_logs() as logs:
        async with running(receiver, tmp_path) as (outbox, metric):
            for number in (1, 2):
                await outbox.accept(batch(number))
                await until(lambda: metric("pending_samples") == 0)
            receiver.status = 204
            await outbox.accept(batch(3))
            await until(lambda: metric("sent_samples_total") == 3)
    assert metric("dropped_samples_total", reason="refused") == 6
    assert metric("send_failures_total") == 2
    assert receiver.taken == [message(3)]
    (told,) = [each for each in logs if each["log_level"] == "warning"]
    assert "HTTP 400" in told["error"]
    assert "because" in told["error"]


async def test_a_bad_body_does_not_take_others_along(receiver: Receiver, tmp_path: Path) -> None:
    """Those on disk are sent together; where that is refused, each is tried alone."""
    receiver.status = 503
    async with running(receiver, tmp_path) as (outbox, _):
        for number in range(1, 5):
            await outbox.accept(batch(number))
            await until(lambda: receiver.times_s)
    (tmp_path / files(tmp_path)[3]).write_bytes(b"not snappy")
    receiver.status, receiver.refused = 204, [message(2)]
    async with running(receiver, tmp_path) as (outbox, metric):
        await outbox.accept(batch(5))
        await until(lambda: metric("pending_samples") == 0)
    assert b"".join(receiver.taken) == message(1, 3, 5)
    assert metric("dropped_samples_total", reason="refused") == 3
    assert metric("dropped_samples_total", reason="unreadable") == 3


async def test_a_long_absence_is_made_up_in_few_requests(
    receiver: Receiver, tmp_path: Path
) -> None:
    """Bodies on disk travel together, still in order."""
    receiver.status = 503
    async with running(receiver, tmp_path) as (outbox, _):
        await outbox.accept(batch(0))
        await until(lambda: receiver.times_s)
        for number in range(1, 100):
            await outbox.accept(batch(number))
    receiver.status = 204
    async with running(receiver, tmp_path) as (_, metric):
        await until(lambda: metric("sent_samples_total") == 300)
    assert receiver.taken == [message(*range(100))]


async def test_what_is_left_at_the_end_is_sent_first_at_the_next_start(
    receiver: Receiver, tmp_path: Path
) -> None:
    """Nothing is lost between two lives, and an unfinished file is nothing."""
    receiver.status = 503
    async with running(receiver, tmp_path) as (outbox, _):
        await outbox.accept(batch(1))
        await until(lambda: receiver.times_s)
        await outbox.accept(batch(2))
    assert len(files(tmp_path)) == 2
    (tmp_path / "0000000000000002-3.unfinished").write_bytes(b"half")
    receiver.status = 204
    async with running(receiver, tmp_path) as (outbox, metric):
        await outbox.accept(batch(3))
        await until(lambda: metric("sent_samples_total") == 9)
    assert b"".join(receiver.taken) == message(1, 2, 3)
    assert files(tmp_path, "*") == ["agent.lock"]


async def test_the_end_still_sends_what_the_server_takes(
    receiver: Receiver, tmp_path: Path
) -> None:
    """What came just before the end is not left for the next start."""
    async with running(receiver, tmp_path) as (outbox, _):
        await outbox.accept(batch(1))
    assert receiver.taken == [message(1)]
    assert files(tmp_path) == []


async def test_a_disk_that_fails_costs_nothing_at_first(receiver: Receiver, tmp_path: Path) -> None:
    """What cannot be written stays in memory and is sent later."""
    receiver.status = 503
    directory = tmp_path / "outbox"
    with capture_logs() as logs:
        async with running(receiver, directory) as (outbox, metric):
            shutil.rmtree(directory)
            await outbox.accept(batch(1))
            await until(lambda: receiver.times_s)
            await outbox.accept(batch(2))
            receiver.status = 204
            await until(lambda: metric("sent_samples_total") == 6)
    assert b"".join(receiver.taken) == message(1, 2)
    assert sum("cannot write" in each["event"] for each in logs) == 1


async def test_the_memory_of_a_failing_disk_is_bounded(receiver: Receiver, tmp_path: Path) -> None:
    """The oldest are given up and counted."""
    receiver.status = 503
    directory = tmp_path / "outbox"
    async with running(receiver, directory) as (outbox, metric):
        shutil.rmtree(directory)
        noise = np.random.default_rng(1).random(40_000)
        labels = tuple(to_labels({"__name__": f"m{value}"}) for value in noise)
        for number in range(8):
            await outbox.accept(SampleBatch.at(labels, noise, number))
        await until(lambda: metric("dropped_samples_total", reason="spool_full"))
        assert metric("pending_samples") < 8 * 40_000


async def test_the_token_is_sent_and_read_anew(receiver: Receiver, tmp_path: Path) -> None:
    """A token that is replaced needs no restart; one that cannot be read is waited for."""
    token = tmp_path / "token"
    options = AgentOptions(token_file=str(token))
    async with running(receiver, tmp_path / "outbox", options) as (outbox, metric):
        await outbox.accept(batch(1))
        await until(lambda: metric("send_failures_total"))
        token.write_text("first\n")
        await until(lambda: metric("sent_samples_total") == 3)
        token.write_text("second\n")
        await outbox.accept(batch(2))
        await until(lambda: metric("sent_samples_total") == 6)
    assert receiver.tokens == ["Bearer first", "Bearer second"]


async def test_a_directory_has_one_outbox(receiver: Receiver, tmp_path: Path) -> None:
    """A second one says that it is in use, and by whom."""
    async with running(receiver, tmp_path):
        with pytest.raises(UnavailableError, match=r"in use by process \d+"):
            async with running(receiver, tmp_path):
                pass


async def test_authorities_that_cannot_be_read_are_an_error(
    receiver: Receiver, tmp_path: Path
) -> None:
    """At the start, with the option's name."""
    with pytest.raises(InvalidInputError, match=r"agent\.ca_file"):
        async with running(receiver, tmp_path, AgentOptions(ca_file=str(tmp_path / "none.pem"))):
            pass


async def test_what_is_being_sent_when_later_ones_are_saved_is_saved_too(
    receiver: Receiver, tmp_path: Path
) -> None:
    """A slow request that fails in the end loses nothing, and its body stays the oldest."""
    receiver.pause.clear()
    receiver.status = 503
    noise = np.random.default_rng(1).random(40_000)
    labels = tuple(to_labels({"__name__": f"m{value}"}) for value in noise)
    async with running(receiver, tmp_path) as (outbox, metric):
        await outbox.accept(batch(1))
        await until(lambda: receiver.times_s)
        for number in range(8):
            await outbox.accept(SampleBatch.at(labels, noise, number))
        assert metric("spool_bytes")
        receiver.pause.set()
        await until(lambda: metric("send_failures_total"))
    assert files(tmp_path)[0].endswith("-3.snappy")
    assert len(files(tmp_path)) == 9
    assert metric("dropped_samples_total", reason="spool_full") == 0


async def test_a_label_that_is_no_text_is_refused(receiver: Receiver, tmp_path: Path) -> None:
    """The collectors drop such a batch and go on."""
    broken = SampleBatch.at((to_labels({"__name__": "m", "path": "\udcff"}),), np.ones(1), 1)
    async with running(receiver, tmp_path) as (outbox, metric):
        with pytest.raises(InvalidInputError, match="UTF-8"):
            await outbox.accept(broken)
        assert metric("pending_samples") == 0
