"""Health, readiness, metrics, the token and the page."""

import gzip
from typing import Any

import pytest

from veriscope.signals import Secret


async def test_health_tells_each_check(web: Any) -> None:
    """200 and the checks while all is well, 503 while starting or stopping."""
    async with web.get("/health") as answer:
        body = await answer.json()
        assert answer.status == 200
    assert body["status"] == "healthy"
    assert body["checks"]["store"] == "healthy"
    assert body["version"] == "1.2.3"
    web.status.ready = False
    async with web.get("/health") as answer:
        assert answer.status == 503
    async with web.get("/-/ready") as answer:
        assert answer.status == 503
    async with web.get("/-/healthy") as answer:
        assert answer.status == 200


async def test_metrics_are_in_prometheus_format(web: Any) -> None:
    """The text format, or OpenMetrics where the client asks for it."""
    async with web.get("/metrics") as answer:
        assert answer.headers["Content-Type"].startswith("text/plain; version=")
        text = await answer.text()
    assert "# TYPE veriscope_ingest_commits_total counter" in text
    assert "# TYPE veriscope_query_duration_seconds histogram" in text
    accept = {"Accept": "application/openmetrics-text; version=1.0.0"}
    async with web.get("/metrics", headers=accept) as answer:
        assert (await answer.text()).endswith("# EOF\n")


async def test_metrics_are_compressed_for_who_asks(web: Any) -> None:
    """Prometheus asks for gzip at each scrape; the page is text with many repetitions."""
    async with web.raw.get(web.base + "/metrics", headers={"Accept-Encoding": "gzip"}) as answer:
        assert answer.headers["Content-Encoding"] == "gzip"
        assert b"veriscope_" in gzip.decompress(await answer.read())
    async with web.raw.get(web.base + "/metrics", headers={"Accept-Encoding": ""}) as answer:
        assert "Content-Encoding" not in answer.headers


async def test_requests_are_counted_by_route(web: Any) -> None:
    """The label is the route, never the path: paths are without number."""
    for path in ("/api/v1/label/a/values", "/api/v1/label/b/values"):
        async with web.get(path) as answer:
            await answer.read()
    async with web.get("/metrics") as answer:
        text = await answer.text()
    counted = 'veriscope_http_requests_total{code="200",handler="/api/v1/label/{name}/values"} 2.0'
    assert counted in text


@pytest.mark.parametrize("path", ["/", "/explore", "/explore?g0.expr=up"])
async def test_the_page_is_served_for_its_own_paths(web: Any, path: str) -> None:
    """With a policy under which no request leaves the machine."""
    async with web.get(path) as answer:
        assert answer.status == 200
        assert answer.content_type == "text/html"
        assert "default-src 'self'" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("POST", "/api/v1/nothing", 404, None),
        ("GET", "/v1/nothing", 404, None),
        ("GET", "/api/v1/read", 405, "POST"),
        ("GET", "/api/v1/admin/tsdb/snapshot", 405, "POST, PUT"),
        ("PUT", "/api/v1/query", 405, "GET, HEAD, POST"),
        ("DELETE", "/explore", 405, "GET, HEAD"),
        ("POST", "/-/ready", 405, "GET, HEAD"),
    ],
)
async def test_other_paths_and_methods_are_told_apart(
    web: Any, method: str, path: str, status: int, allow: str | None
) -> None:
    """404 where there is nothing, 405 and what there is where only the method is another."""
    async with web.session.request(method, web.base + path) as answer:
        assert answer.status == status
        assert answer.headers.get("Allow") == allow


async def test_assets_are_served_for_ever_and_only_those(web: Any) -> None:
    """A hashed name never changes meaning; a missing asset is not the page."""
    async with web.get("/") as answer:
        page = await answer.text()
    asset = page.split('src="', 1)[1].split('"', 1)[0]
    async with web.get(asset) as answer:
        assert answer.status == 200
        assert "immutable" in answer.headers["Cache-Control"]
    for path in ("/assets/missing.js", "/assets/../../__init__.py"):
        async with web.get(path) as answer:
            assert answer.status == 404 or answer.content_type == "text/html"


class TestWithToken:
    """A server that asks for a token."""

    @pytest.fixture
    def token(self) -> Secret:
        """Return the token."""
        return Secret("s3cret")

    @pytest.mark.parametrize(
        ("headers", "status"),
        [
            ({}, 401),
            ({"Authorization": "Bearer wrong"}, 401),
            ({"Authorization": "Basic !!!"}, 401),
            ({"Authorization": "Bearer s3cret"}, 200),
            ({"Authorization": "Basic YW55Ym9keTpzM2NyZXQ="}, 200),
        ],
    )
    async def test_requests_need_it(self, web: Any, headers: dict[str, str], status: int) -> None:
        """As bearer token, or as the password that a browser asks for."""
        async with web.get("/api/v1/labels", headers=headers) as answer:
            assert answer.status == status
            if status == 401:
                assert answer.headers["WWW-Authenticate"].startswith("Basic")

    async def test_probes_do_not(self, web: Any) -> None:
        """They say nothing but yes or no."""
        async with web.get("/-/ready") as answer:
            assert answer.status == 200
