"""What the server says of itself: its metrics, and whether it is alive and ready."""

import asyncio
from collections.abc import Callable

import msgspec
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from veriscope.signals import Clock, VeriscopeError
from veriscope.web.compression import choose_encoding, compress


class StatusPages:
    """
    `/metrics`, `/health`, `/-/healthy` and `/-/ready`.

    *check* is called in a thread and raises a `VeriscopeError` where the store does not answer.
    """

    def __init__(
        self, registry: CollectorRegistry, check: Callable[[], None], version: str, clock: Clock
    ) -> None:
        self._registry = registry
        self._check = check
        self._version = version
        self._clock = clock
        self.ready = False

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/metrics", self.metrics),
            Route("/health", self.health),
            Route("/-/healthy", self.healthy),
            Route("/-/ready", self.readiness),
        ]

    async def metrics(self, request: Request) -> Response:
        """Answer with every metric of this process, in the format that the client prefers."""
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        encoding = choose_encoding(request.headers.get("accept-encoding", ""))
        headers = {"Content-Type": content_type, "Vary": "Accept, Accept-Encoding"}
        if encoding is not None:
            headers["Content-Encoding"] = encoding

        def write() -> bytes:
            body = encode(self._registry)
            return body if encoding is None else compress(body, encoding)

        return Response(await asyncio.to_thread(write), headers=headers)

    async def health(self, _: Request) -> Response:
        """Answer 200 where every check passes and 503 otherwise, with the checks as JSON."""
        started = self._clock.monotonic_s()
        try:
            await asyncio.to_thread(self._check)
            store = "healthy"
        except VeriscopeError as error:
            store = f"unhealthy: {error}"
        healthy = self.ready and store == "healthy"
        body = {
            "timestamp": self._clock.now_ms() / 1000,
            "status": "healthy" if healthy else "unhealthy",
            "version": self._version,
            "checks": {
                "store": store,
                "server": "healthy" if self.ready else "unhealthy: starting or stopping",
            },
            "duration_seconds": self._clock.monotonic_s() - started,
        }
        return Response(
            msgspec.json.encode(body), 200 if healthy else 503, None, "application/json"
        )

    async def healthy(self, _: Request) -> Response:
        """Answer 200: the process is alive."""
        return PlainTextResponse("Veriscope is Healthy.\n")

    async def readiness(self, _: Request) -> Response:
        """Answer 200 once requests are served, 503 before that and while stopping."""
        if self.ready:
            return PlainTextResponse("Veriscope is Ready.\n")
        return PlainTextResponse("Veriscope is not ready.\n", 503)
