"""Federation and remote read at the doors: what is selected, how it is written, what is refused."""

from typing import Any

import cramjam
import numpy as np
import pytest

from tests.remote_read_answers import read_frames
from veriscope.query import QueryOptions
from veriscope.signals import STALE_NAN, Labels, SampleBatch, SystemClock, to_labels
from veriscope.signals.histograms import Buckets, HistogramBatch, Histograms, Runs
from veriscope.store import Store
from veriscope.web import ApiSources
from veriscope.wire.exposition.protobuf import MetricFamily
from veriscope.wire.protobuf_fields import delimited, varint


@pytest.fixture
def now_ms() -> int:
    """Return the time of the newest samples."""
    return SystemClock().now_ms() - 5_000


def write(store: Store, time_ms: int, value: float, **labels: str) -> Labels:
    """Store one sample of `up`, or of the series that *labels* say."""
    series = to_labels({"__name__": "up", **labels})
    store.metrics.insert_batches([SampleBatch.at((series,), np.array([value]), time_ms)])
    return series


def write_histogram(
    store: Store, time_ms: int, name: str, hint: int = 0, total: float = 5.0
) -> None:
    """Store a native histogram of three observations."""
    native = Histograms(
        schema=np.array([0], dtype=np.int8),
        reset_hint=np.array([hint], dtype=np.int8),
        count=np.array([3.0]),
        sum=np.array([total]),
        zero_threshold=np.array([0.25]),
        zero_count=np.zeros(1),
        positive=Buckets(np.array([0, 1]), np.array([2], dtype=np.int32), np.array([3.0])),
        negative=Buckets.none(1),
        bounds=Runs.none(1),
    )
    labels = (to_labels({"__name__": name}),)
    series, times = np.zeros(1, dtype=np.uint32), np.array([time_ms])
    store.metrics.insert_batches([HistogramBatch(labels, series, times, native)])


PROTOBUF = "application/vnd.google.protobuf"
DELIMITED = f"{PROTOBUF};proto=io.prometheus.client.MetricFamily;encoding=delimited"


async def families(web: Any, selector: str, accept: str = DELIMITED) -> list[Any]:
    """Return the messages of the answer, read by protobuf itself."""
    async with web.get(
        "/federate", params={"match[]": selector}, headers={"Accept": accept}
    ) as answer:
        assert answer.status == 200
        assert answer.content_type == PROTOBUF
        body = await answer.read()
    found = []
    while body:
        size = shift = 0
        while True:
            byte, body = body[0], body[1:]
            size |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        found.append(MetricFamily.FromString(body[:size]))
        body = body[size:]
    return found


async def federate(web: Any, *selectors: str, accept: str = "") -> list[str]:
    """Return the lines of the answer."""
    asked = [("match[]", selector) for selector in selectors]
    async with web.get("/federate", params=asked, headers={"Accept": accept}) as answer:
        assert answer.status == 200
        assert answer.content_type == "text/plain"
        return (await answer.text()).splitlines()


async def test_the_newest_sample_of_each_series_is_exposed(
    web: Any, store: Store, now_ms: int
) -> None:
    """With its time, families together; each series once, whoever selected it."""
    write(store, now_ms - 10_000, 3.0, job="a")
    write(store, now_ms, 1.5, job="a")
    write(store, now_ms - 1_000, 0.0, job="b", instance="b:1")
    write(store, now_ms, 7.0, __name__="other")
    assert await federate(web, "up", 'up{job="a"}', "other") == [
        "# TYPE other untyped",
        f'other{{instance=""}} 7 {now_ms}',
        "# TYPE up untyped",
        f'up{{instance="b:1",job="b"}} 0 {now_ms - 1_000}',
        f'up{{instance="",job="a"}} 1.5 {now_ms}',
    ]
    assert await federate(web) == []
    assert await federate(web, "nothing") == []


async def test_what_has_ended_or_is_old_is_left_out(web: Any, store: Store, now_ms: int) -> None:
    """A stale marker ends a series; the look-back ends all."""
    write(store, now_ms - 10_000, 1.0, job="ended")
    write(store, now_ms, STALE_NAN, job="ended")
    write(store, now_ms - 400_000, 1.0, job="old")
    write(store, now_ms, np.nan, job="odd")
    assert await federate(web, "up") == [
        "# TYPE up untyped",
        f'up{{instance="",job="odd"}} NaN {now_ms}',
    ]


async def test_odd_names_and_values_are_escaped(web: Any, store: Store, now_ms: int) -> None:
    """As they are for who reads UTF-8 names, with underscores for others."""
    write(store, now_ms, 1.0, __name__="http.requests", **{"a.b": 'say "hi"\n\\'})
    utf8 = "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.6,*/*;q=0.1"
    assert await federate(web, '{"http.requests"}', accept=utf8) == [
        '# TYPE "http.requests" untyped',
        f'{{"http.requests","a.b"="say \\"hi\\"\\n\\\\",instance=""}} 1 {now_ms}',
    ]
    assert await federate(web, '{"http.requests"}') == [
        "# TYPE http_requests untyped",
        f'http_requests{{a_b="say \\"hi\\"\\n\\\\",instance=""}} 1 {now_ms}',
    ]


