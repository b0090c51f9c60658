"""Questions to the server, off the hot path."""

import time
from typing import Any, Final
from urllib.parse import urlencode

import msgspec

from veriscope.instrument.delivery.http import Answer, Channel, Endpoint, failure_of, unobserved
from veriscope.signals import InvalidInputError, UnavailableError

_MAX_ANSWER_BYTES: Final = 64 << 20


class _Result(msgspec.Struct):
    resultType: str  # noqa: N815 - Prometheus' name
    result: Any


class _QueryAnswer(msgspec.Struct):
    data: _Result


class _Refusal(msgspec.Struct):
    error: str = ""


class ServerClient:
    """
    Asks the server; blocks for up to the time-out, so not for hot paths.

    Each call has a connection of its own: nothing is shared between threads or by a fork.
    """

    def __init__(self, endpoint: Endpoint, timeout_s: float) -> None:
        self._endpoint = endpoint
        self._timeout_s = timeout_s

    def query(self, expr: str, time_s: float | None = None) -> list[tuple[dict[str, str], float]]:
        """
        Return each series of the instant query *expr* at *time_s* (Unix, now if None).

        A scalar is one series without labels. Raises `InvalidInputError` where the server
        refuses the expression or it gives no vector, `UnavailableError` where it gives no answer.
        """
        parameters = {"query": expr} | ({} if time_s is None else {"time": repr(time_s)})
        answer = self._ask("GET", f"/api/v1/query?{urlencode(parameters)}", None)
        data = self._decoded(answer, _QueryAnswer).data
        if data.resultType == "scalar":
            return [({}, float(data.result[1]))]
        if data.resultType != "vector":
            raise InvalidInputError(
                f"{expr!r} gives a {data.resultType}; write an expression that gives one value "
                "for each series"
            )
        return [(each["metric"], float(each["value"][1])) for each in data.result]

    def send_json(self, method: str, path: str, body: object) -> Any:
        """
        Send *body* as JSON to *path* and return the decoded answer, None where it is empty.

        Raises `InvalidInputError` where it is refused, `UnavailableError` without an answer.
        """
        answer = self._ask(method, path, msgspec.json.encode(body))
        return self._decoded(answer, Any) if answer.body else None

    def _ask(self, method: str, path: str, body: bytes | None) -> Answer:
        headers = {"Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        channel = Channel(self._endpoint)
        try:
            with unobserved():
                answer = channel.exchange(
                    method,
                    path,
                    body,
                    headers,
                    timeout_s=self._timeout_s,
                    max_bytes=_MAX_ANSWER_BYTES,
                )
        finally:
            channel.close()
        failure = failure_of(answer, time.time())
        if failure is None:
            return answer
        refusal = InvalidInputError if failure.is_settled else UnavailableError
        raise refusal(
            f"{self._endpoint.url}{path.partition('?')[0]}: {_reason(answer) or failure.text}"
        )

    def _decoded(self, answer: Answer, kind: Any) -> Any:
        try:
            return msgspec.json.decode(answer.body, type=kind)
        except msgspec.DecodeError as error:
            raise UnavailableError(
                f"{self._endpoint.url} answers what is not Veriscope's JSON: {error}"
            ) from error


def _reason(answer: Answer) -> str:
    """Return what Veriscope's JSON says, if that is what the body is."""
    try:
        return msgspec.json.decode(answer.body, type=_Refusal).error
    except msgspec.DecodeError:
        return ""
