"""Pages of other origins: which may read answers."""

from typing import Any

import pytest

from veriscope.app.config import ServerOptions
from veriscope.signals import Secret
from veriscope.web import Access

ALLOW = "Access-Control-Allow-Origin"


@pytest.fixture
def access() -> Access:
    """Return what a server without configuration allows, which wants a token besides."""
    return Access(token=Secret("s3cret"), cors_origin=ServerOptions().cors_origin)


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("http://localhost:3000", "http://localhost:3000"),
        ("https://127.0.0.1", "https://127.0.0.1"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("http://localhost.evil.example", None),
        ("http://evil.example/http://localhost", None),
        ("http://127a0b0c1", None),
        ("null", None),
    ],
)
async def test_pages_of_this_machine_may_read(web: Any, origin: str, allowed: str | None) -> None:
    """Others are told nothing, so their browser keeps the answer from them."""
    headers = {"Origin": origin, "Authorization": "Bearer s3cret"}
    async with web.get("/api/v1/labels", headers=headers) as answer:
        assert answer.status == 200
        assert answer.headers.get(ALLOW) == allowed
        assert "Origin" in answer.headers["Vary"]


@pytest.mark.parametrize("path", ["/api/v1/query", "/v1/traces"])
async def test_a_browser_asks_beforehand_without_a_token(web: Any, path: str) -> None:
    """It never sends one with that question, and the answer says nothing of the data."""
    headers = {"Origin": "http://localhost:3000", "Access-Control-Request-Method": "POST"}
    async with web.session.options(web.base + path, headers=headers) as answer:
        assert answer.status == 204
        assert answer.headers[ALLOW] == headers["Origin"]
        assert "Authorization" in answer.headers["Access-Control-Allow-Headers"]
        assert "POST" in answer.headers["Access-Control-Allow-Methods"]
    async with web.session.options(web.base + path) as answer:
        assert answer.status == 204
        assert ALLOW not in answer.headers


async def test_the_page_itself_is_for_its_own_origin(web: Any) -> None:
    """Only the API and OTLP are for other pages."""
    headers = {"Origin": "http://localhost:3000", "Authorization": "Bearer s3cret"}
    async with web.get("/", headers=headers) as answer:
        assert ALLOW not in answer.headers


class TestNone:
    """A server whose operator allows no origin."""

    @pytest.fixture
    def access(self) -> Access:
        """Return the empty pattern."""
        return Access(cors_origin="")

    async def test_no_origin_may_read(self, web: Any) -> None:
        """Not even this machine's."""
        async with web.get("/api/v1/labels", headers={"Origin": "http://localhost"}) as answer:
            assert ALLOW not in answer.headers
