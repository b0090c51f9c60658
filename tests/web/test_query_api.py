"""What a query can be asked with, how it is answered, and how it is stopped."""

import asyncio
import threading
import time
import zlib
from collections.abc import Callable
from typing import Any

import cramjam
import numpy as np
import pytest

from veriscope.query import QueryOptions
from veriscope.query.promql import PromqlEngine
from veriscope.signals import FetchLimits, SampleBatch, to_labels
from veriscope.store import Store

T0 = 1_700_000_000_000
AT = "1700000000"
SLOW = "SELECT sum(sleepEachRow(1)) FROM numbers(600) SETTINGS max_block_size = 1"
SLOW_ONES = (
    "SELECT count() AS n FROM system.processes"
    " WHERE query LIKE '%numbers(600)%' AND query NOT LIKE '%processes%'"
)
RANGE = {"start": "1699999970", "end": AT, "step": "15s"}


def write(store: Store, series: int, steps: int = 1) -> None:
    """Store *series* series of `many`, with a sample every 15 s up to `T0`."""
    labels = tuple(to_labels({"__name__": "many", "n": f"{n:05}"}) for n in range(series))
    rows = np.repeat(np.arange(series, dtype=np.uint32), steps)
    times = np.tile(T0 - np.arange(steps)[::-1] * 15_000, series)
    values = np.random.default_rng(1).normal(size=series * steps)
    store.metrics.insert_batches([SampleBatch(labels, rows, times, values)])


@pytest.fixture
def options() -> QueryOptions:
    """Return limits that let much be asked."""
    return QueryOptions()


async def ask(web: Any, path: str, status: int = 200, **parameters: str) -> Any:
    """Return the JSON at *path*."""
    async with web.get(f"/api/v1/{path}", params=parameters) as answer:
        assert answer.status == status, await answer.text()
        return await answer.json()


@pytest.mark.parametrize(
    ("path", "more"),
    [
        ("query", {"time": AT}),
        ("query_range", RANGE),
    ],
)
async def test_a_limit_cuts_the_answer_and_says_so(
    web: Any, store: Store, path: str, more: dict[str, str]
) -> None:
    """The first series stay; a limit that is not reached says nothing."""
    write(store, 5)
    cut = await ask(web, path, query="many", limit="2", **more)
    assert [each["metric"]["n"] for each in cut["data"]["result"]] == ["00000", "00001"]
    assert cut["warnings"] == ["results truncated due to limit"]
    for limit in ("0", "5"):
        whole = await ask(web, path, query="many", limit=limit, **more)
        assert len(whole["data"]["result"]) == 5
        assert "warnings" not in whole


async def test_a_limit_cuts_range_vectors_too(web: Any, store: Store) -> None:
    """Samples as they are, of the first series."""
    write(store, 3, steps=4)
    cut = await ask(web, "query", query="many[1m]", limit="1", time=AT)
    assert [len(each["values"]) for each in cut["data"]["result"]] == [4]


async def test_a_bad_limit_is_refused(web: Any) -> None:
    """With the parameter's name."""
    found = await ask(web, "query", 400, query="up", limit="-1")
    assert found["errorType"] == "bad_data"
    assert 'invalid parameter "limit"' in found["error"]


async def test_stats_tell_what_a_query_took(web: Any, store: Store) -> None:
    """In Prometheus' keys; by step where all is asked for; not at all unasked."""
    write(store, 3, steps=10)
    asked = {"query": "sum_over_time(many[1m])", **RANGE}
    assert "stats" not in (await ask(web, "query_range", **asked))["data"]
    brief = (await ask(web, "query_range", stats="true", **asked))["data"]["stats"]
    assert set(brief["timings"]) == {
        "evalTotalTime", "resultSortTime", "queryPreparationTime", "innerEvalTime",
        "execQueueTime", "execTotalTime",
    }  # fmt: skip
    assert brief["timings"]["execTotalTime"] > 0
    assert set(brief["samples"]) == {"totalQueryableSamples", "peakSamples"}
    every = (await ask(web, "query_range", stats="all", **asked))["data"]["stats"]["samples"]
    per_step = every["totalQueryableSamplesPerStep"]
    assert [time for time, _ in per_step] == [1699999970, 1699999985, 1700000000]
    assert sum(count for _, count in per_step) == every["totalQueryableSamples"] > 0


async def test_stats_follow_an_answer_of_any_kind(web: Any) -> None:
    """A scalar's and a string's too."""
    for query in ("1 + 1", '"text"'):
        assert "timings" in (await ask(web, "query", query=query, stats="all"))["data"]["stats"]


