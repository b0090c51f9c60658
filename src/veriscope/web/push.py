"""The push doors: where other programs send their data."""

from collections.abc import Mapping
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from veriscope.ingest import MetricIngest, PartlyWrittenError, Written
from veriscope.signals import InvalidInputError, LimitExceededError, VeriscopeError
from veriscope.web.answers import plain
from veriscope.web.bodies import read_body

_PROTOBUF: Final = "application/x-protobuf"
_VERSIONS: Final[Mapping[str, int]] = {
    "prometheus.WriteRequest": 1,
    "io.prometheus.write.v2.Request": 2,
}
_RETRY_AFTER_S: Final = 5


class PushDoors:
    """Answers 204 once what was sent is durable; 4xx with the reason where it cannot be stored."""

    def __init__(self, metrics: MetricIngest) -> None:
        self._metrics = metrics

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [Route("/api/v1/write", self.remote_write, methods=["POST"])]

    async def remote_write(self, request: Request) -> Response:
        """Store a remote write request, of the version that its content type names."""
        content_type = request.headers.get("content-type") or _PROTOBUF
        version = _version(content_type)
        if version is None:
            return plain(
                415,
                f"content type {content_type!r} is not stored; send {_PROTOBUF}"
                f" with proto={' or proto='.join(_VERSIONS)}",
            )
        encoding = request.headers.get("content-encoding") or "snappy"
        if encoding.lower() != "snappy":
            return plain(415, f"content encoding {encoding!r} is not read; send snappy")
        written = Written()
        try:
            body = await read_body(request, self._metrics.options.check_body_size)
            written = await self._metrics.accept_remote_write(body, version)
        except VeriscopeError as error:
            answer = _failure(error)
            if isinstance(error, PartlyWrittenError):
                written = error.written
        else:
            answer = Response(status_code=204)
        if version > 1:
            _tell(answer, written)
        return answer


def _version(content_type: str) -> int | None:
    """Return the version of remote write that *content_type* names; 1 where it names none."""
    media_type, *parameters = (part.strip() for part in content_type.split(";"))
    if media_type.lower() != _PROTOBUF:
        return None
    for parameter in parameters:
        name, given, value = parameter.partition("=")
        if not given:
            return None
        if name.strip() == "proto":
            return _VERSIONS.get(value.strip().strip('"'))
    return 1


def _tell(answer: Response, written: Written) -> None:
    """Say how much was written, which senders of 2.0 hold against what they sent."""
    for kind, count in written._asdict().items():
        answer.headers[f"X-Prometheus-Remote-Write-{kind.capitalize()}-Written"] = str(count)


def _failure(error: VeriscopeError) -> Response:
    if isinstance(error, LimitExceededError):
        return plain(413, str(error))
    if isinstance(error, InvalidInputError):
        return plain(400, str(error))
    # Overload, a full disk, a lost ClickHouse server: none is the sender's fault, so he repeats it.
    return plain(503, str(error), retry_after_s=getattr(error, "retry_after_s", _RETRY_AFTER_S))