async def test_a_digit_in_front_becomes_an_underscore(web: Any, store: Store, now_ms: int) -> None:
    """In place of it, as Prometheus escapes names."""
    write(store, now_ms, 1.0, __name__="5xx")
    assert await federate(web, '{"5xx"}') == [
        "# TYPE _xx untyped",
        f'_xx{{instance=""}} 1 {now_ms}',
    ]


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        ("", "text/plain"),
        ("*/*", "text/plain"),
        (DELIMITED, PROTOBUF),
        (f"{DELIMITED};q=0.3,text/plain;version=0.0.4;q=0.4", "text/plain"),
        (f"application/openmetrics-text,{DELIMITED};q=0.3,*/*;q=0.1", PROTOBUF),
        (f"{PROTOBUF};proto=io.prometheus.client.MetricFamily;encoding=text", "text/plain"),
        (f"text/plain;version=7,{DELIMITED};q=x", PROTOBUF),
    ],
    ids=["none", "any", "protobuf", "text better", "Prometheus", "text of it", "odd"],
)
async def test_the_format_is_the_one_that_is_liked_best(web: Any, accept: str, media: str) -> None:
    """Of text and delimited protobuf; of nothing that is known, text."""
    async with web.get("/federate", headers={"Accept": accept}) as answer:
        assert answer.content_type == media


async def test_native_histograms_are_exposed_as_protobuf(
    web: Any, store: Store, now_ms: int
) -> None:
    """A family for each type of a name; floats have none. Text cannot say histograms."""
    write(store, now_ms, 1.5, __name__="m", a="1")
    write_histogram(store, now_ms - 10, "m")
    write_histogram(store, now_ms - 10, "n", hint=3)
    write_histogram(store, now_ms - 10, "over")
    write_histogram(store, now_ms, "over", total=STALE_NAN)
    untyped, of_m, of_n = sorted(
        await families(web, '{__name__=~".+"}'), key=lambda family: family.type
    )
    assert [(each.name, each.type) for each in (untyped, of_m, of_n)] == [
        ("m", 3),
        ("m", 4),
        ("n", 5),
    ]
    [metric] = untyped.metric
    assert (metric.untyped.value, metric.timestamp_ms) == (1.5, now_ms)
    assert [(pair.name, pair.value) for pair in metric.label] == [("a", "1"), ("instance", "")]
    [metric] = of_m.metric
    assert metric.timestamp_ms == now_ms - 10
    found = metric.histogram
    assert (found.sample_count_float, found.sample_sum, found.zero_threshold) == (3.0, 5.0, 0.25)
    assert [(span.offset, span.length) for span in found.positive_span] == [(2, 1)]
    assert await federate(web, '{__name__=~".+"}') == [
        "# TYPE m untyped",
        f'm{{a="1",instance=""}} 1.5 {now_ms}',
    ]


async def test_a_series_that_changes_its_kind_has_the_newer_one(
    web: Any, store: Store, now_ms: int
) -> None:
    """Whichever came last is exposed, if it can be said at all."""
    write(store, now_ms - 5, 1.0, __name__="m")
    write_histogram(store, now_ms, "m")
    assert await federate(web, "m") == []
    [family] = await families(web, "m")
    assert family.type == 4
    write(store, now_ms + 5, 2.0, __name__="m")
    [family] = await families(web, "m")
    assert (family.type, family.metric[0].untyped.value) == (3, 2.0)


async def test_odd_names_in_protobuf_are_escaped_likewise(
    web: Any, store: Store, now_ms: int
) -> None:
    """Unless who asks takes them as they are."""
    write(store, now_ms, 1.0, __name__="http.requests", **{"a.b": "c"})
    [family] = await families(web, '{"http.requests"}')
    assert (family.name, family.metric[0].label[0].name) == ("http_requests", "a_b")
    [family] = await families(web, '{"http.requests"}', f"{DELIMITED};escaping=allow-utf-8")
    assert (family.name, family.metric[0].label[0].name) == ("http.requests", "a.b")


async def test_all_series_may_be_selected(web: Any, store: Store, now_ms: int) -> None:
    """By a matcher that everything satisfies; no matcher selects nothing, as in Prometheus."""
    write(store, now_ms, 1.0)
    line = [f'up{{instance=""}} 1 {now_ms}']
    assert (await federate(web, '{job=~".*"}'))[1:] == line
    assert await federate(web, "{}") == []


async def test_a_bad_selector_is_refused_in_words(web: Any) -> None:
    """400 and plain text, as Prometheus does."""
    async with web.get("/federate", params={"match[]": "sum(up)"}) as answer:
        assert answer.status == 400
        assert answer.content_type == "text/plain"
        assert 'invalid parameter "match[]"' in await answer.text()


