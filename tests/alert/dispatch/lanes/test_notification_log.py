"""When there is something to say."""

import pytest
from prometheus_client import CollectorRegistry

from tests.alert.dispatch.conftest import MemoryState
from veriscope.alert.dispatch.lanes.notification_log import NotificationLog
from veriscope.alert.state import Journal
from veriscope.signals import ManualClock

HOUR_MS = 3_600_000


def new_log(clock: ManualClock) -> NotificationLog:
    """Return a log that is empty."""
    return NotificationLog(Journal(MemoryState(), CollectorRegistry()), clock)


@pytest.mark.parametrize(
    ("told", "now", "send_resolved", "expected"),
    [
        (None, ("a", ""), True, True),
        (None, ("", "a"), True, False),
        (("a", ""), ("a", ""), True, False),
        (("a", ""), ("ab", ""), True, True),
        (("ab", ""), ("a", ""), True, False),
        (("ab", ""), ("a", "b"), True, True),
        (("ab", ""), ("a", "b"), False, False),
        (("a", ""), ("", "a"), False, True),
        (("", "a"), ("", "b"), True, False),
        (("a", "b"), ("a", "b"), True, False),
    ],
)
async def test_what_is_news(
    told: tuple[str, str] | None,
    now: tuple[str, str],
    send_resolved: bool,  # noqa: FBT001 - a parameter of the cases
    expected: bool,  # noqa: FBT001 - likewise
) -> None:
    """Alertmanager's rules: letters are alerts, those that fire and those that have ended."""
    log = new_log(ManualClock(0))
    if told is not None:
        log.log("key", *told, keep_ms=HOUR_MS)
    found = log.needs_update("key", *now, repeat_ms=HOUR_MS, send_resolved=send_resolved)
    assert found is expected


async def test_it_repeats_after_the_interval_only() -> None:
    """Exactly the interval is not yet more than it."""
    clock = ManualClock(HOUR_MS)
    log = new_log(clock)
    log.log("key", "a", "", keep_ms=9 * HOUR_MS)
    clock.advance(ms=HOUR_MS)
    assert not log.needs_update("key", "a", "", repeat_ms=HOUR_MS, send_resolved=True)
    clock.advance(ms=1)
    assert log.needs_update("key", "a", "", repeat_ms=HOUR_MS, send_resolved=True)


async def test_entries_expire() -> None:
    """What has expired is collected, at the latest after five days."""
    clock = ManualClock(0)
    log = new_log(clock)
    log.log("short", "a", "", keep_ms=HOUR_MS)
    log.log("long", "a", "", keep_ms=900 * HOUR_MS)
    clock.advance(ms=HOUR_MS)
    log.collect()
    assert len(log) == 1
    clock.advance(ms=119 * HOUR_MS)
    log.collect()
    assert len(log) == 0
