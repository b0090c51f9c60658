"""The read API, as Prometheus' clients know it."""

import io
from typing import Any

import numpy as np
import pytest
from yarl import URL

from veriscope.signals import MetricMetadata, MetricType, SampleBatch, to_labels
from veriscope.store import Store

T0 = 1_700_000_000_000
AT = "1700000000"


@pytest.fixture
def filled(store: Store) -> None:
    """Store two series of `requests_total` over five minutes, and one with a UTF-8 label."""
    label_sets = tuple(
        to_labels({"__name__": "requests_total", "code": code, "job": "api"})
        for code in ("200", "500")
    )
    known = MetricMetadata("requests_total", MetricType.COUNTER, "Requests.", "")
    steps = np.arange(-20, 1)
    store.metrics.insert_batches(
        [
            SampleBatch(
                label_sets,
                np.repeat(np.array([0, 1], dtype=np.uint32), len(steps)),
                np.tile(T0 + steps * 15_000, 2),
                np.concatenate([100.0 * (steps + 20), 10.0 * (steps + 20)]),
                (known,),
            )
        ]
    )
    odd = (to_labels({"__name__": "odd", "http.path": "/x"}),)
    store.metrics.insert_batches([SampleBatch.at(odd, np.ones(1), T0)])


async def _ask(web: Any, path: str, status: int = 200, **parameters: Any) -> Any:
    async with web.get(f"/api/v1/{path}", params=parameters) as answer:
        assert answer.status == status
        assert answer.content_type == "application/json"
        return await answer.json()


@pytest.mark.usefixtures("filled")
async def test_an_instant_query_answers_a_vector(web: Any) -> None:
    """Time in seconds, value as text."""
    found = await _ask(web, "query", query="requests_total{code='200'}", time=AT)
    assert found == {
        "status": "success",
        "data": {
            "resultType": "vector",
            "result": [
                {
                    "metric": {"__name__": "requests_total", "code": "200", "job": "api"},
                    "value": [1700000000, "2000"],
                }
            ],
        },
    }


@pytest.mark.usefixtures("filled")
async def test_a_range_query_answers_a_matrix_also_by_post(web: Any) -> None:
    """GET and POST are the same."""
    asked = {
        "query": "sum(rate(requests_total[1m]))",
        "start": "1699999970",
        "end": AT,
        "step": "15s",
    }
    got = await _ask(web, "query_range", **asked)
    async with web.post("/api/v1/query_range", data=asked) as answer:
        assert await answer.json() == got
    assert got["data"]["resultType"] == "matrix"
    values = [float(value) for _, value in got["data"]["result"][0]["values"]]
    assert values == pytest.approx([110 / 15] * 3)


@pytest.mark.usefixtures("filled")
async def test_series_labels_and_values_are_found(web: Any) -> None:
    """With and without selectors, with a limit, and with an escaped UTF-8 name."""
    selector = {"match[]": "requests_total"}
    series = await _ask(web, "series", **selector)
    assert [each["code"] for each in series["data"]] == ["200", "500"]
    assert (await _ask(web, "labels", **selector))["data"] == ["__name__", "code", "job"]
    assert (await _ask(web, "labels"))["data"] == ["__name__", "code", "http.path", "job"]
    assert (await _ask(web, "label/code/values"))["data"] == ["200", "500"]
    assert (await _ask(web, "label/U__http_2e_path/values"))["data"] == ["/x"]
    cut = await _ask(web, "label/code/values", limit="1")
    assert cut["data"] == ["200"]
    assert cut["warnings"] == ["results truncated due to limit"]
    assert (await _ask(web, "labels", start="1600000000", end="1600000001"))["data"] == []


@pytest.mark.usefixtures("filled")
async def test_metadata_is_told_by_metric(web: Any) -> None:
    """Type, unit and help."""
    expected = {"requests_total": [{"type": "counter", "unit": "", "help": "Requests."}]}
    assert (await _ask(web, "metadata"))["data"] == expected
    assert (await _ask(web, "metadata", metric="requests_total"))["data"] == expected
    assert (await _ask(web, "metadata", metric="other"))["data"] == {}