class TestOutsideLabels:
    """A server with external labels."""

    @pytest.fixture
    def sources(self, store: Store) -> ApiSources:
        """Return the sources."""
        return ApiSources(
            exemplars=store.exemplars,
            statistics=store.cardinality,
            external_labels={"region": "north", "instance": "server"},
        )

    async def test_they_are_added_where_a_series_has_none(
        self, web: Any, store: Store, now_ms: int
    ) -> None:
        """Its own labels win."""
        write(store, now_ms, 1.0, region="south")
        write(store, now_ms, 2.0, instance="x")
        assert await federate(web, "up") == [
            "# TYPE up untyped",
            f'up{{instance="x",region="north"}} 2 {now_ms}',
            f'up{{instance="server",region="south"}} 1 {now_ms}',
        ]


def read_request(name: str, start_ms: int, end_ms: int, *accepted: int, op: int = 0) -> bytes:
    """Return a compressed request for the series with this name."""
    matcher = b"\x08" + varint(op) + delimited(2, b"__name__") + delimited(3, name.encode())
    query = b"\x08" + varint(start_ms) + b"\x10" + varint(end_ms) + delimited(3, matcher)
    kinds = b"".join(b"\x10" + varint(kind) for kind in accepted)
    return bytes(cramjam.snappy.compress_raw(delimited(1, query) + kinds))


class TestRemoteRead:
    """The door of remote read; what it answers is read in the tests of its format."""

    @pytest.fixture
    def options(self) -> QueryOptions:
        """Return a small limit."""
        return QueryOptions(max_samples=5)

    async def test_the_first_form_that_is_accepted_is_answered(
        self, web: Any, store: Store, now_ms: int
    ) -> None:
        """Samples as a snappy block, or a stream of chunks."""
        write(store, now_ms, 1.0)
        body = read_request("up", now_ms, now_ms)
        async with web.post("/api/v1/read", data=body) as answer:
            assert answer.headers["Content-Encoding"] == "snappy"
            assert answer.headers["Content-Type"] == "application/x-protobuf"
            message = bytes(cramjam.snappy.decompress_raw(await answer.read()))
        assert b"__name__" in message
        body = read_request("up", now_ms, now_ms, 1, 0)
        async with web.post("/api/v1/read", data=body) as answer:
            expected = "application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse"
            assert answer.headers["Content-Type"] == expected
            assert "Content-Encoding" not in answer.headers
            assert b"__name__" in await answer.read()

    @pytest.mark.parametrize("accepted", [0, 1])
    async def test_times_are_first_and_last_included(
        self, web: Any, store: Store, now_ms: int, accepted: int
    ) -> None:
        """And nothing outside of them is answered; a range without time is empty."""
        write(store, now_ms, 1.0)
        sizes = []
        for start, end in ((0, now_ms - 1), (now_ms + 1, now_ms + 2), (5, 4), (now_ms, now_ms)):
            body = read_request("up", start, end, accepted)
            async with web.post("/api/v1/read", data=body) as answer:
                assert answer.status == 200
                sizes.append(len(await answer.read()))
        assert sizes[0] == sizes[1] == sizes[2] < sizes[3]

    async def test_too_many_samples_are_refused(self, web: Any, store: Store, now_ms: int) -> None:
        """400 with the numbers, and the next request is answered."""
        for place in range(6):
            write(store, now_ms - place, 1.0)
        body = read_request("up", 0, now_ms)
        async with web.post("/api/v1/read", data=body) as answer:
            assert answer.status == 400
            assert "6 samples wanted, 5 allowed" in await answer.text()
        async with web.post("/api/v1/read", data=read_request("up", now_ms, now_ms)) as answer:
            assert answer.status == 200

    @pytest.mark.parametrize(
        ("body", "status", "reason"),
        [
            (b"no snappy", 400, "not snappy-compressed"),
            (varint(40 << 20) + b"\x00", 413, "33,554,432 allowed"),
            (read_request("(", 0, 1, op=2), 400, ""),
            (read_request("up", 0, 1, 7), 400, "requested response types"),
        ],
        ids=["no snappy", "too large", "no regular expression", "unknown form"],
    )
    async def test_what_cannot_be_read_is_refused(
        self, web: Any, body: bytes, status: int, reason: str
    ) -> None:
        """In words, with the status that says whose fault it is."""
        async with web.post("/api/v1/read", data=body) as answer:
            assert answer.status == status
            assert answer.content_type == "text/plain"
            assert reason in await answer.text()

    async def test_native_histograms_come_in_either_form(
        self, web: Any, store: Store, now_ms: int
    ) -> None:
        """As messages of samples, and as chunks."""
        write_histogram(store, now_ms, "latency")
        async with web.post("/api/v1/read", data=read_request("latency", 0, now_ms)) as answer:
            message = bytes(cramjam.snappy.decompress_raw(await answer.read()))
        assert np.array([3.0]).tobytes() in message
        async with web.post("/api/v1/read", data=read_request("latency", 0, now_ms, 1)) as answer:
            [(_, labels, [[(time_ms, found)]])] = read_frames(await answer.read())
        assert labels == (("__name__", "latency"),)
        assert time_ms == now_ms
        assert found.positive == ((2, np.array([3.0]).tobytes()),)
