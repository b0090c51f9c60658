"""The inference queue: bounded, served by worker threads, heard through asyncio."""

import asyncio
import codecs
import contextvars
import math
import queue
import threading
import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import structlog
from opentelemetry import trace

from examples.truthgpt.model.catalogue import Catalogue
from examples.truthgpt.model.reading import sample
from examples.truthgpt.model.transformer import DivergedError
from veriscope.instrument.genai import GenAiMetrics, Inference, QueueTicket
from veriscope.signals import OverloadedError

_MAX_RETRY_AFTER_S: Final = 30
_SMOOTHING: Final = 0.1
_log = structlog.get_logger(__name__)
_tracer = trace.get_tracer("truthgpt")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a request asks of a model, for one prompt."""

    model: str
    prompt: str
    max_tokens: int
    temperature: float
    seed: int
    stop: str
    stream: bool


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of the answer; empty where a token ends inside a character."""

    text: str


@dataclass(frozen=True, slots=True)
class Finished:
    """The end of an answer."""

    finish_reason: str
    input_tokens: int
    output_tokens: int
    cached_tokens: int


@dataclass(frozen=True, slots=True)
class Failed:
    """The end of a request that could not be answered."""

    error: str


Event = Text | Finished | Failed


@dataclass(slots=True, eq=False)
class Job:
    """One prompt on its way through the queue."""

    wanted: Wanted
    tokens: list[int]
    call: Inference
    ticket: QueueTicket
    context: contextvars.Context
    loop: asyncio.AbstractEventLoop
    inbox: asyncio.Queue[Event] = field(default_factory=asyncio.Queue)
    given_up: threading.Event = field(default_factory=threading.Event)

    def tell(self, event: Event) -> None:
        """Hand *event* to the request, from a worker's thread."""
        try:
            self.loop.call_soon_threadsafe(self.inbox.put_nowait, event)
        except RuntimeError:  # the loop is closed: nobody listens any more
            self.given_up.set()

    async def events(self) -> AsyncGenerator[Event, None]:
        """Yield what the worker tells; the work stops when the caller stops listening."""
        try:
            while True:
                event = await self.inbox.get()
                yield event
                if not isinstance(event, Text):
                    return
        finally:
            self.given_up.set()


class InferenceQueue:
    """At most *max_waiting* prompts wait for *workers* threads; further ones are refused."""

    def __init__(
        self, catalogue: Catalogue, genai: GenAiMetrics, *, workers: int = 1, max_waiting: int = 32
    ) -> None:
        self._catalogue = catalogue
        self._genai = genai
        self._max_waiting = max_waiting
        self._workers = workers
        self._waiting = 0
        self._mean_s = 0.2
        self._lock = threading.Lock()
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._work, name=f"inference-{number}", daemon=True)
            for number in range(workers)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def waiting(self) -> int:
        """Prompts that wait for a worker."""
        return self._waiting

    def submit(self, wanted: Sequence[Wanted]) -> list[Job]:
        """
        Queue all of *wanted*, or none; must be called on the event loop.

        Raises `OverloadedError` where there is not room for all of them.
        """
        jobs = [self._job(one) for one in wanted]
        with self._lock:
            room = self._waiting + len(jobs) <= self._max_waiting
            if room:
                self._waiting += len(jobs)
        if not room:
            for job in jobs:
                job.ticket.reject()
                job.call.fail("overloaded")
            raise OverloadedError(
                f"{self._waiting} prompts wait already", retry_after_s=self._retry_after_s()
            )
        for job in jobs:
            self._jobs.put(job)
        return jobs

    def close(self) -> None:
        """Let the workers finish what they do, and end."""
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join()

    def _job(self, wanted: Wanted) -> Job:
        tokens = self._catalogue.models.tokenizer.encode(wanted.prompt)
        call = self._genai.inference(
            wanted.model,
            "text_completion",
            input_tokens=len(tokens),
            stream=wanted.stream,
            attributes={
                "gen_ai.request.max_tokens": wanted.max_tokens,
                "gen_ai.request.temperature": wanted.temperature,
            },
        )
        return Job(
            wanted,
            tokens,
            call,
            self._genai.queue(wanted.model),
            contextvars.copy_context(),
            asyncio.get_running_loop(),
        )

    def _retry_after_s(self) -> int:
        wait_s = self._waiting * self._mean_s / self._workers
        return min(max(math.ceil(wait_s), 1), _MAX_RETRY_AFTER_S)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            with self._lock:
                self._waiting -= 1
            job.ticket.leave()
            begun_s = time.perf_counter()
            job.context.run(self._serve, job)
            with self._lock:
                self._mean_s += _SMOOTHING * (time.perf_counter() - begun_s - self._mean_s)

    def _serve(self, job: Job) -> None:
        try:
            with job.call as call:
                end = self._generate(job, call)
        except DivergedError as error:
            _log.error("inference failed", model=job.wanted.model, error=str(error))
            end = Failed(str(error))
        except Exception:  # noqa: BLE001 - one request's fault must not end the worker
            _log.exception("inference failed", model=job.wanted.model)
            end = Failed("internal error")
        if isinstance(end, Finished):
            self._catalogue.count(job.wanted.model)
        job.tell(end)

    def _generate(self, job: Job, call: Inference) -> Event:
        wanted, tokenizer = job.wanted, self._catalogue.models.tokenizer
        reader, chance = self._catalogue.reader(wanted.model), np.random.default_rng(wanted.seed)
        decoder, said = codecs.getincrementaldecoder("utf-8")("replace"), ""
        with _tracer.start_as_current_span("read prompt"):
            logits = reader.begin(job.tokens)
        reason = "length"
        for count in range(1, wanted.max_tokens + 1):
            if job.given_up.is_set():
                call.fail("cancelled")
                return Failed("cancelled")
            token = sample(logits, wanted.temperature, chance)
            call.token()
            last = count == wanted.max_tokens
            text = decoder.decode(tokenizer.token_bytes(token), final=last)
            said += text
            job.tell(Text(text))
            if wanted.stop and wanted.stop in said:
                reason = "stop"
                break
            if not last:
                logits = reader.go_on(token)
        call.finish(reason, cached=reader.cached_tokens, response_model=wanted.model)
        return Finished(reason, len(job.tokens), count, reader.cached_tokens or 0)
