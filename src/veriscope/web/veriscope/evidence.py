"""What was seen around the moment at which alerts began to fire."""

import math
from collections.abc import Sequence
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from veriscope.alert.dispatch.evidence_archive import EvidenceArchive, KeptEvidence
from veriscope.query.promql.floats import format_float
from veriscope.signals.evidence import Evidence
from veriscope.web.answers import not_found, success
from veriscope.web.parameters import Parameters
from veriscope.web.prometheus import rfc3339
from veriscope.web.veriscope.events import shown

_PATH: Final = "/api/veriscope/v1/evidence"
_MOST: Final = 10
# A graph never changes under its id. Only who was given the address has it, so no cache that
# others share keeps it.
_FOR_EVER: Final = {
    "Cache-Control": "private, max-age=2592000, immutable",
    "X-Content-Type-Options": "nosniff",
}


class EvidenceApi:
    """`/api/veriscope/v1/evidence`: by alert, by id, and its graph as an image."""

    def __init__(self, archive: EvidenceArchive) -> None:
        self._archive = archive

    def routes(self) -> Sequence[Route]:
        """Return the routes."""
        return [
            Route(_PATH, self.every, methods=["GET"]),
            Route(f"{_PATH}/{{evidence_id}}", self.one, methods=["GET"]),
            Route(f"{_PATH}/{{evidence_id}}/graph.png", self.graph, methods=["GET"]),
        ]

    async def every(self, request: Request) -> Response:
        """Answer with what was gathered for an alert, the newest first, at most ten times."""
        given = await Parameters.of(request)
        found = self._archive.of(given.required("fingerprint"))
        return success([_shown(kept) for kept in found[:_MOST]])

    async def one(self, request: Request) -> Response:
        """Answer with one of them, or 404."""
        kept = self._archive.get(request.path_params["evidence_id"])
        return not_found(request.url.path) if kept is None else success(_shown(kept))

    async def graph(self, request: Request) -> Response:
        """
        Answer with the picture, or 404; no token is asked for (`TokenGate`).

        Chat services fetch it, which have none: the id, which nobody can guess, stands for it.
        """
        png = await self._archive.graph(request.path_params["evidence_id"])
        if png is None:
            return not_found(request.url.path)
        return Response(png, headers=_FOR_EVER, media_type="image/png")


def _shown(kept: KeptEvidence) -> dict[str, Any]:
    evidence = kept.evidence
    return {
        "id": kept.id,
        "gatheredAt": rfc3339(evidence.gathered_ms),
        "startsAt": rfc3339(kept.starts_at_ms),
        "groupLabels": dict(kept.group_labels),
        "fingerprints": kept.fingerprints,
        "viewUrl": evidence.view_url,
        "graphUrl": evidence.graph_url,
        "runbookUrl": evidence.runbook_url,
        "values": [
            {
                "labels": dict(each.labels),
                "now": _number(each.now),
                "onset": _number(each.onset),
                "hourBefore": _number(each.hour_before),
                "dayBefore": _number(each.day_before),
                "weekBefore": _number(each.week_before),
            }
            for each in evidence.values
        ],
        "changed": [
            {
                "labels": dict(each.labels),
                "score": _number(each.score),
                "before": _number(each.before),
                "after": _number(each.after),
                "isRate": each.is_rate,
            }
            for each in evidence.changed
        ],
        **_telemetry(evidence),
        "events": [shown(event) for event in evidence.events],
        "host": [
            {"instance": each.instance, "name": each.name, "text": each.text}
            for each in evidence.host
        ],
        "hints": evidence.hints,
        "missing": evidence.missing,
    }


def _telemetry(evidence: Evidence) -> dict[str, Any]:
    return {
        "traces": [
            {
                "traceId": each.trace_id,
                "service": each.service,
                "name": each.name,
                "startMs": each.start_ms,
                "durationMs": each.duration_ms,
                "isError": each.is_error,
            }
            for each in evidence.traces
        ],
        "logPatterns": [
            {
                "pattern": each.pattern,
                "service": each.service,
                "count": each.count,
                "perMinuteBefore": each.per_minute_before,
                "perMinuteSince": each.per_minute_since,
                "example": each.example,
            }
            for each in evidence.log_patterns
        ],
    }


def _number(value: float | None) -> float | str | None:
    """Return *value*; as Prometheus spells it where JSON has no number for it."""
    return value if value is None or math.isfinite(value) else format_float(value)
