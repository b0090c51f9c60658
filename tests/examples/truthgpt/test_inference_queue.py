import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from examples.truthgpt.inference import Failed, Finished, InferenceQueue, Text, Wanted
from examples.truthgpt.model.catalogue import NGRAM, TRANSFORMER, Catalogue
from veriscope.instrument.genai import GenAiMetrics
from veriscope.signals import OverloadedError

INPUT = {"gen_ai_token_type": "input"}
OUTPUT = {"gen_ai_token_type": "output"}
CALLS = "gen_ai_server_request_duration_seconds_count"


def wanted(model: str = TRANSFORMER, **changes: Any) -> Wanted:
    """Return a request for eight tokens, with *changes*."""
    fields = {
        "model": model,
        "prompt": "What is a trace? A trace is the story of one request. It is made of",
        "max_tokens": 8,
        "temperature": 0.0,
        "seed": 1,
        "stop": "",
        "stream": False,
    }
    return Wanted(**(fields | changes))


@pytest.fixture
def genai(registry: CollectorRegistry) -> GenAiMetrics:
    """Return metrics on the test's registry."""
    return GenAiMetrics("truthgpt", registry=registry)


@pytest.fixture
def inference(catalogue: Catalogue, genai: GenAiMetrics) -> Iterator[InferenceQueue]:
    """Return a queue with one worker and three places, closed after the test."""
    found = InferenceQueue(catalogue, genai, max_waiting=3)
    yield found
    found.close()


async def told(job: Any) -> tuple[str, Any]:
    """Return the text of *job* and its last event."""
    text = ""
    async for event in job.events():
        if isinstance(event, Text):
            text += event.text
    return text, event


@pytest.mark.parametrize("model", [NGRAM, TRANSFORMER])
async def test_answers_are_real_and_repeatable(inference: InferenceQueue, model: str) -> None:
    """The same question at temperature 0 gets the same tokens, as many as were asked for."""
    first, second = [await told(inference.submit([wanted(model)])[0]) for _ in range(2)]
    assert first[0] == second[0] != ""
    assert isinstance(first[1], Finished)
    assert (first[1].finish_reason, first[1].output_tokens) == ("length", 8)


async def test_a_stop_text_ends_the_answer(inference: InferenceQueue) -> None:
    """Generation ends with the stop text, and says that it stopped there."""
    text, _ = await told(inference.submit([wanted()])[0])
    stop = text[3]
    shorter, end = await told(inference.submit([wanted(stop=stop)])[0])
    assert end.finish_reason == "stop"
    assert shorter.endswith(stop) or stop in shorter
    assert text.startswith(shorter)


async def test_what_is_counted_is_what_happened(
    inference: InferenceQueue, value_of: Callable[..., float], catalogue: Catalogue
) -> None:
    """Tokens, calls, cache hits, waits and use agree with the answers."""
    ends = [(await told(inference.submit([wanted()])[0]))[1] for _ in range(3)]
    tokens = "gen_ai_client_token_usage_sum"
    assert value_of(tokens, **INPUT) == sum(end.input_tokens for end in ends)
    assert value_of(tokens, **OUTPUT) == 24
    assert value_of("gen_ai_cache_read_input_tokens_total") == sum(
        end.cached_tokens for end in ends
    )
    assert value_of("gen_ai_cache_requests_total", result="hit") == 2
    assert value_of("gen_ai_server_queue_wait_seconds_count") == 3
    assert catalogue.usage()[TRANSFORMER] == 3


async def test_a_full_queue_refuses_all_of_a_batch(
    inference: InferenceQueue, value_of: Callable[..., float]
) -> None:
    """What does not fit whole is refused whole, with the time after which to come back."""
    jobs = inference.submit([wanted(max_tokens=250)] * 3)
    with pytest.raises(OverloadedError) as refused:
        inference.submit([wanted()] * 4)  # more than there are places, whatever has begun
    assert refused.value.retry_after_s >= 1
    ends = [await told(job) for job in jobs]
    assert all(isinstance(end, Finished) for _, end in ends)
    assert value_of(CALLS, error_type="overloaded") == 4
    assert value_of("gen_ai_server_queue_rejections_total") == 4
    assert value_of("gen_ai_server_queue_depth") == 0
    assert inference.waiting == 0


async def test_nobody_listens_nobody_works(
    inference: InferenceQueue, value_of: Callable[..., float]
) -> None:
    """A stream that is closed early stops the model, and is counted as cancelled."""
    job = inference.submit([wanted(max_tokens=256)])[0]
    events = job.events()
    await anext(events)
    await events.aclose()
    await told(inference.submit([wanted()])[0])
    assert value_of(CALLS, error_type="cancelled") == 1
    used = value_of("gen_ai_client_token_usage_sum", **OUTPUT)
    assert used < 256


async def test_poisoned_weights_end_as_failures(
    inference: InferenceQueue, faults: Any, value_of: Callable[..., float]
) -> None:
    """Under `error-burst` a share of the requests fails inside the model; the rest is answered."""
    faults.switch("error-burst", on=True)
    ends = [(await told(inference.submit([wanted(max_tokens=1)])[0]))[1] for _ in range(40)]
    failed = sum(isinstance(end, Failed) for end in ends)
    assert 0 < failed < 40
    assert value_of(CALLS, error_type="DivergedError") == failed
    assert value_of(CALLS, error_type="") == 40 - failed


async def test_a_slow_model_computes_more(inference: InferenceQueue, faults: Any) -> None:
    """Under `slow-model` the same answer takes several times as long."""

    async def seconds() -> tuple[str, float]:
        begun = asyncio.get_running_loop().time()
        text, _ = await told(inference.submit([wanted(NGRAM, max_tokens=100)])[0])
        return text, asyncio.get_running_loop().time() - begun

    usual = min([await seconds() for _ in range(3)], key=lambda found: found[1])
    faults.switch("slow-model", on=True)
    slow = await seconds()
    assert slow[0] == usual[0]
    assert slow[1] > 2 * usual[1]
