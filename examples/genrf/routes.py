"""The service's HTTP side."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import structlog
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp

from examples import doors
from examples.doors import Handler, RefusedError, read_body
from examples.faults import Faults
from examples.genrf.circuits import FAMILIES
from examples.genrf.designs import Designs
from examples.genrf.jobs import JobQueue
from examples.genrf.requests import MAX_BODY_BYTES, parse_generate, parse_rate
from examples.genrf.technology import TECHNOLOGIES
from examples.genrf.usage import Usage
from veriscope.genrf import record_rating
from veriscope.signals import InvalidInputError, OverloadedError

_PAGE: Final = 50
_MOST: Final = 500
_security = structlog.get_logger("genrf.security")


@dataclass(frozen=True, slots=True)
class Parts:
    """What the routes are made of."""

    jobs: JobQueue
    designs: Designs
    usage: Usage
    faults: Faults
    health: ASGIApp
    """Answers `/health` and `/metrics`."""


def create_app(parts: Parts, lifespan: Callable[[Starlette], Any] | None = None) -> Starlette:
    """Return the application over *parts*."""
    routes = _Routes(parts)
    plain: list[tuple[str, Handler, str]] = [
        ("/catalogue", routes.catalogue, "GET"),
        ("/generate", routes.generate, "POST"),
        ("/jobs/{job_id}", routes.job, "GET"),
        ("/circuits", routes.circuits, "GET"),
        ("/circuits/{circuit_id}", routes.circuit, "GET"),
        ("/rate", routes.rate, "POST"),
        ("/users/active", routes.active_users, "GET"),
    ]
    refusals = dict.fromkeys((RefusedError, InvalidInputError, OverloadedError), routes.refuse)
    return doors.create_app(plain, parts.faults, parts.health, refusals, lifespan)


class _Routes:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def catalogue(self, _request: Request) -> Response:
        families = {
            family.name: {
                "frequency_hz": [family.frequency_low, family.frequency_high],
                "topologies": [topology.name for topology in family.topologies],
                "targets": {
                    figure.name: {
                        "sense": figure.sense,
                        "default": figure.target,
                        "range": [figure.low, figure.high],
                    }
                    for figure in family.figures
                },
            }
            for family in FAMILIES.values()
        }
        return JSONResponse({"circuit_types": families, "technologies": list(TECHNOLOGIES)})

    async def generate(self, request: Request) -> Response:
        spec = parse_generate(await read_body(request, MAX_BODY_BYTES))
        # In a thread of its context: the job's spans go on in the request's trace.
        job_id = await run_in_threadpool(self._parts.jobs.submit, spec)
        self._parts.usage.requested(spec)
        location = f"/jobs/{job_id}"
        return JSONResponse(
            {"job_id": job_id, "state": "queued", "url": location},
            status_code=202,
            headers={"Location": location},
        )

    async def job(self, request: Request) -> Response:
        found = await run_in_threadpool(self._parts.designs.job, request.path_params["job_id"])
        if found is None:
            raise RefusedError(404, "there is no such job")
        return JSONResponse(found)

    async def circuits(self, request: Request) -> Response:
        self._parts.usage.used("browse")
        text = request.query_params.get("limit", str(_PAGE))
        if not (text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= _MOST):
            raise RefusedError(400, f"limit must be 1 to {_MOST}")
        wanted = request.query_params.get("circuit_type")
        if wanted is not None and wanted not in FAMILIES:
            raise RefusedError(400, f"circuit_type must be one of {', '.join(FAMILIES)}")
        found = await run_in_threadpool(self._parts.designs.circuits, int(text), wanted)
        return JSONResponse({"circuits": found})

    async def circuit(self, request: Request) -> Response:
        file_format = request.query_params.get("format", "json")
        if file_format not in {"json", "spice"}:
            raise RefusedError(400, "format must be json or spice")
        circuit_id = request.path_params["circuit_id"]
        found = await run_in_threadpool(self._parts.designs.circuit, circuit_id)
        if found is None:
            raise RefusedError(404, "there is no such circuit")
        self._parts.usage.exported(file_format)
        if file_format == "json":
            return JSONResponse(found)
        name = f'attachment; filename="{circuit_id}.cir"'
        return PlainTextResponse(found["netlist"], headers={"Content-Disposition": name})

    async def rate(self, request: Request) -> Response:
        rating = parse_rate(await read_body(request, MAX_BODY_BYTES))
        is_known = await run_in_threadpool(
            self._parts.designs.rate, rating.circuit_id, rating.feature, rating.score, rating.user
        )
        if not is_known:
            raise RefusedError(404, "there is no such circuit")
        record_rating(rating.feature, rating.score)
        self._parts.usage.used("rate")
        return Response(status_code=204)

    async def active_users(self, _request: Request) -> Response:
        return JSONResponse(self._parts.usage.active())

    async def refuse(self, request: Request, error: Exception) -> Response:
        """Answer *error*; what looks like more than a slip goes to the security log."""
        headers = {}
        if isinstance(error, OverloadedError):
            status, reason = 429, "queue_full"
            headers["Retry-After"] = str(error.retry_after_s)
        elif isinstance(error, RefusedError):
            status, reason = error.status, "not_found" if error.status == 404 else "bad_request"  # noqa: PLR2004 - HTTP
        else:
            status, reason = 400, "bad_request"
        if status in {400, 413}:
            _security.warning(
                "request refused",
                path=request.url.path,
                client=request.client.host if request.client else "",
                reason=str(error),
            )
        self._parts.usage.refused("too_large" if status == 413 else reason)  # noqa: PLR2004 - HTTP
        return JSONResponse({"error": str(error)}, status_code=status, headers=headers)
