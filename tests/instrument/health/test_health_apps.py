import json
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from wsgiref.validate import validator

import pytest
import uvicorn
from prometheus_client import CollectorRegistry, Counter
from starlette.applications import Starlette
from starlette.routing import Mount

from veriscope import HealthApp, HealthChecks, HealthWsgiApp

Serve = Callable[[Any], Any]


class QuietHandler(WSGIRequestHandler):
    """Logs nothing."""

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def serve_asgi(app: Any) -> Iterator[str]:
    """Serve *app* with uvicorn, lifespan included."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="on"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    thread.join(10)


def serve_wsgi(app: Any) -> Iterator[str]:
    """Serve *app* with the standard library, checked against the WSGI specification."""
    server = make_server("127.0.0.1", 0, validator(app), WSGIServer, QuietHandler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join(10)


@dataclass
class Answer:
    """A response."""

    status: int
    headers: Any
    body: bytes


def ask(url: str, method: str = "GET", accept: str = "*/*") -> Answer:
    """Send one request."""
    request = urllib.request.Request(url, method=method, headers={"Accept": accept})
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return Answer(response.status, response.headers, response.read())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.headers, error.read())


@dataclass
class Site:
    """A served set of checks."""

    url: str
    checks: HealthChecks


@pytest.fixture(params=["asgi", "wsgi", "mounted"])
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    """Serve checks and a registry, as ASGI, as WSGI and mounted in Starlette."""
    registry = CollectorRegistry()
    Counter("jobs", "Jobs.", registry=registry).inc(3)
    checks = HealthChecks("genrf", "1.0", registry=registry)
    checks.add("database", lambda: None, cache_s=0)
    prefix = ""
    if request.param == "wsgi":
        served = serve_wsgi(HealthWsgiApp(checks, registry))
    elif request.param == "asgi":
        served = serve_asgi(HealthApp(checks, registry))
    else:
        prefix = "/internal"
        app = HealthApp(checks, registry)
        served = serve_asgi(Starlette(routes=[Mount(prefix, app=app)]))
    for url in served:
        yield Site(url + prefix, checks)


def fail() -> None:
    """Fail."""
    raise ConnectionError("gone")


def test_health_is_200_or_503(site: Site) -> None:
    """The status is for load balancers, the JSON for people."""
    answer = ask(f"{site.url}/health")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    assert json.loads(answer.body)["checks"] == {"database": "healthy"}
    site.checks.add("cache", fail, critical=False)
    assert ask(f"{site.url}/health").status == 200
    site.checks.add("disk", fail)
    answer = ask(f"{site.url}/health")
    assert answer.status == 503
    assert json.loads(answer.body)["status"] == "unhealthy"
    assert answer.headers["Cache-Control"] == "no-store"


def test_health_json_on_request(site: Site) -> None:
    """Who accepts the draft's media type gets it."""
    answer = ask(f"{site.url}/health", accept="application/health+json, */*;q=0.1")
    assert answer.headers["Content-Type"] == "application/health+json"
    assert json.loads(answer.body)["status"] == "pass"


def test_metrics_are_beside_it(site: Site) -> None:
    """The registry, in text or in OpenMetrics as asked."""
    ask(f"{site.url}/health")
    answer = ask(f"{site.url}/metrics", accept="text/plain")
    assert answer.status == 200
    assert b"\njobs_total 3.0\n" in answer.body
    assert b'veriscope_health_check_up{check="database",service="genrf"} 1.0' in answer.body
    answer = ask(f"{site.url}/metrics", accept="application/openmetrics-text; version=1.0.0")
    assert answer.body.endswith(b"# EOF\n")


def test_head_has_no_body(site: Site) -> None:
    """HEAD is GET without its body."""
    for path in ("/health", "/metrics"):
        answer = ask(site.url + path, "HEAD")
        assert (answer.status, answer.body) == (200, b"")
        assert int(answer.headers["Content-Length"]) > 0


def test_all_else_is_refused(site: Site) -> None:
    """404 for another path, 405 with what is allowed for another method."""
    assert ask(f"{site.url}/healthy").status == 404
    answer = ask(f"{site.url}/health", "POST")
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")
    assert "error" in json.loads(answer.body)
