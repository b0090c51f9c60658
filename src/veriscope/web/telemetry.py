"""Spans and log records as JSON: the basis that searches build on."""

import asyncio
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, Protocol, TypeVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from veriscope.query import QueryOptions
from veriscope.signals import Clock, FetchLimits, InvalidInputError
from veriscope.web.answers import not_found, success
from veriscope.web.parameters import Parameters, parse_duration

T = TypeVar("T")
_PREFIX: Final = "/api/veriscope/v1"
_TRACE_ID_BYTES: Final = 16
_DEFAULT_LOGS: Final = 100
_MAX_LOGS: Final = 10_000
_THREADS: Final = 2
_TIMES: Final = frozenset({"start_time_unix_nano", "time_unix_nano", "observed_time_unix_nano"})


class Spans(Protocol):
    """Reads spans. Calls block."""

    def trace(self, trace_id: bytes, limits: FetchLimits) -> list[dict[str, Any]]:
        """Return the spans of a trace, by start."""

    def counts(self, limits: FetchLimits) -> dict[str, int]:
        """Return how many spans there are of each service."""


class Logs(Protocol):
    """Reads log records. Calls block."""

    def latest(
        self, service: str, since_ms: int, limit: int, limits: FetchLimits
    ) -> list[dict[str, Any]]:
        """Return the last records of *service*, or of all where it is `""`, newest first."""

    def counts(self, limits: FetchLimits) -> dict[str, int]:
        """Return how many records there are of each service."""


class TelemetryApi:
    """`/api/veriscope/v1/{traces,logs,services}`."""

    def __init__(self, spans: Spans, logs: Logs, options: QueryOptions, clock: Clock) -> None:
        self._spans = spans
        self._logs = logs
        self._clock = clock
        self._limits = FetchLimits(timeout_ms=options.timeout)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="telemetry")

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route(f"{_PREFIX}/traces/{{trace_id}}", self.trace, methods=["GET"]),
            Route(f"{_PREFIX}/logs", self.logs, methods=["GET"]),
            Route(f"{_PREFIX}/services", self.services, methods=["GET"]),
        ]

    async def trace(self, request: Request) -> Response:
        """Answer with the spans of a trace, or 404."""
        trace_id = _to_trace_id(request.path_params["trace_id"])
        spans = await self._run(lambda: self._spans.trace(trace_id, self._limits))
        if not spans:
            return not_found(request.url.path)
        return success([_to_document(span) for span in spans])

    async def logs(self, request: Request) -> Response:
        """Answer with the last records of a service, newest first."""
        given = await Parameters.of(request)
        since_ms = self._clock.now_ms() - parse_duration("since", given.text("since", "1h"))
        limit = given.limit() or _DEFAULT_LOGS
        if limit > _MAX_LOGS:
            raise InvalidInputError(f'invalid parameter "limit": at most {_MAX_LOGS:,}')
        service = given.text("service")
        found = await self._run(lambda: self._logs.latest(service, since_ms, limit, self._limits))
        return success([_to_document(record) for record in found])

    async def services(self, _: Request) -> Response:
        """Answer with every service, and how many spans and records there are of it."""
        spans = await self._run(lambda: self._spans.counts(self._limits))
        logs = await self._run(lambda: self._logs.counts(self._limits))
        return success(
            [
                {"name": name, "spans": spans.get(name, 0), "logs": logs.get(name, 0)}
                for name in sorted(spans.keys() | logs.keys())
            ]
        )

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


def _to_trace_id(text: str) -> bytes:
    try:
        trace_id = bytes.fromhex(text)
    except ValueError:
        trace_id = b""
    if len(trace_id) != _TRACE_ID_BYTES:
        raise InvalidInputError(f"{text[:40]!r} is not a trace id; it has 32 hexadecimal digits")
    return trace_id


def _to_document(document: dict[str, Any]) -> dict[str, Any]:
    """Spell times as OTLP/JSON does: a browser cannot read nanoseconds as a number."""
    spelled = {name: _to_json(value) for name, value in document.items()}
    for part in (spelled, *spelled.get("events", ())):
        for name in _TIMES & part.keys():
            part[name] = str(part[name])
    return spelled


def _to_json(value: Any) -> Any:
    """Spell what JSON has no number for as OTLP/JSON does."""
    match value:
        case dict():
            return {key: _to_json(inner) for key, inner in value.items()}
        case list():
            return [_to_json(inner) for inner in value]
        case float() if not math.isfinite(value):
            return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
        case _:
            return value
