import threading
from collections.abc import Iterator

import psutil
import pytest
from prometheus_client import CollectorRegistry
from starlette.requests import Request

from examples.faults import FAULTS, Faults, MemoryLeak


@pytest.fixture
def faults() -> Iterator[Faults]:
    """Return a switchboard with every fault; all are off in the end."""
    found = Faults(FAULTS, CollectorRegistry())
    yield found
    for name in FAULTS:
        found.switch(name, on=False)


def test_unknown_faults_cannot_be_had() -> None:
    """A service may have only faults that exist."""
    with pytest.raises(ValueError, match="not faults"):
        Faults(["meteor"], CollectorRegistry())


def test_watchers_hear_changes_only(faults: Faults) -> None:
    """Switching on what is on already tells nobody."""
    heard: list[bool] = []
    faults.watch("gpu-hot", heard.append)
    for on in (True, True, False, False):
        faults.switch("gpu-hot", on=on)
    assert heard == [True, False]


def test_memory_leaks_up_to_a_bound_and_is_freed(faults: Faults) -> None:
    """The leak takes resident memory, stops at its limit, and gives all back."""
    process = psutil.Process()
    leak = MemoryLeak(faults, rate_bytes=64 << 20, limit_bytes=64 << 20)
    before = process.memory_info().rss
    faults.switch("memory-leak", on=True)
    waiting = threading.Event()
    while leak.held_bytes < 64 << 20:
        waiting.wait(0.01)
    assert process.memory_info().rss > before + (48 << 20)
    waiting.wait(1.2)
    assert leak.held_bytes == 64 << 20
    faults.switch("memory-leak", on=False)
    assert leak.held_bytes == 0
    assert process.memory_info().rss < before + (32 << 20)


@pytest.mark.parametrize(
    ("client", "status"),
    [(("127.0.0.1", 5), 200), (("::1", 5), 200), (("10.0.0.9", 5), 403), (None, 403)],
)
async def test_only_this_machine_switches(
    faults: Faults, client: tuple[str, int] | None, status: int
) -> None:
    """A request from elsewhere is refused."""
    request = Request({"type": "http", "method": "GET", "client": client, "headers": []})
    assert (await faults._answer(request)).status_code == status
