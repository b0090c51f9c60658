"""What a user of TruthGPT does: each function is one request, counted in the tally."""

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import aiohttp

from examples.demo.tally import Tally

SERVICE: Final = "truthgpt"
_OVERLOADED: Final = 429
_OK: Final = 200
_ACCEPTED: Final = 202
_MODELS: Final = (("truthgpt-nano", 0.7), ("truthgpt-ngram", 0.3))
_PREFACE: Final = (
    "You answer questions about services that are observed. Answer in a few short sentences. "
    "Say what to look at first.\n\n"
)
_QUESTIONS: Final = (
    "What is a trace?",
    "What is a metric?",
    "Why is the model slow?",
    "Why do requests fail?",
    "How many users are active?",
    "How should an alert be written?",
    "How should a queue be bounded?",
    "What does perplexity mean?",
    "Why is the service out of memory?",
    "How hot may a GPU become?",
)
_DIVERGING_SHARE: Final = 0.2
"""Share of optimisation jobs that ask for a learning rate that cannot work."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """One user: who it is, its own chance, and the way to a service."""

    name: str
    chance: random.Random
    session: aiohttp.ClientSession
    tally: Tally
    url: str
    service: str = SERVICE

    @asynccontextmanager
    async def ask(
        self, method: str, path: str, body: object = None, *, route: str = ""
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """
        Send a request; count it once its answer was read whole, under *route* or *path*.

        A connection that fails, or a user who is sent away, is counted as broken; the error is
        raised again.
        """
        headers = {"X-User": self.name}
        begun_s = time.perf_counter()
        try:
            async with self.session.request(
                method, self.url + path, json=body, headers=headers
            ) as answer:
                yield answer
                await answer.read()
        except (aiohttp.ClientError, TimeoutError, asyncio.CancelledError) as error:
            key = (self.service, method, route or path, type(error).__name__)
            self.tally.broken[key] += 1
            raise
        self.tally.answered(self.service, method, route or path, answer.status)
        self.tally.seconds.append(time.perf_counter() - begun_s)

    def pick(self, weighted: tuple[tuple[Any, float], ...]) -> Any:
        """Draw one of the first elements by the second ones."""
        choices, weights = zip(*weighted, strict=True)
        return self.chance.choices(choices, weights)[0]


async def stream_answer(visitor: Visitor) -> None:
    """Ask a question and read the answer as it is written."""
    body = _question(visitor) | {"stream": True}
    begun_s, usage, outcome = time.perf_counter(), None, ""
    async with visitor.ask("POST", "/inference", body) as answer:
        if answer.status != _OK:
            outcome = _outcome(answer.status)
        else:
            first = True
            async for line in answer.content:
                if not line.startswith(b"data: {"):
                    continue
                if first:
                    visitor.tally.first_token_seconds.append(time.perf_counter() - begun_s)
                    first = False
                event = json.loads(line[6:])
                usage = event.get("usage", usage)
                outcome = "error" if "error" in event else outcome
    visitor.tally.call(body["model"], outcome, usage)


async def whole_answer(visitor: Visitor) -> None:
    """Ask a question and wait for the whole answer."""
    body = _question(visitor)
    async with visitor.ask("POST", "/inference", body) as answer:
        found = await answer.json()
        status = answer.status
    if status == _OK:
        visitor.tally.call(body["model"], "", found["usage"])
    else:
        visitor.tally.call(body["model"], _outcome(status))


async def batch_of_answers(visitor: Visitor) -> None:
    """Ask a few questions at once."""
    size = visitor.chance.randint(2, 4)
    body = _question(visitor)
    body |= {"prompt": [_question(visitor)["prompt"] for _ in range(size)], "max_tokens": 16}
    async with visitor.ask("POST", "/inference", body) as answer:
        found = await answer.json()
        status = answer.status
    if status == _OVERLOADED:
        for _ in range(size):
            visitor.tally.call(body["model"], _outcome(status))
        return
    for one in found["answers"]:
        failed = "error" in one
        visitor.tally.call(body["model"], "error" if failed else "", one.get("usage"))


async def look_at_models(visitor: Visitor) -> None:
    """See which models there are."""
    async with visitor.ask("GET", "/models") as answer:
        await answer.json()


async def optimize(visitor: Visitor) -> None:
    """Start an optimisation job, and look at it once."""
    model = visitor.pick(_MODELS)
    body: dict[str, Any] = {"model": model, "trials": visitor.chance.randint(2, 5)}
    if model == "truthgpt-nano":
        diverges = visitor.chance.random() < _DIVERGING_SHARE
        body["learning_rate"] = 50.0 if diverges else 10 ** visitor.chance.uniform(-4, -3)
    async with visitor.ask("POST", "/optimize", body) as answer:
        job = await answer.json()
        status = answer.status
    if status != _ACCEPTED:
        return
    visitor.tally.jobs[(model,)] += 1
    async with visitor.ask("GET", f"/optimize/{job['id']}", route="/optimize/{job_id}") as answer:
        await answer.json()


def _question(visitor: Visitor) -> dict[str, Any]:
    question = visitor.chance.choice(_QUESTIONS)
    return {
        "model": visitor.pick(_MODELS),
        "prompt": f"{_PREFACE}{question} ",
        "max_tokens": visitor.chance.choice((16, 24, 32, 48)),
        "temperature": visitor.chance.choice((0.0, 0.7, 1.0)),
    }


def _outcome(status: int) -> str:
    return "overloaded" if status == _OVERLOADED else "error"


Action = Callable[[Visitor], Awaitable[None]]
ACTIONS: Final[tuple[tuple[Action, float], ...]] = (
    (stream_answer, 0.6),
    (whole_answer, 0.16),
    (batch_of_answers, 0.06),
    (look_at_models, 0.15),
    (optimize, 0.03),
)
