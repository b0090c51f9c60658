import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def service(
    trained: SimpleNamespace,
    truthgpt_text: str,
    truthgpt_data: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:
    """Run the service as a process of its own on the trained weights; return its address."""
    assert trained.models
    log = tmp_path_factory.mktemp("service") / "log"
    text = log.with_name("corpus.txt")
    text.write_text(truthgpt_text, encoding="utf-8")
    with log.open("w") as errors:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "examples.truthgpt", "--listen", "127.0.0.1:0"),
                *("--data", str(truthgpt_data), "--corpus", str(text), "--queue", "4"),
            ],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            cwd=ROOT,
            env={name: value for name, value in os.environ.items() if name != "VERISCOPE_URL"},
        )
        with process:
            assert process.stdout is not None
            announced = process.stdout.readline()
            assert "http" in announced, log.read_text()
            yield announced.split()[-1]
            process.send_signal(signal.SIGTERM)
            code = process.wait(60)
    assert code == 0, log.read_text()
    assert "Traceback" not in log.read_text()


@pytest.fixture
async def client(service: str) -> AsyncIterator[Any]:
    """Return a client of the service."""
    async with aiohttp.ClientSession(service, headers={"X-User": "ada"}) as session:
        yield session


async def post(client: Any, path: str, body: Any) -> tuple[int, Any]:
    """Return status and JSON of a POST."""
    async with client.post(path, json=body) as answer:
        return answer.status, await answer.json()


async def get(client: Any, path: str) -> tuple[int, Any]:
    """Return status and JSON of a GET."""
    async with client.get(path) as answer:
        return answer.status, await answer.json(content_type=None)


async def value(client: Any, name: str, **labels: str) -> float:
    """Return the sum of the samples of `/metrics` called *name* that have *labels*."""
    async with client.get("/metrics") as answer:
        text = await answer.text()
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


@pytest.mark.parametrize(
    "path",
    [
        *("/models", "/optimize", "/inference", "/metrics", "/health", "/users/active"),
        *("/optimizations/stats", "/models/usage"),
    ],
)
async def test_the_documents_monitor_finds_every_endpoint(client: Any, path: str) -> None:
    """Each path that the document's monitor asks with GET is answered 200."""
    async with client.get(path) as answer:
        assert answer.status == 200
        assert await answer.read()


async def test_business_figures_have_the_documents_shape(client: Any) -> None:
    """Active users, jobs and usage are counted, and shown under the document's keys."""
    before = (await get(client, "/models/usage"))[1]
    # Without a text to stop at: the words are drawn by chance, and a blank line ends them early.
    body = {"prompt": "What is a log?", "max_tokens": 4, "stop": ""}
    status, answer = await post(client, "/inference", body)
    assert status == 200
    assert answer["usage"]["output_tokens"] == 4
    after = (await get(client, "/models/usage"))[1]
    assert after["truthgpt-nano"] == before["truthgpt-nano"] + 1
    assert (await get(client, "/users/active"))[1]["count"] >= 1
    assert set((await get(client, "/optimizations/stats"))[1]) == {"total", "completed", "failed"}


async def test_tokens_are_streamed_one_by_one(client: Any) -> None:
    """A stream has an event for each token, then its end with the usage, then `[DONE]`."""
    body = {"prompt": "A metric is", "max_tokens": 12, "stream": True, "stop": ""}
    async with client.post("/inference", json=body) as answer:
        assert answer.status == 200
        assert answer.content_type == "text/event-stream"
        lines = (await answer.text()).split("\n\n")
    assert lines[-2:] == ["data: [DONE]", ""]
    events = [json.loads(line.removeprefix("data: ")) for line in lines[:-2]]
    assert len(events) == 13
    assert all(set(event) == {"text"} for event in events[:-1])
    assert events[-1]["finish_reason"] == "length"
    assert events[-1]["usage"]["output_tokens"] == 12


