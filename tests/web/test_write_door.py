"""Remote write over HTTP: every kind of bad request has its answer, and harms nothing else."""

import struct
from typing import Any

import numpy as np
import pytest

from veriscope.ingest import IngestOptions
from veriscope.signals import SampleBatch, to_labels
from veriscope.store import EngineError, SeriesLimits, Store
from veriscope.wire import remote_write
from veriscope.wire.protobuf_fields import delimited, varint

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


async def test_headers_that_say_nothing_are_none(web: Any) -> None:
    """As to Prometheus: version 1.0, and snappy."""
    body = remote_write.compress(message())
    said = {"Content-Type": "", "Content-Encoding": ""}
    assert (await _post(web, body, **said))[0] == 204


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
        {"Content-Type": "application/x-protobuf;proto=io.prometheus.write.v3.Request"},
        {"Content-Type": "application/x-protobuf;proto"},
        {"Content-Type": "application/x-protobuf; proto="},
        {"Content-Encoding": "gzip"},
    ],
)
async def test_another_format_is_refused_as_such(web: Any, headers: dict[str, str]) -> None:
    """415 makes a client fall back to another version."""
    status, text = await _post(web, remote_write.compress(message()), **headers)
    assert status == 415
    assert "send" in text


async def test_a_store_that_fails_asks_for_the_body_again(
    web: Any, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failure of the engine is no fault of the sender's: it shall keep the body and repeat it."""

    def fail(*_: object) -> None:
        raise EngineError("the storage engine failed: no space left")

    monkeypatch.setattr(store._engine, "insert_arrow", fail)
    body = remote_write.compress(message())
    async with web.post("/api/v1/write", data=body, headers=HEADERS) as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
        assert "no space left" in await answer.text()
    monkeypatch.undo()
    assert (await _post(web, body))[0] == 204
    assert await _count(web) == 1


_V2 = "application/x-protobuf;proto=io.prometheus.write.v2.Request"
_WRITTEN = "X-Prometheus-Remote-Write-{}-Written"


def request_v2(*names: str) -> bytes:
    """Return a request of version 2: a sample and an exemplar of each metric of *names*."""
    symbols = b"".join(delimited(4, text.encode()) for text in ("", "__name__", "t", *names))
    exemplar = delimited(1, b"\x02\x01") + b"\x18" + varint(T0)
    return symbols + b"".join(
        delimited(
            5,
            delimited(1, b"\x01" + varint(3 + place))
            + remote_write._sample(T0, 1.0)
            + delimited(4, exemplar),
        )
        for place in range(len(names))
    )


async def _written(web: Any, body: bytes, content_type: str = _V2) -> tuple[int, list[str | None]]:
    headers = {**HEADERS, "Content-Type": content_type}
    compressed = remote_write.compress(body)
    async with web.post("/api/v1/write", data=compressed, headers=headers) as answer:
        kinds = ("Samples", "Histograms", "Exemplars")
        return answer.status, [answer.headers.get(_WRITTEN.format(kind)) for kind in kinds]


async def test_version_2_is_stored_and_counted(web: Any) -> None:
    """The sender is told what was written, and nothing where all was refused."""
    assert await _written(web, request_v2("a", "b")) == (204, ["2", "0", "2"])
    assert await _count(web) == 2
    assert await _written(web, b"") == (204, ["0", "0", "0"])
    assert await _written(web, b"no protobuf at all") == (400, ["0", "0", "0"])
    assert await _written(web, message()) == (400, ["0", "0", "0"])


@pytest.mark.parametrize(
    "content_type",
    [
        "application/x-protobuf",
        "application/x-protobuf;proto=prometheus.WriteRequest",
        'APPLICATION/X-Protobuf; charset=utf-8; proto="prometheus.WriteRequest"',
    ],
)
async def test_version_1_is_what_a_sender_means_otherwise(web: Any, content_type: str) -> None:
    """It asks for no counts and gets none."""
    assert await _written(web, message(), content_type) == (204, [None, None, None])


@pytest.mark.parametrize(
    ("limits", "increase"),
    [(IngestOptions(start_timestamp_zeros=True), 5.0), (IngestOptions(), 0.0)],
    ids=("asked", "not-asked"),
)
async def test_a_counter_that_appears_has_increased(web: Any, increase: float) -> None:
    """Where it says when it began, and that is asked for; the answer counts what was sent."""
    start = b"\x18" + varint(T0 - 60_000)
    samples = (
        delimited(2, b"\x09" + struct.pack("<d", 5.0) + b"\x10" + varint(time_ms) + start)
        for time_ms in (T0, T0 + 60_000)
    )
    symbols = b"".join(delimited(4, text) for text in (b"", b"__name__", b"a"))
    body = symbols + delimited(5, delimited(1, b"\x01\x02") + b"".join(samples))
    assert await _written(web, body) == (204, ["2", "0", "0"])
    query = {"query": "increase(a[5m])", "time": str((T0 + 60_000) / 1000)}
    async with web.get("/api/v1/query", params=query) as answer:
        [found] = (await answer.json())["data"]["result"]
    assert float(found["value"][1]) == increase


async def test_a_limit_on_series_refuses_the_new_ones_only(
    web: Any, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """400 with the words of the limit; the rest is stored, and counted."""
    monkeypatch.setattr(store.metrics._series._gate, "_limits", SeriesLimits(max_series=30))
    fits, late = (f"m{number}" for number in range(30)), ["one", "too", "many"]
    assert (await _written(web, request_v2(*fits)))[0] == 204
    assert await _written(web, request_v2("m3", *late)) == (400, ["1", "0", "1"])
    status, text = await _post(
        web, remote_write.compress(message(to_labels({"__name__": "another"})))
    )
    assert (status, "30 series are active, 30 allowed (ingest.max_series)" in text) == (400, True)
    assert await _count(web) == 30
    async with web.get("/metrics") as answer:
        page = await answer.text()
    assert 'veriscope_ingest_refused_samples_total{option="max_series"} 7.0' in page
    assert 'veriscope_ingest_samples_total{door="remote_write"} 62.0' in page
