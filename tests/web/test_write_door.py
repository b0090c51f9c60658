"""Remote write over HTTP: every kind of bad request has its answer, and harms nothing else."""

from typing import Any

import numpy as np
import pytest

from veriscope.signals import SampleBatch, to_labels
from veriscope.store import EngineError, Store
from veriscope.wire import remote_write

T0 = 1_700_000_000_000
HEADERS = {"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy"}


def message(*label_sets: Any) -> bytes:
    """Return one sample of each of *label_sets*."""
    labels = label_sets or (to_labels({"__name__": "written", "job": "test"}),)
    return remote_write.encode(SampleBatch.at(labels, np.ones(len(labels)), T0))


async def _post(web: Any, body: bytes, **headers: str) -> tuple[int, str]:
    async with web.post("/api/v1/write", data=body, headers={**HEADERS, **headers}) as answer:
        return answer.status, await answer.text()


async def _count(web: Any) -> float:
    query = {"query": 'count({__name__=~".+"})', "time": str(T0 / 1000)}
    async with web.get("/api/v1/query", params=query) as answer:
        result = (await answer.json())["data"]["result"]
    return float(result[0]["value"][1]) if result else 0


async def test_a_good_body_is_stored_when_it_is_answered(web: Any) -> None:
    """204 means that a query finds it."""
    assert (await _post(web, remote_write.compress(message())))[0] == 204
    assert await _count(web) == 1


async def test_an_empty_request_is_fine(web: Any) -> None:
    """A client with nothing to say is not at fault."""
    assert (await _post(web, remote_write.compress(b"")))[0] == 204


_TWICE = (("__name__", "m"), ("a", "1"), ("a", "2"))


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (remote_write.compress(message())[:-5], 400, "truncated or corrupt"),
        (b"", 400, "snappy"),
        (b"\xff" * 20, 400, "not snappy-compressed"),
        (message(), 400, "snappy"),
        (remote_write.compress(b"no protobuf at all"), 400, "not a well-formed protobuf"),
        (remote_write.compress(b"\x3a\x03abc"), 400, "not a WriteRequest"),
        (remote_write.compress(message((("", "x"), ("__name__", "m")))), 400, "name is empty"),
        (remote_write.compress(message((("a", "x"),))), 400, "no __name__"),
        (remote_write.compress(message(_TWICE)), 400, "same label name twice"),
        (
            remote_write.compress(
                message((("__name__", "m"), ("bad", "x"))).replace(b"bad", b"\xffad")
            ),
            400,
            "not valid UTF-8",
        ),
        (remote_write.compress(bytes(200_001)), 413, "200,001 bytes, 200,000 allowed"),
        (bytes(100_001), 413, "100,000 allowed"),
    ],
)
async def test_a_bad_body_is_refused_with_its_reason(
    web: Any, body: bytes, status: int, reason: str
) -> None:
    """Each fault has a 4xx and words; a good body before and after is stored."""
    assert (await _post(web, remote_write.compress(message())))[0] == 204
    found_status, text = await _post(web, body)
    assert (found_status, reason in text) == (status, True), text
    after = message(to_labels({"__name__": "after"}))
    assert (await _post(web, remote_write.compress(after)))[0] == 204
    assert await _count(web) == 2


async def test_a_body_over_the_limit_without_a_length_is_cut_off(web: Any) -> None:
    """A client that announces no length cannot send without end."""

    async def endless() -> Any:
        for _ in range(20):
            yield bytes(10_000)

    async with web.post("/api/v1/write", data=endless(), headers=HEADERS) as answer:
        assert answer.status == 413
    assert await _count(web) == 0


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "application/json"},
        {"Content-Type": "application/x-protobuf;proto=io.prometheus.write.v2.Request"},
        {"Content-Encoding": "gzip"},
    ],
)
async def test_another_format_is_refused_as_such(web: Any, headers: dict[str, str]) -> None:
    """415 makes a client fall back to remote write 1.0."""
    status, text = await _post(web, remote_write.compress(message()), **headers)
    assert status == 415
    assert "send" in text


async def test_a_store_that_fails_asks_for_the_body_again(
    web: Any, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failure of the engine is no fault of the sender's: it shall keep the body and repeat it."""

    def fail(*_: object) -> None:
        raise EngineError("the storage engine failed: no space left")

    monkeypatch.setattr(store._engine, "insert_protobuf", fail)
    body = remote_write.compress(message())
    async with web.post("/api/v1/write", data=body, headers=HEADERS) as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
        assert "no space left" in await answer.text()
    monkeypatch.undo()
    assert (await _post(web, body))[0] == 204
    assert await _count(web) == 1
