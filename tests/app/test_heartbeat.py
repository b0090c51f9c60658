"""The dead man's switch."""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from veriscope.app.heartbeat import Heartbeat, HeartbeatOptions
from veriscope.rules import GroupState, parse_rule_groups
from veriscope.signals import ManualClock, Secret, UnavailableError, decode_unit

INTERVAL_MS = 15_000


class Watched:
    """A server with one group of rules and a store."""

    def __init__(self, url: str) -> None:
        self.clock = ManualClock(1_000_000)
        (group,) = parse_rule_groups("groups: [{name: g}]", "f.yml")
        self.state = GroupState(group, INTERVAL_MS, [])
        self.registry = CollectorRegistry()
        self.store_error = ""
        self.heartbeat = Heartbeat(
            HeartbeatOptions(url=Secret(url)),
            rules=lambda: [self.state],
            check=self.check,
            clock=self.clock,
            registry=self.registry,
        )

    def check(self) -> None:
        """Fail where the store does."""
        if self.store_error:
            raise UnavailableError(self.store_error)

    def counted(self, name: str) -> float | None:
        """Return a metric of the heartbeat."""
        return self.registry.get_sample_value(f"veriscope_heartbeat{name}")


@pytest.fixture
def watched(receiver: Any) -> Watched:
    """Return a server that tells a real receiver."""
    return Watched(receiver.url + "/beat?token=secret")


async def test_a_server_that_watches_says_so(watched: Watched, receiver: Any) -> None:
    """One post each time, counted where it arrived."""
    watched.state.evaluated_ms = watched.clock.now_ms()
    assert await watched.heartbeat.beat()
    assert [each.path for each in receiver.requests] == ["/beat?token=secret"]
    assert watched.counted("s_total") == 1


async def test_late_rules_withhold_it(watched: Watched, receiver: Any) -> None:
    """Whoever waits for the heartbeat learns that alerts would not be noticed."""
    watched.state.evaluated_ms = watched.clock.now_ms()
    watched.clock.advance(ms=3 * INTERVAL_MS + 60_000)
    assert await watched.heartbeat.beat()
    watched.clock.advance(ms=1)
    assert not await watched.heartbeat.beat()
    assert len(receiver.requests) == 1
    assert watched.counted("_withheld") == 1


async def test_rules_that_never_ran_withhold_it(watched: Watched, receiver: Any) -> None:
    """A group has time to be evaluated first after the start, and no more."""
    assert await watched.heartbeat.beat()
    watched.clock.advance(ms=3 * INTERVAL_MS + 60_001)
    assert not await watched.heartbeat.beat()
    assert len(receiver.requests) == 1


async def test_a_store_that_fails_withholds_it(watched: Watched, receiver: Any) -> None:
    """And it goes on once the store is back."""
    watched.state.evaluated_ms = watched.clock.now_ms()
    watched.store_error = "disk full"
    assert not await watched.heartbeat.beat()
    watched.store_error = ""
    assert await watched.heartbeat.beat()
    assert len(receiver.requests) == 1
    assert watched.counted("_withheld") == 0


async def test_a_refusal_is_counted_and_shows_no_secret(
    watched: Watched, receiver: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """The next interval tries again."""
    watched.state.evaluated_ms = watched.clock.now_ms()
    receiver.statuses = [500]
    assert not await watched.heartbeat.beat()
    assert watched.counted("s_failed_total") == 1
    assert "secret" not in "".join(capsys.readouterr())


async def test_without_an_address_nothing_is_sent(receiver: Any) -> None:
    """The loop then waits for the end alone."""
    heartbeat = Heartbeat(
        HeartbeatOptions(),
        rules=list,
        check=print,
        clock=ManualClock(),
        registry=CollectorRegistry(),
    )
    stop = asyncio.Event()
    running = asyncio.create_task(heartbeat.run(stop))
    await asyncio.sleep(0)
    stop.set()
    await running
    assert not receiver.requests


@pytest.mark.parametrize(
    "given",
    [{"url": "ftp://a"}, {"url": "http://a", "url_file": "b"}, {"interval": "10ms"}],
    ids=["scheme", "both", "interval"],
)
def test_options_that_cannot_work_are_refused(
    given: dict[str, str], convert: Callable[[dict[str, str]], HeartbeatOptions]
) -> None:
    """At the start, not at the first post."""
    with pytest.raises(msgspec.ValidationError):
        convert(given)


@pytest.fixture
def convert() -> Callable[[dict[str, str]], HeartbeatOptions]:
    """Return what reads options as the configuration file's are read."""
    return lambda given: msgspec.convert(given, HeartbeatOptions, dec_hook=decode_unit)
