"""Incidents: what goes on, who has it, what was done."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from veriscope.alert.alerting import Alerting
from veriscope.alert.incidents import (
    Incident,
    IncidentState,
    Member,
    TimelineEntry,
    UnknownIncidentError,
)
from veriscope.alert.incidents.figures import Figures, by_alertname, by_severity, figures_of
from veriscope.signals import Clock, InvalidInputError, LimitExceededError
from veriscope.web.answers import not_found, success
from veriscope.web.bodies import read_body
from veriscope.web.parameters import Parameters
from veriscope.web.prometheus import rfc3339
from veriscope.web.veriscope.own_pages import require_json

_PATH: Final = "/api/veriscope/v1/incidents"
_MAX_BODY_BYTES: Final = 256 << 10
_DEFAULT_LIMIT: Final = 100
_MAX_LIMIT: Final = 10_000
_FIGURES_MS: Final = 30 * 86_400_000


class Deed(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What somebody does about an incident."""

    by: str
    """Who."""
    to: str = ""
    """Whom it is given to; of `assign` alone."""
    text: str = ""
    """What is said."""


class IncidentsApi:
    """`/api/veriscope/v1/incidents`: list them, read one, act on it, and their figures."""

    def __init__(self, alerting: Alerting, clock: Clock) -> None:
        self._alerting = alerting
        self._incidents = alerting.incidents
        self._clock = clock

    def routes(self) -> Sequence[Route]:
        """Return the routes."""
        return [
            Route(_PATH, self.every, methods=["GET"]),
            Route(f"{_PATH}/figures", self.figures, methods=["GET"]),
            Route(f"{_PATH}/{{incident_id}}", self.one, methods=["GET"]),
            Route(f"{_PATH}/{{incident_id}}/{{action}}", self.act, methods=["POST"]),
        ]

    async def every(self, request: Request) -> Response:
        """Answer with incidents, the newest first, without their alerts and timelines."""
        given = await Parameters.of(request)
        limit = given.limit() or _DEFAULT_LIMIT
        if limit > _MAX_LIMIT:
            raise InvalidInputError(f'invalid parameter "limit": at most {_MAX_LIMIT:,}')
        found = self._incidents.all(
            states=[_state(text) for text in given.all("state")],
            fingerprint=given.text("fingerprint"),
            start_ms=given.time_ms("start", 0),
            end_ms=given.time_ms("end", self._clock.now_ms()),
        )
        return success([self._summary(incident) for incident in found[:limit]])

    async def one(self, request: Request) -> Response:
        """Answer with one of them, whole, or 404."""
        try:
            incident = self._incidents.get(request.path_params["incident_id"])
        except UnknownIncidentError:
            return not_found(request.url.path)
        return success(self._whole(incident))

    async def figures(self, request: Request) -> Response:
        """Answer with counts and times; of the last 30 days by default."""
        given = await Parameters.of(request)
        end_ms = given.time_ms("end", self._clock.now_ms())
        start_ms = given.time_ms("start", end_ms - _FIGURES_MS)
        found = self._incidents.all(start_ms=start_ms, end_ms=end_ms)
        return success(
            {
                **_figures(figures_of(found)),
                "bySeverity": _rows("severity", by_severity(found)),
                "byAlertname": _rows("alertname", by_alertname(found)),
            }
        )

    async def act(self, request: Request) -> Response:
        """Do something about one, and answer with it as it is then."""
        require_json(request)
        body = await read_body(request, _check_size)
        try:
            deed = msgspec.json.decode(body, type=Deed)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise InvalidInputError(f"the request was not understood: {error}") from error
        incident_id, action = request.path_params["incident_id"], request.path_params["action"]
        try:
            incident = await self._do(incident_id, action, deed)
        except UnknownIncidentError:
            return not_found(request.url.path)
        if incident is None:
            return not_found(request.url.path)
        await self._alerting.durable()
        return success(self._whole(incident))

    async def _do(self, incident_id: str, action: str, deed: Deed) -> Incident | None:
        incidents = self._incidents
        match action:
            case "acknowledge":
                return await self._alerting.acknowledge(incident_id, deed.by, deed.text)
            case "assign":
                return incidents.assign(incident_id, deed.by, deed.to, deed.text)
            case "comment":
                return incidents.comment(incident_id, deed.by, deed.text)
            case "resolve":
                return incidents.resolve(incident_id, deed.by, deed.text)
            case "reopen":
                return incidents.reopen(incident_id, deed.by, deed.text)
            case _:
                return None

    def _summary(self, incident: Incident) -> dict[str, Any]:
        return {
            "id": incident.id,
            "title": incident.title,
            "severity": incident.severity,
            "state": incident.state,
            "isFlapping": self._incidents.is_flapping(incident),
            "openedAt": rfc3339(incident.opened_ms),
            "acknowledgedAt": _moment(incident.acknowledged_ms),
            "acknowledgedBy": incident.acknowledged_by,
            "resolvedAt": _moment(incident.resolved_ms),
            "resolvedBy": incident.resolved_by,
            "assignee": incident.assignee,
            "alertCount": incident.alert_count,
            "firingCount": len(incident.firing),
            "timeToAcknowledgeS": incident.acknowledge_s,
            "timeToResolveS": incident.resolve_s,
            "labels": dict(incident.labels),
            "receivers": list(incident.receivers),
        }

    def _whole(self, incident: Incident) -> dict[str, Any]:
        kept = [
            each.id
            for fingerprint in incident.members
            for each in self._alerting.evidence.of(fingerprint)
        ]
        return {
            **self._summary(incident),
            "alerts": [self._alert(*pair) for pair in incident.members.items()],
            "timeline": [_entry(each) for each in incident.timeline],
            "timelineLeftOut": incident.left_out,
            "evidenceIds": list(dict.fromkeys(kept)),
        }

    def _alert(self, fingerprint: str, member: Member) -> dict[str, Any]:
        return {
            "fingerprint": fingerprint,
            "labels": dict(member.labels),
            "annotations": dict(member.annotations),
            "startsAt": rfc3339(member.starts_at_ms),
            "endsAt": _moment(member.ends_at_ms),
            "generatorURL": member.generator_url,
            "isFlapping": fingerprint in self._incidents.flapping,
        }


