"""The answers to `/health` and `/metrics`, whatever kind of server asks."""

from dataclasses import dataclass
from typing import Final

import msgspec
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from veriscope.instrument.health.result import Report

HEALTH: Final = "/health"
METRICS: Final = "/metrics"
_HEALTH_JSON: Final = "application/health+json"
_METHODS: Final = "GET, HEAD"


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """A whole response."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def for_method(self, method: str) -> "HttpAnswer":
        """Return the answer without its body where *method* is HEAD."""
        return self if method != "HEAD" else HttpAnswer(self.status, self.headers, b"")


def refusal(method: str, path: str) -> HttpAnswer | None:
    """Return the answer to what is neither of both paths, or not read; else None."""
    if path not in (HEALTH, METRICS):
        return _json(404, {"error": f"there are {HEALTH} and {METRICS} here"})
    if method not in ("GET", "HEAD"):
        allow = (("Allow", _METHODS),)
        return _json(405, {"error": f"{method} is not allowed; use {_METHODS}"}, headers=allow)
    return None


def health_answer(report: Report, accept: str) -> HttpAnswer:
    """Return the document's JSON, or health+json where *accept* names it; 200 or 503."""
    status = 200 if report.healthy else 503
    if _HEALTH_JSON in accept.lower():
        return _json(status, report.as_health_json(), _HEALTH_JSON)
    return _json(status, report.as_document())


def failure_answer(error: Exception) -> HttpAnswer:
    """Return the answer where the checks could not be run at all."""
    return _json(503, {"status": "unhealthy", "checks": {}, "error": type(error).__name__})


def metrics_answer(registry: CollectorRegistry, accept: str) -> HttpAnswer:
    """Return what *registry* holds, in the format that *accept* asks for."""
    encode, content_type = choose_encoder(accept)
    return _answer(200, encode(registry), content_type)


def _json(
    status: int,
    document: object,
    content_type: str = "application/json",
    headers: tuple[tuple[str, str], ...] = (),
) -> HttpAnswer:
    return _answer(status, msgspec.json.encode(document), content_type, headers)


def _answer(
    status: int, body: bytes, content_type: str, headers: tuple[tuple[str, str], ...] = ()
) -> HttpAnswer:
    own = (
        ("Content-Type", content_type),
        ("Content-Length", str(len(body))),
        ("Cache-Control", "no-store"),
        ("Vary", "Accept"),
    )
    return HttpAnswer(status, (*own, *headers), body)