@pytest.mark.parametrize(
    ("path", "parameters", "reason"),
    [
        ("query", {"query": "sum("}, "unclosed left parenthesis"),
        ("query", {}, '"query": it is missing'),
        ("query", {"query": "up", "time": "later"}, 'invalid parameter "time"'),
        ("query", {"query": 'up{x=~"("}'}, "regex"),
        ("query", {"query": 'up{x=~"((a{100}){100}){100}"}'}, "regex"),
        ("query_range", {"query": "up"}, '"start": it is missing'),
        (
            "query_range",
            {"query": "up", "start": "0", "end": "20000", "step": "1"},
            "exceeded maximum resolution",
        ),
        ("query_range", {"query": "up[5m]", "start": "0", "end": "1", "step": "1"}, "range"),
        ("series", {}, "no match[] parameter provided"),
        ("series", {"match[]": "sum(up)"}, "plain series selector"),
    ],
)
@pytest.mark.usefixtures("filled")
async def test_bad_requests_answer_bad_data(
    web: Any, path: str, parameters: dict[str, str], reason: str
) -> None:
    """400, `bad_data` and the reason; the next query works."""
    found = await _ask(web, path, 400, **parameters)
    assert found["status"] == "error"
    assert found["errorType"] == "bad_data"
    assert reason in found["error"]
    assert (await _ask(web, "query", query="1"))["status"] == "success"


@pytest.mark.parametrize("path", ["series", "labels", "label/job/values"])
@pytest.mark.usefixtures("filled")
async def test_nothing_lies_between_an_end_and_a_later_start(web: Any, path: str) -> None:
    """Which is no error where series are listed, as in Prometheus."""
    later = str(int(AT) + 60)
    found = await _ask(web, path, start=later, end="0", **{"match[]": "requests_total"})
    assert found["data"] == []
    assert (await _ask(web, path, start="0", end=later, **{"match[]": "requests_total"}))["data"]


@pytest.mark.parametrize(
    ("bounds", "count"),
    [
        ({"limit": "0"}, 0),
        ({"limit": "1"}, 1),
        ({"limit": "-1"}, 1),
        ({"limit_per_metric": "0"}, 1),
        ({"limit_per_metric": "-1"}, 1),
    ],
)
@pytest.mark.usefixtures("filled")
async def test_metadata_is_limited_as_prometheus_limits_it(
    web: Any, bounds: dict[str, str], count: int
) -> None:
    """Zero metrics are none, a negative limit is no limit; zero entries of each are all."""
    assert len((await _ask(web, "metadata", **bounds))["data"]) == count


async def test_exemplars_of_no_series_have_no_content(web: Any) -> None:
    """A query without a selector: 204, as in Prometheus."""
    async with web.get("/api/v1/query_exemplars", params={"query": "1"}) as answer:
        assert answer.status == 204


async def test_a_label_that_is_not_utf8_is_refused(web: Any) -> None:
    """It is not taken for another one."""
    url = URL(f"{web.base}/api/v1/label/%ff/values", encoded=True)
    async with web.session.get(url) as answer:
        assert answer.status == 400
        assert "invalid label name" in (await answer.json())["error"]


@pytest.mark.parametrize("text", ["query=%ff", "query=%22%ff%22", "query=1&other=%ed%a0%80"])
async def test_what_is_not_utf8_is_refused(web: Any, text: str) -> None:
    """In the URL and in a form; it is not taken for another text."""
    url = URL(f"{web.base}/api/v1/query?{text}", encoded=True)
    async with web.session.get(url) as answer:
        assert answer.status == 400
        assert "not valid UTF-8" in (await answer.json())["error"]
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    async with web.post("/api/v1/query", data=text.encode(), headers=headers) as answer:
        assert answer.status == 400
        assert "not valid UTF-8" in (await answer.json())["error"]


@pytest.mark.usefixtures("filled")
async def test_a_query_past_the_sample_limit_is_422(web: Any, store: Store) -> None:
    """`execution`, both numbers, and the server goes on."""
    many = tuple(to_labels({"__name__": "many", "n": str(number)}) for number in range(1_500))
    store.metrics.insert_batches([SampleBatch.at(many, np.ones(1_500), T0)])
    found = await _ask(web, "query", 422, query="many", time=AT)
    assert found["errorType"] == "execution"
    assert "1,500" in found["error"]
    assert "1,000" in found["error"]
    assert (await _ask(web, "query", query="requests_total", time=AT))["status"] == "success"


@pytest.mark.usefixtures("filled")
async def test_what_has_no_answer_on_this_data_is_422(web: Any) -> None:
    """A many-to-many match is an error of execution."""
    query = "requests_total + on (job) requests_total"
    found = await _ask(web, "query", 422, query=query, time=AT)
    assert found["errorType"] == "execution"


async def test_an_unknown_path_of_the_api_is_404(web: Any) -> None:
    """In the API's own form."""
    found = await _ask(web, "nothing/here", 404)
    assert found["errorType"] == "not_found"


async def test_a_form_without_end_is_refused(web: Any) -> None:
    """A POST cannot fill the memory."""
    form = io.BytesIO(b"query=" + b"x" * 1_100_000)
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    async with web.post("/api/v1/query", data=form, headers=headers) as answer:
        assert answer.status == 422
        assert "form is larger" in (await answer.json())["error"]