async def test_the_look_back_can_be_chosen(web: Any, store: Store) -> None:
    """For one query alone."""
    write(store, 1)
    later = str(T0 // 1000 + 60)
    assert len((await ask(web, "query", query="many", time=later))["data"]["result"]) == 1
    near = await ask(web, "query", query="many", time=later, lookback_delta="30s")
    assert near["data"]["result"] == []
    far = str(T0 // 1000 + 400)
    found = await ask(web, "query", query="many", time=far, lookback_delta="10m")
    assert len(found["data"]["result"]) == 1
    for standing_for_the_default in ("0s", "-5"):
        found = await ask(
            web, "query", query="many", time=later, lookback_delta=standing_for_the_default
        )
        assert len(found["data"]["result"]) == 1
    refused = await ask(web, "query", 400, query="many", lookback_delta="soon")
    assert 'invalid parameter "lookback_delta"' in refused["error"]


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        (b"query=1%2B1", "2"),
        (b"query=3&", "3"),
        (b"query=3&pretty&&", "3"),
        (b"", "7"),
        (b"other=1", "7"),
    ],
)
async def test_a_form_is_read_as_prometheus_reads_it(web: Any, form: bytes, expected: str) -> None:
    """It counts before the URL, and empty fields in it are no error."""
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    async with web.post("/api/v1/query?query=7", data=form, headers=headers) as answer:
        assert (await answer.json())["data"]["result"][1] == expected


@pytest.mark.parametrize(
    ("kind", "body", "expected"),
    [
        ("application/json", b"query=3", "7"),
        ("", b"query=3", "7"),
        ("Application/X-WWW-Form-Urlencoded; charset=utf-8", b"query=3", "3"),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="query"\r\n\r\n3\r\n--x--\r\n',
            "3",
        ),
        ("multipart/form-data", b"--x\r\n", "7"),
    ],
    ids=["JSON", "none", "form", "parts", "no boundary"],
)
async def test_a_body_is_a_form_where_its_type_says_so(
    web: Any, kind: str, body: bytes, expected: str
) -> None:
    """Another body is not looked at."""
    headers = {"Content-Type": kind}
    async with web.post("/api/v1/query?query=7", data=body, headers=headers) as answer:
        assert (await answer.json())["data"]["result"][1] == expected


@pytest.mark.parametrize("time_left", ["0", "0s", "-1", "1e-9"])
async def test_no_time_at_all_is_a_timeout(web: Any, time_left: str) -> None:
    """As in Prometheus."""
    found = await ask(web, "query", 503, query="1", timeout=time_left)
    assert found["errorType"] == "timeout"


async def test_the_use_of_rollups_can_be_chosen(web: Any) -> None:
    """By one of three words; another is refused."""
    for use in ("exact", "approximate", "off"):
        await ask(web, "query_range", query="1", rollups=use, **RANGE)
    refused = await ask(web, "query_range", 400, query="1", rollups="some", **RANGE)
    assert 'invalid parameter "rollups"' in refused["error"]
    assert "exact, approximate, off" in refused["error"]


async def test_a_query_past_its_time_is_a_timeout(web: Any, store: Store) -> None:
    """503 and `timeout`, and the next query is answered."""
    write(store, 3_000, steps=20)
    slow = "sum(" * 20 + "many" + ")" * 20
    found = await ask(web, "query_range", 503, query=slow, timeout="1ms", **RANGE)
    assert found["errorType"] == "timeout"
    assert (await ask(web, "query", query="1"))["status"] == "success"


class TestCompression:
    """Answers that are compressed."""

    @pytest.mark.parametrize("encoding", ["gzip", "zstd"])
    @pytest.mark.parametrize("series", [200, 20_000])
    async def test_an_answer_is_the_same_in_every_encoding(
        self, web: Any, store: Store, encoding: str, series: int
    ) -> None:
        """A short answer has its length; a long one is sent in pieces."""
        write(store, series)
        asked = {"query": "many", "time": AT}
        url = web.base + "/api/v1/query"
        plain = {"Accept-Encoding": "identity"}
        async with web.session.get(url, params=asked, headers=plain) as answer:
            assert "Content-Encoding" not in answer.headers
            expected = await answer.read()
        accept = {"Accept-Encoding": encoding}
        async with web.raw.get(url, params=asked, headers=accept) as answer:
            assert answer.headers["Content-Encoding"] == encoding
            assert answer.headers["Vary"] == "Accept-Encoding"
            assert ("Content-Length" in answer.headers) is (series == 200)
            packed = await answer.read()
        assert len(packed) < len(expected)
        assert unpacked(packed, encoding) == expected

    async def test_a_short_answer_is_sent_as_it_is(self, web: Any) -> None:
        """It fits into one packet anyway."""
        url = web.base + "/api/v1/query"
        async with web.raw.get(
            url, params={"query": "1"}, headers={"Accept-Encoding": "gzip"}
        ) as answer:
            assert "Content-Encoding" not in answer.headers


def unpacked(packed: bytes, encoding: str) -> bytes:
    """Return what was compressed."""
    if encoding == "zstd":
        return bytes(cramjam.zstd.decompress(packed))
    return zlib.decompress(packed, wbits=31)


async def test_a_query_s_error_names_its_parameter_and_place(web: Any) -> None:
    """As Prometheus 3 says it."""
    found = await ask(web, "query", 400, query="sum(")
    assert found["error"].startswith('invalid parameter "query": 1:')


