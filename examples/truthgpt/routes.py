"""The service's HTTP side: TruthGPT's routes, as the document's monitor asks for them."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final, TypeVar

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import ASGIApp

from examples import doors
from examples.doors import Handler, RefusedError, read_body
from examples.faults import Faults
from examples.truthgpt.inference import Failed, Finished, InferenceQueue, Job, Text, Wanted
from examples.truthgpt.model.catalogue import NGRAM, PRICES, TRANSFORMER, Catalogue
from examples.truthgpt.optimization import Optimizer
from examples.truthgpt.users import ActiveUsers
from veriscope.signals import OverloadedError

MAX_BODY_BYTES: Final = 64 << 10
MAX_PROMPTS: Final = 8
Prompt = Annotated[str, msgspec.Meta(min_length=1, max_length=4000)]
_Body = TypeVar("_Body")


class InferenceRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Body of `POST /inference`: one prompt, or a batch of them."""

    prompt: Prompt | Annotated[list[Prompt], msgspec.Meta(min_length=1, max_length=MAX_PROMPTS)]
    model: str = TRANSFORMER
    max_tokens: Annotated[int, msgspec.Meta(ge=1, le=256)] = 48
    temperature: Annotated[float, msgspec.Meta(ge=0, le=2)] = 0.8
    stop: str = "\n\n"
    seed: Annotated[int, msgspec.Meta(ge=0)] | None = None
    stream: bool = False


class OptimizationRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Body of `POST /optimize`."""

    model: str = NGRAM
    trials: Annotated[int, msgspec.Meta(ge=1, le=50)] = 8
    learning_rate: Annotated[float, msgspec.Meta(gt=0)] | None = None


@dataclass(frozen=True, slots=True)
class Parts:
    """What the routes are made of."""

    catalogue: Catalogue
    inference: InferenceQueue
    optimizer: Optimizer
    users: ActiveUsers
    faults: Faults
    health: ASGIApp
    """Answers `/health` and `/metrics`."""


def create_app(parts: Parts, lifespan: Callable[[Starlette], Any] | None = None) -> Starlette:
    """Return the application over *parts*."""
    routes = _Routes(parts)
    plain: list[tuple[str, Handler, str]] = [
        ("/models", routes.models, "GET"),
        ("/inference", routes.explain_inference, "GET"),
        ("/inference", routes.infer, "POST"),
        ("/optimize", routes.jobs, "GET"),
        ("/optimize", routes.optimize, "POST"),
        ("/optimize/{job_id}", routes.job, "GET"),
        ("/users/active", routes.active_users, "GET"),
        ("/optimizations/stats", routes.optimization_stats, "GET"),
        ("/models/usage", routes.usage, "GET"),
    ]
    refusals = {RefusedError: _refuse, OverloadedError: _overloaded}
    return doors.create_app(plain, parts.faults, parts.health, refusals, lifespan)


class _Routes:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def models(self, _request: Request) -> Response:
        usage, losses = self._parts.catalogue.usage(), self._parts.catalogue.losses
        shown = [
            {
                "id": name,
                "requests": usage[name],
                "validation_loss": losses[name],
                "input_usd_per_million": price.input_usd,
                "output_usd_per_million": price.output_usd,
            }
            for name, price in PRICES.items()
        ]
        return JSONResponse({"models": shown})

    async def explain_inference(self, _request: Request) -> Response:
        return JSONResponse(
            {
                "usage": 'POST {"prompt": "…", "model": "…", "max_tokens": 48, "stream": false}',
                "models": list(PRICES),
                "waiting": self._parts.inference.waiting,
            }
        )

    async def infer(self, request: Request) -> Response:
        self._parts.users.see(request)
        asked = await _body(request, InferenceRequest)
        if asked.model not in PRICES:
            raise RefusedError(404, f"no model {asked.model!r}; there are {list(PRICES)}")
        prompts = [asked.prompt] if isinstance(asked.prompt, str) else asked.prompt
        if asked.stream and len(prompts) > 1:
            raise RefusedError(400, "a stream answers one prompt, not a batch")
        jobs = self._parts.inference.submit([_wanted(asked, prompt) for prompt in prompts])
        if asked.stream:
            return await _stream(jobs[0])
        answers = await asyncio.gather(*(_whole(job) for job in jobs))
        failed = [answer for answer in answers if "error" in answer]
        body = answers[0] if isinstance(asked.prompt, str) else {"answers": answers}
        return JSONResponse(body, status_code=500 if failed else 200)

    async def jobs(self, _request: Request) -> Response:
        latest = [job.shown() for job in self._parts.optimizer.latest()]
        usage = 'POST {"model": "…", "trials": 8, "learning_rate": 0.001}'
        return JSONResponse({"usage": usage, "jobs": latest})

    async def optimize(self, request: Request) -> Response:
        self._parts.users.see(request)
        asked = await _body(request, OptimizationRequest)
        if asked.model not in PRICES:
            raise RefusedError(404, f"no model {asked.model!r}; there are {list(PRICES)}")
        job = self._parts.optimizer.submit(asked.model, asked.trials, asked.learning_rate)
        return JSONResponse(
            job.shown(), status_code=202, headers={"Location": f"/optimize/{job.id}"}
        )

    async def job(self, request: Request) -> Response:
        job = self._parts.optimizer.get(request.path_params["job_id"])
        if job is None:
            raise RefusedError(404, "no such job; the latest 200 are remembered")
        return JSONResponse(job.shown())

    async def active_users(self, _request: Request) -> Response:
        return JSONResponse({"count": self._parts.users.count()})

    async def optimization_stats(self, _request: Request) -> Response:
        return JSONResponse(self._parts.optimizer.stats())

    async def usage(self, _request: Request) -> Response:
        return JSONResponse(self._parts.catalogue.usage())


def _wanted(asked: InferenceRequest, prompt: str) -> Wanted:
    seed = secrets.randbits(32) if asked.seed is None else asked.seed
    return Wanted(
        asked.model, prompt, asked.max_tokens, asked.temperature, seed, asked.stop, asked.stream
    )


async def _body(request: Request, kind: type[_Body]) -> _Body:
    received = await read_body(request, MAX_BODY_BYTES)
    try:
        return msgspec.json.decode(received, type=kind)
    except msgspec.DecodeError as error:
        raise RefusedError(400, str(error)) from error


async def _whole(job: Job) -> dict[str, Any]:
    text = ""
    async with contextlib.aclosing(job.events()) as events:
        async for event in events:
            match event:
                case Text(text=piece):
                    text += piece
                case Finished():
                    return {"model": job.wanted.model, "text": text, **_ending(event)}
                case Failed(error=error):
                    return {"error": error}
    raise AssertionError("a job ends with Finished or Failed")


async def _stream(job: Job) -> Response:
    """Answer with server-sent events; a failure before the first token is still a 500."""
    events = job.events()
    first = await anext(events)
    if isinstance(first, Failed):
        await events.aclose()
        return JSONResponse({"error": first.error}, status_code=500)

    async def lines() -> AsyncIterator[bytes]:
        async with contextlib.aclosing(events):
            yield _sent(first)
            async for event in events:
                yield _sent(event)
        yield b"data: [DONE]\n\n"

    return StreamingResponse(lines(), media_type="text/event-stream")


def _sent(event: Text | Finished | Failed) -> bytes:
    match event:
        case Text(text=text):
            shown: dict[str, Any] = {"text": text}
        case Finished():
            shown = _ending(event)
        case Failed(error=error):
            shown = {"error": error}
    return b"data: " + msgspec.json.encode(shown) + b"\n\n"


def _ending(event: Finished) -> dict[str, Any]:
    return {
        "finish_reason": event.finish_reason,
        "usage": {
            "input_tokens": event.input_tokens,
            "output_tokens": event.output_tokens,
            "cached_tokens": event.cached_tokens,
        },
    }


async def _refuse(_request: Request, error: Exception) -> Response:
    status = error.status if isinstance(error, RefusedError) else 500
    return JSONResponse({"error": str(error)}, status_code=status)


async def _overloaded(_request: Request, error: Exception) -> Response:
    wait_s = error.retry_after_s if isinstance(error, OverloadedError) else 1
    return JSONResponse(
        {"error": str(error)}, status_code=429, headers={"Retry-After": str(wait_s)}
    )
