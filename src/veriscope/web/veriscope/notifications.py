"""How telling people goes: receivers, and what could not be delivered."""

from collections.abc import Sequence
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from veriscope.alert.alerting import Alerting
from veriscope.alert.dispatch.views import DeadLetter, IntegrationView
from veriscope.web.answers import not_found, success
from veriscope.web.prometheus import rfc3339
from veriscope.web.veriscope.own_pages import refuse_strangers

_PATH: Final = "/api/veriscope/v1"
_LETTER: Final = f"{_PATH}/dead-letters/{{letter_id}}"


class NotificationsApi:
    """`/api/veriscope/v1/notifications` and `/api/veriscope/v1/dead-letters`."""

    def __init__(self, alerting: Alerting) -> None:
        self._alerting = alerting

    def routes(self) -> Sequence[Route]:
        """Return the routes."""
        return [
            Route(f"{_PATH}/notifications", self.receivers, methods=["GET"]),
            Route(f"{_PATH}/dead-letters", self.dead_letters, methods=["GET"]),
            Route(_LETTER, self.dead_letter, methods=["GET"]),
            Route(_LETTER, self.delete, methods=["DELETE"]),
            Route(f"{_LETTER}/retry", self.retry, methods=["POST"]),
        ]

    async def receivers(self, _: Request) -> Response:
        """Answer with the receivers in the order of the file, and how each integration does."""
        return success(
            [
                {
                    "name": receiver.name,
                    "integrations": [_integration(each) for each in receiver.integrations],
                }
                for receiver in self._alerting.receivers()
            ]
        )

    async def dead_letters(self, _: Request) -> Response:
        """Answer with what could not be delivered, the newest first, without the alerts."""
        return success([_summary(letter) for letter in self._alerting.dead_letters()])

    async def dead_letter(self, request: Request) -> Response:
        """Answer with one of them and what was to be sent, or 404."""
        letter_id = request.path_params["letter_id"]
        for letter in self._alerting.dead_letters():
            if letter.id == letter_id:
                return success({**_summary(letter), "payload": letter.group.payload()})
        return not_found(request.url.path)

    async def retry(self, request: Request) -> Response:
        """Send it again, and answer whether it was taken; 404 where there is no such letter."""
        if refusal := refuse_strangers(request):
            return refusal
        try:
            taken = await self._alerting.retry_dead_letter(request.path_params["letter_id"])
        except KeyError:
            return not_found(request.url.path)
        return success({"delivered": taken})

    async def delete(self, request: Request) -> Response:
        """Forget it, or answer 404."""
        letter_id = request.path_params["letter_id"]
        if not self._alerting.delete_dead_letter(letter_id):
            return not_found(request.url.path)
        return success({"id": letter_id})


def _integration(view: IntegrationView) -> dict[str, Any]:
    return {
        "integration": view.integration,
        "index": view.index,
        "send_resolved": view.send_resolved,
        "sent": view.sent,
        "failed": view.failed,
        "waiting": view.waiting,
        "consecutive_failures": view.consecutive_failures,
        "last_try_at": _moment(view.last_try_ms),
        "last_try_seconds": view.last_try_s,
        "last_success_at": _moment(view.last_success_ms),
        "last_error": view.last_error,
        "last_error_at": _moment(view.last_error_ms),
    }


def _summary(letter: DeadLetter) -> dict[str, Any]:
    return {
        "id": letter.id,
        "receiver": letter.receiver,
        "integration": letter.integration,
        "index": letter.index,
        "group_key": letter.group.key,
        "group_labels": dict(letter.group.group_labels),
        "status": letter.group.status,
        "alerts": len(letter.group.alerts) + letter.group.truncated_alerts,
        "reason": letter.reason,
        "detail": letter.detail,
        "count": letter.count,
        "first_at": _moment(letter.first_ms),
        "last_at": _moment(letter.last_ms),
    }


def _moment(time_ms: int | None) -> str | None:
    return None if time_ms is None else rfc3339(time_ms)
