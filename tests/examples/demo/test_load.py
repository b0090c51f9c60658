import asyncio
import random
import socket
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from examples.demo import Demo, DemoOptions
from examples.demo.children import ChildError
from examples.demo.load import Load, LoadOptions, Place
from examples.demo.tally import Tally, quantile
from examples.demo.visits import (
    Visitor,
    batch_of_answers,
    look_at_models,
    optimize,
    stream_answer,
    whole_answer,
)

_BUSY = 30
USAGE = {"input_tokens": 5, "output_tokens": 2, "cached_tokens": 1}


@pytest.fixture
async def place() -> Any:
    """Return a real HTTP server that answers as TruthGPT does, and counts for itself."""
    seen: Counter[tuple[str, str]] = Counter()
    state = SimpleNamespace(seen=seen, status=200, url="", busy=asyncio.Event())

    async def infer(request: web.Request) -> web.StreamResponse:
        body = await request.json()
        seen["POST", "/inference"] += 1
        if state.status != 200:
            return web.json_response({"error": "no", "answers": []}, status=state.status)
        if body.get("stream"):
            text = (
                'data: {"text": "a"}\n\ndata: {"finish_reason": "stop", "usage": '
                '{"input_tokens": 5, "output_tokens": 2, "cached_tokens": 1}}\n\ndata: [DONE]\n\n'
            )
            return web.Response(text=text, content_type="text/event-stream")
        if isinstance(body["prompt"], list):
            return web.json_response({"answers": [{"usage": USAGE} for _ in body["prompt"]]})
        return web.json_response({"text": "a", "usage": USAGE})

    async def models(_request: web.Request) -> web.Response:
        seen["GET", "/models"] += 1
        if seen.total() >= _BUSY:
            state.busy.set()
        return web.json_response({"models": []})

    async def accept(_request: web.Request) -> web.Response:
        seen["POST", "/optimize"] += 1
        return web.json_response({"id": "opt-1"}, status=202)

    async def job(_request: web.Request) -> web.Response:
        seen["GET", "/optimize/{job_id}"] += 1
        return web.json_response({"id": "opt-1", "status": "running"})

    app = web.Application()
    app.add_routes(
        [
            web.post("/inference", infer),
            web.get("/models", models),
            web.post("/optimize", accept),
            web.get("/optimize/{id}", job),
        ]
    )
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    state.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield state
    await runner.cleanup()


@pytest.fixture
async def visitor(place: Any) -> Any:
    """Return a user at the door."""
    async with aiohttp.ClientSession() as session:
        yield Visitor("ada", random.Random(1), session, Tally(), place.url)  # noqa: S311 - repeatable


@pytest.mark.parametrize(
    "action", [stream_answer, whole_answer, batch_of_answers, look_at_models, optimize]
)
async def test_users_count_what_the_server_counts(
    visitor: Visitor, place: Any, action: Any
) -> None:
    """Whatever a user does, both ends count the same requests."""
    for _ in range(5):
        await action(visitor)
    counted = {key[1:3]: count for key, count in visitor.tally.requests.items()}
    assert counted == dict(place.seen)
    assert not visitor.tally.broken


async def test_tokens_and_outcomes_are_counted(visitor: Visitor, place: Any) -> None:
    """Prompts are counted by their outcome, tokens as the answer says."""
    await stream_answer(visitor)
    await whole_answer(visitor)
    place.status = 429
    await whole_answer(visitor)
    place.status = 500
    await stream_answer(visitor)
    outcomes: Counter[str] = Counter()
    for (_, outcome), count in visitor.tally.calls.items():
        outcomes[outcome] += count
    assert outcomes == {"": 2, "overloaded": 1, "error": 1}
    tokens: Counter[str] = Counter()
    for (_, kind), count in visitor.tally.tokens.items():
        tokens[kind] += count
    assert tokens == {"input": 10, "output": 4, "cached": 2}
    assert visitor.tally.errors == 1
    assert len(visitor.tally.first_token_seconds) == 1


async def test_a_dead_service_is_a_broken_request(visitor: Visitor) -> None:
    """A connection that fails is counted apart from answers."""
    away = Visitor("bob", visitor.chance, visitor.session, visitor.tally, "http://127.0.0.1:9")
    with pytest.raises(aiohttp.ClientError):
        await look_at_models(away)
    ((service, method, route, error), count), *_ = visitor.tally.broken.items()
    assert (service, method, route, count) == ("truthgpt", "GET", "/models", 1)
    assert "Client" in error


async def test_users_come_and_go(place: Any) -> None:
    """A load brings its users, ends on request, and leaves no request half done."""
    options = LoadOptions(users=4, visit_s=0.5, think_s=0.02, day_s=1.0)
    load = Load([Place("truthgpt", place.url, 1.0, ((look_at_models, 1.0),))], options)
    running = asyncio.create_task(load.run())
    await place.busy.wait()
    load.stop(drain_s=5)
    await running
    assert load.users == 0
    assert load.tally.total == place.seen.total()
    assert load.tally.shown()["requests"] == [
        ["truthgpt", "GET", "/models", "200", place.seen.total()]
    ]


def test_the_rate_is_a_slow_wave() -> None:
    """Arrivals rise and fall around the rate that keeps the wanted number of users."""
    load = Load([], LoadOptions(users=10, visit_s=50, day_s=100, wave=0.5))
    rates = [load.rate(second) for second in range(100)]
    assert sum(rates) / 100 == pytest.approx(10 / 50)
    assert max(rates) == pytest.approx(0.3, rel=0.01)
    assert min(rates) == pytest.approx(0.1, rel=0.02)


def test_quantiles_of_nothing_are_no_number() -> None:
    """A summary before the first answer shows NaN, and later the value of its rank."""
    tally = Tally()
    assert quantile(tally.seconds, 0.5) != quantile(tally.seconds, 0.5)
    tally.seconds.extend([3.0, 1.0, 2.0])
    assert quantile(tally.seconds, 0.5) == 2.0


async def test_an_address_that_is_taken_is_said_at_once(tmp_path: Path) -> None:
    """A stranger at a service's address is not taken for the service."""
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        address = f"127.0.0.1:{stranger.getsockname()[1]}"
        options = DemoOptions(tmp_path, listen="127.0.0.1:0", truthgpt=address, genrf="127.0.0.1:0")
        with pytest.raises(ChildError, match=f"truthgpt cannot have {address}"):
            async with Demo(options):
                pass
