"""Reading the configuration again, over HTTP."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from veriscope.signals import InvalidInputError
from veriscope.web import ReloadApi
from veriscope.web.app import Api

STATE = "/api/veriscope/v1/configuration"


class FakeConfiguration:
    """Files that can be bad."""

    def __init__(self) -> None:
        self.error = ""
        self.loaded_ms = 1_000
        self.bad = False
        self.reloads = 0

    async def reload(self) -> None:
        """Count, or fail."""
        await asyncio.sleep(0)
        self.reloads += 1
        if self.bad:
            self.error = "rules.yml:3: no expression"
            raise InvalidInputError(self.error)


@pytest.fixture
def configuration() -> FakeConfiguration:
    """Return files that are good."""
    return FakeConfiguration()


@pytest.fixture
def parts(configuration: FakeConfiguration) -> Sequence[Api]:
    """Serve them."""
    return [ReloadApi(configuration)]


@pytest.mark.parametrize("method", ["POST", "PUT"])
async def test_files_are_read_again(
    web: Any, configuration: FakeConfiguration, method: str
) -> None:
    """200 and nothing, as Prometheus answers."""
    async with web.session.request(method, f"{web.base}/-/reload") as answer:
        assert (answer.status, await answer.text()) == (200, "")
    assert configuration.reloads == 1


async def test_a_bad_file_is_named(web: Any, configuration: FakeConfiguration) -> None:
    """500 and the reason, which can be read afterwards too."""
    configuration.bad = True
    async with web.post("/-/reload") as answer:
        assert answer.status == 500
        expected = "failed to reload config: rules.yml:3: no expression\n"
        assert await answer.text() == expected
    async with web.get(STATE) as answer:
        assert (await answer.json())["data"] == {
            "loaded_at": "1970-01-01T00:00:01.000Z",
            "success": False,
            "error": "rules.yml:3: no expression",
        }


async def test_reading_is_no_reload(web: Any, configuration: FakeConfiguration) -> None:
    """A GET changes nothing, nor does a page of another site."""
    async with web.get("/-/reload") as answer:
        assert answer.status == 405
    async with web.post("/-/reload", headers={"Origin": "http://evil.example"}) as answer:
        assert answer.status == 403
    assert configuration.reloads == 0
