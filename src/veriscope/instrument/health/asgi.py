"""`/health` and `/metrics` as an ASGI application."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

from prometheus_client import REGISTRY, CollectorRegistry

from veriscope.instrument.health.answer import (
    HEALTH,
    HttpAnswer,
    failure_answer,
    health_answer,
    metrics_answer,
    refusal,
)
from veriscope.instrument.health.checks import HealthChecks
from veriscope.signals.log import get_log

_Message: TypeAlias = MutableMapping[str, Any]
_Receive: TypeAlias = Callable[[], Awaitable[_Message]]
_Send: TypeAlias = Callable[[_Message], Awaitable[None]]
_log = get_log(__name__)


class HealthApp:
    """
    Answers `/health` from *checks* and `/metrics` from *registry* (by default the process').

    Serve it by itself, or mount it in Starlette or FastAPI at any path.
    """

    def __init__(self, checks: HealthChecks, registry: CollectorRegistry | None = None) -> None:
        self._checks = checks
        self._registry = registry or REGISTRY

    async def __call__(self, scope: _Message, receive: _Receive, send: _Send) -> None:
        """Answer one ASGI connection."""
        match scope["type"]:
            case "http":
                answer = await self._answer(scope)
                await _send(answer.for_method(scope["method"]), send)
            case "lifespan":
                await _live(receive, send)
            case "websocket":
                await receive()
                await send({"type": "websocket.close", "code": 1000})

    async def _answer(self, scope: _Message) -> HttpAnswer:
        # A mounting framework leaves its prefix in the path and repeats it in `root_path`.
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        refused = refusal(scope["method"], path)
        if refused is not None:
            return refused
        accept = ",".join(
            value.decode("latin-1") for name, value in scope["headers"] if name == b"accept"
        )
        if path == HEALTH:
            try:
                return health_answer(await self._checks.report_async(), accept)
            except Exception as error:  # noqa: BLE001 - whatever it is, the service is not known to be well
                _log.exception("health checks could not be run")
                return failure_answer(error)
        # Collectors of the host may be slow; they have no part in its event loop.
        return await asyncio.to_thread(metrics_answer, self._registry, accept)


async def _send(answer: HttpAnswer, send: _Send) -> None:
    headers = [(n.lower().encode("latin-1"), v.encode("latin-1")) for n, v in answer.headers]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


async def _live(receive: _Receive, send: _Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