class Blocking:
    """A source that holds every fetch until it is told to go on, or the query is cancelled."""

    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self.go = threading.Event()
        self.cancelled: list[Any] = []

    def __call__(self, text: str, **given: Any) -> Any:
        """Wait, and then answer what `1` would be answered."""
        cancel = given["cancel"]
        self.entered.release()
        stopped = threading.Event()
        cancel.on_cancel(stopped.set)
        while not self.go.is_set() and not stopped.wait(0.005):
            pass
        if cancel.cancelled:
            self.cancelled.append(cancel)
        cancel.check()
        return self.real(text)

    real: Callable[[str], Any]


@pytest.fixture
def blocking(monkeypatch: pytest.MonkeyPatch) -> Blocking:
    """Hold every instant query of `block()`-like text; `1` is answered at once."""
    found = Blocking()
    real = PromqlEngine.instant_query

    def ask_or_wait(engine: PromqlEngine, text: str, time_ms: int, **given: Any) -> Any:
        found.real = lambda _: real(engine, "1", time_ms, **given)
        if text == "1":
            return real(engine, text, time_ms, **given)
        return found(text, **given)

    monkeypatch.setattr(PromqlEngine, "instant_query", ask_or_wait)
    return found


async def acquired(semaphore: threading.Semaphore) -> None:
    """Wait for *semaphore* without holding up the loop."""
    assert await asyncio.to_thread(semaphore.acquire, timeout=60)


class TestCrowd:
    """A server that evaluates two queries at once and lets one wait."""

    @pytest.fixture
    def options(self) -> QueryOptions:
        """Return the limits."""
        return QueryOptions(max_concurrent=2, max_waiting=1)

    async def test_a_query_too_many_is_refused(self, web: Any, blocking: Blocking) -> None:
        """503 with the option's name; who waited is answered, and so is everybody afterwards."""
        running = [asyncio.create_task(ask(web, "query", query="held")) for _ in range(3)]
        await acquired(blocking.entered)
        await acquired(blocking.entered)
        while web.get_in_flight() < 3:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.005)
        refused = await ask(web, "query", 503, query="held")
        assert refused["errorType"] == "unavailable"
        assert "query.max_waiting" in refused["error"]
        blocking.go.set()
        assert [each["status"] for each in await asyncio.gather(*running)] == ["success"] * 3
        assert (await ask(web, "query", query="1"))["status"] == "success"

    async def test_a_client_that_leaves_stops_its_query(self, web: Any, blocking: Blocking) -> None:
        """Its place is free again at once, whether it ran or waited."""
        running = [asyncio.create_task(ask(web, "query", query="held")) for _ in range(3)]
        await acquired(blocking.entered)
        await acquired(blocking.entered)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        deadline = time.monotonic() + 60
        while len(blocking.cancelled) < 2 or web.get_in_flight():
            assert time.monotonic() < deadline
            await asyncio.sleep(0.005)
        assert (await ask(web, "query", query="1"))["status"] == "success"

    async def test_waiting_counts_against_the_time(self, web: Any, blocking: Blocking) -> None:
        """A query whose time has passed before its turn is a timeout."""
        running = [asyncio.create_task(ask(web, "query", query="held")) for _ in range(2)]
        await acquired(blocking.entered)
        await acquired(blocking.entered)
        late = asyncio.create_task(ask(web, "query", 503, query="1", timeout="10ms"))
        await asyncio.sleep(0.05)
        blocking.go.set()
        assert (await late)["errorType"] == "timeout"
        await asyncio.gather(*running)


async def test_a_client_that_leaves_stops_the_engine_too(
    web: Any, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the storage engine computes for it is killed, and not only forgotten."""
    engine = store._engine
    entered = threading.Event()

    def read_slowly(_: object, limits: FetchLimits) -> None:
        entered.set()
        engine.query(SLOW, cancel=limits.cancel)

    def running() -> int:
        [row] = engine.query(SLOW_ONES).to_pylist()
        return int(row["n"])

    monkeypatch.setattr(store.series, "fetch", read_slowly)
    asking = asyncio.create_task(ask(web, "query", query="many"))
    assert await asyncio.to_thread(entered.wait, 60)
    while not await asyncio.to_thread(running):
        assert not asking.done(), await asking
        await asyncio.sleep(0.01)
    asking.cancel()
    deadline = time.monotonic() + 60
    while await asyncio.to_thread(running):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)
    monkeypatch.undo()
    assert (await ask(web, "query", query="1"))["status"] == "success"


async def test_format_query_lays_a_query_out(web: Any) -> None:
    """By GET and by POST."""
    query = "sum(rate(foo{a='b'}[5m]))by(job)"
    expected = {"status": "success", "data": 'sum by (job) (rate(foo{a="b"}[5m]))'}
    assert await ask(web, "format_query", query=query) == expected
    async with web.post("/api/v1/format_query", data={"query": query}) as answer:
        assert await answer.json() == expected
    assert (await ask(web, "format_query", 400, query="sum("))["errorType"] == "bad_data"


async def test_parse_query_answers_the_tree(web: Any) -> None:
    """In Prometheus' keys."""
    found = (await ask(web, "parse_query", query="-foo"))["data"]
    assert found["type"] == "unaryExpr"
    assert found["expr"]["matchers"] == [{"name": "__name__", "value": "foo", "type": "="}]