def _entry(entry: TimelineEntry) -> dict[str, Any]:
    return {
        "at": rfc3339(entry.at_ms),
        "kind": entry.kind,
        "by": entry.by,
        "text": entry.text,
    }


def _figures(figures: Figures) -> dict[str, Any]:
    return {
        "count": figures.count,
        "acknowledged": figures.acknowledged,
        "resolved": figures.resolved,
        "meanTimeToAcknowledgeS": figures.mean_time_to_acknowledge_s,
        "meanTimeToResolveS": figures.mean_time_to_resolve_s,
        "medianTimeToAcknowledgeS": figures.median_time_to_acknowledge_s,
        "medianTimeToResolveS": figures.median_time_to_resolve_s,
    }


def _rows(name: str, figures: Mapping[str, Figures]) -> list[dict[str, Any]]:
    return [{name: key, **_figures(of_key)} for key, of_key in figures.items()]


def _state(text: str) -> IncidentState:
    try:
        return IncidentState(text)
    except ValueError as error:
        known = ", ".join(IncidentState)
        raise InvalidInputError(
            f'invalid parameter "state": {text!r} is none of {known}'
        ) from error


def _moment(time_ms: int | None) -> str | None:
    return None if time_ms is None else rfc3339(time_ms)


def _check_size(size: int) -> None:
    if size > _MAX_BODY_BYTES:
        raise LimitExceededError(f"the body has more than {_MAX_BODY_BYTES:,} bytes; say less")