async def test_a_batch_is_answered_in_order(client: Any) -> None:
    """Each prompt of a batch has its own answer."""
    prompts = ["one", "a prompt of many more words than that", "one"]
    body = {"prompt": prompts, "max_tokens": 3, "model": "truthgpt-ngram"}
    status, answer = await post(client, "/inference", body)
    assert status == 200
    first, second, third = (one["usage"] for one in answer["answers"])
    assert first["input_tokens"] == third["input_tokens"] < second["input_tokens"]
    # A model may end its answer early.
    assert all(1 <= usage["output_tokens"] <= 3 for usage in (first, second, third))


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/inference", {"prompt": ""}, 400),
        ("/inference", {"prompt": "x", "max_tokens": 0}, 400),
        ("/inference", {"prompt": "x", "colour": "red"}, 400),
        ("/inference", {"prompt": ["x", "y"], "stream": True}, 400),
        ("/inference", {"prompt": "x", "model": "gpt-9"}, 404),
        ("/inference", {"prompt": "x" * 70_000}, 413),
        ("/optimize", {"model": "gpt-9"}, 404),
        ("/optimize", {"trials": 1000}, 400),
        ("/faults", {"name": "spice-crash", "on": True}, 404),
        ("/faults", {"name": "gpu-hot"}, 400),
        ("/faults", ["gpu-hot"], 400),
    ],
)
async def test_wrong_requests_are_refused(client: Any, path: str, body: Any, status: int) -> None:
    """What cannot be answered is refused with a reason, and never a 500."""
    found, answer = await post(client, path, body)
    assert (found, bool(answer["error"])) == (status, True)


async def test_a_full_queue_says_when_to_return(client: Any) -> None:
    """Past the bound a request gets 429 with `Retry-After`; the others get their answers."""
    body = {"prompt": "Why?", "max_tokens": 256, "stop": "", "temperature": 1.5}
    answers = await asyncio.gather(*(post_headers(client, body) for _ in range(40)))
    statuses = {status for status, _ in answers}
    assert statuses == {200, 429}
    assert all(int(retry or 0) >= 1 for status, retry in answers if status == 429)


async def post_headers(client: Any, body: Any) -> tuple[int, str | None]:
    """Return status and Retry-After of an inference."""
    async with client.post("/inference", json=body) as answer:
        await answer.read()
        return answer.status, answer.headers.get("Retry-After")


async def test_an_optimisation_job_can_be_followed(client: Any) -> None:
    """A job is accepted with its place, and ends completed; the statistics follow."""
    status, job = await post(client, "/optimize", {"model": "truthgpt-ngram", "trials": 2})
    assert status == 202
    deadline_s = time.monotonic() + 60
    while job["status"] not in {"completed", "failed"} and time.monotonic() < deadline_s:
        await asyncio.sleep(0.05)
        job = (await get(client, f"/optimize/{job['id']}"))[1]
    assert job["status"] == "completed"
    assert (await get(client, "/optimizations/stats"))[1]["completed"] >= 1
    assert (await get(client, "/optimize/opt-999"))[0] == 404


async def test_metrics_are_those_of_the_requests(client: Any) -> None:
    """Requests are counted by the route's template, and tokens by model and type."""
    route = {"route": "/inference", "method": "POST", "status": "200"}
    name = "http_server_request_duration_seconds_count"
    before = await value(client, name, **route)
    for _ in range(3):
        await post(client, "/inference", {"prompt": "A span", "max_tokens": 2})
    assert await value(client, name, **route) == before + 3
    assert await value(client, "gen_ai_server_time_to_first_token_seconds_count") >= 3
    assert await value(client, "gen_ai_cost_usd_total") > 0


async def test_errors_burst_on_request_only(client: Any) -> None:
    """`error-burst` makes some requests fail with 500, streamed or not, until it is off."""
    assert (await post(client, "/faults", {"name": "error-burst", "on": True}))[1]["error-burst"]
    statuses = [
        (await post_headers(client, {"prompt": "x", "max_tokens": 1, "stream": i % 2 == 0}))[0]
        for i in range(30)
    ]
    assert set(statuses) == {200, 500}
    await post(client, "/faults", {"name": "error-burst", "on": False})
    assert (await post_headers(client, {"prompt": "x", "max_tokens": 1}))[0] == 200


async def test_the_gpu_gets_hot_and_cools_down(client: Any) -> None:
    """`gpu-hot` raises readings that say of themselves that they are simulated."""
    labels = {"simulated": "true"}
    assert await value(client, "gpu_temperature_celsius", **labels) < 80
    await post(client, "/faults", {"name": "gpu-hot", "on": True})
    assert await value(client, "gpu_temperature_celsius", **labels) > 90
    assert await value(client, "example_fault_active", fault="gpu-hot") == 1
    await post(client, "/faults", {"name": "gpu-hot", "on": False})
    assert await value(client, "gpu_temperature_celsius", **labels) < 80
