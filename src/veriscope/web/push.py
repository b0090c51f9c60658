"""The push doors: where other programs send their data."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from veriscope.ingest import MetricIngest
from veriscope.signals import InvalidInputError, LimitExceededError, VeriscopeError
from veriscope.web.answers import plain
from veriscope.web.bodies import read_body

_PROTOBUF: Final = "application/x-protobuf"
_RETRY_AFTER_S: Final = 5


class PushDoors:
    """Answers 204 once what was sent is durable; 4xx with the reason where it cannot be stored."""

    def __init__(self, metrics: MetricIngest) -> None:
        self._metrics = metrics

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [Route("/api/v1/write", self.remote_write, methods=["POST"])]

    async def remote_write(self, request: Request) -> Response:
        """Store a remote write 1.0 request."""
        content_type = request.headers.get("content-type", _PROTOBUF)
        media_type, _, rest = content_type.partition(";")
        if media_type.strip() != _PROTOBUF or "io.prometheus.write.v2" in rest:
            return plain(
                415,
                f"content type {content_type!r} is not stored;"
                " send remote write 1.0 (application/x-protobuf)",
            )
        if (encoding := request.headers.get("content-encoding", "snappy")) != "snappy":
            return plain(415, f"content encoding {encoding!r} is not read; send snappy")
        try:
            await self._metrics.accept_remote_write(
                await read_body(request, self._metrics.options.check_body_size)
            )
        except VeriscopeError as error:
            return _failure(error)
        return Response(status_code=204)


def _failure(error: VeriscopeError) -> Response:
    if isinstance(error, LimitExceededError):
        return plain(413, str(error))
    if isinstance(error, InvalidInputError):
        return plain(400, str(error))
    # Overload, a full disk, a lost ClickHouse server: none is the sender's fault, so he repeats it.
    return plain(503, str(error), retry_after_s=getattr(error, "retry_after_s", _RETRY_AFTER_S))
