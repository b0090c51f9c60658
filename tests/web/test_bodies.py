"""Bodies that come slowly, not at all, or when the server stops."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from veriscope.web import Access
from veriscope.web.bodies import BodyDeadline

PATHS = ("/api/v1/write", "/v1/metrics", "/api/v1/query", "/api/v1/read")


@asynccontextmanager
async def half_sent(web: Any, path: str) -> AsyncIterator[Any]:
    """Connect and send one byte of a body of two; give what is to be read and to be written."""
    host, port = web.base.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    kind = "application/json" if path.startswith("/v1") else "application/x-protobuf"
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nContent-Length: 2"
    writer.write(f"{head}\r\n\r\n1".encode())
    await _until(lambda: web.get_in_flight() == 1)
    yield reader, writer
    writer.close()


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.005)


class TestSlow:
    """A server that waits a fifth of a second for a body."""

    @pytest.fixture
    def access(self) -> Access:
        """Return the limit."""
        return Access(read_timeout_s=0.2)

    @pytest.mark.parametrize("path", PATHS)
    async def test_a_body_that_does_not_come_is_refused(self, web: Any, path: str) -> None:
        """408 with the option that allows more time, and the connection is free again."""
        async with half_sent(web, path) as (reader, _):
            async with asyncio.timeout(30):
                answer = (await reader.read()).decode()
        assert answer.startswith("HTTP/1.1 408 ")
        assert "server.read_timeout" in answer
        await _until(lambda: web.get_in_flight() == 0)
        async with web.get("/metrics") as counted:
            assert f'{{code="408",handler="{path}"}} 1.0' in await counted.text()


@pytest.mark.parametrize("path", PATHS)
async def test_a_client_that_goes_leaves_nothing_in_the_log(
    web: Any, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It is nobody's fault here, and happens each time that a client is stopped."""
    caplog.set_level(logging.WARNING)
    async with half_sent(web, path) as (_, writer):
        writer.close()
        await _until(lambda: web.get_in_flight() == 0)
    assert not caplog.records


@pytest.mark.parametrize("path", PATHS)
async def test_a_stop_answers_who_is_still_sending(
    web: Any, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    """503, to be sent again, and no traceback in the log."""
    caplog.set_level(logging.WARNING)
    async with half_sent(web, path) as (reader, _):
        for task in web.server.server_state.tasks:
            task.cancel()  # as the server does once its grace is over
        async with asyncio.timeout(30):
            answer = (await reader.read()).decode()
    assert answer.startswith("HTTP/1.1 503 ")
    assert not caplog.records


async def test_only_the_body_has_a_deadline() -> None:
    """A query whose body is there may take longer; nobody tells it that its client has gone."""
    told: list[str] = []
    sent: list[int] = []

    async def slow(_: Scope, receive: Receive, send: Send) -> None:
        assert (await receive())["body"] == b"1"
        told.append((await receive())["type"])
        await send({"type": "http.response.start", "status": 200, "headers": []})

    messages = iter([{"type": "http.request", "body": b"1"}, {"type": "http.disconnect"}])

    async def receive() -> Message:
        message = next(messages)
        if message["type"] == "http.disconnect":
            await asyncio.sleep(0.02)
        return message

    async def send(message: Message) -> None:
        sent.append(message["status"])

    scope = {"type": "http", "headers": [(b"content-length", b"1")]}
    await BodyDeadline(slow, 0.01)(scope, receive, send)
    assert (told, sent) == (["http.disconnect"], [200])
