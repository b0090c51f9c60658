"""What the store promises of events."""

from collections.abc import Callable

import pytest

from veriscope.signals import FetchLimits, InvalidInputError
from veriscope.signals.events import Event
from veriscope.store import Store

LIMITS = FetchLimits()
NOON_MS = 1_700_000_000_000
DEPLOY = Event(
    time_ms=NOON_MS,
    kind="deploy",
    title="chat 1.4 ☃",
    text='it\'s\n"odd" {x:String} \\n',
    url="https://ci.example/7",
    labels=(("instance", "a:1"), ("service", "chat")),
    id="deploy-7",
)


def _at(time_ms: int, kind: str = "restart", id: str = "") -> Event:  # noqa: A002 - the field's name
    return Event(time_ms=time_ms, kind=kind, title=f"at {time_ms}", id=id)


def test_an_event_comes_back_as_it_was_written(any_store: Store) -> None:
    """Every field, whether the engine is embedded or a server."""
    any_store.events.add([DEPLOY])
    assert any_store.events.find(NOON_MS, NOON_MS, limits=LIMITS) == [DEPLOY]


def test_the_newest_come_first_and_both_ends_belong(store: Store) -> None:
    """A range has its first and its last millisecond; a limit keeps the newest."""
    store.events.add([_at(NOON_MS + step, id=str(step)) for step in range(5)])

    def found(start: int, end: int, limit: int = 100) -> list[str]:
        events = store.events.find(NOON_MS + start, NOON_MS + end, limit=limit, limits=LIMITS)
        return [event.id for event in events]

    assert found(1, 3) == ["3", "2", "1"]
    assert found(0, 9, limit=2) == ["4", "3"]
    assert found(5, 9) == []


def test_kinds_narrow_what_is_found(store: Store) -> None:
    """No kinds are all kinds."""
    store.events.add([DEPLOY, _at(NOON_MS, "config", id="c"), _at(NOON_MS, id="r")])

    def found(*kinds: str) -> set[str]:
        events = store.events.find(NOON_MS, NOON_MS, kinds=kinds, limits=LIMITS)
        return {event.kind for event in events}

    assert found() == {"deploy", "config", "restart"}
    assert found("deploy", "config") == {"deploy", "config"}
    assert found("x' OR 1 = 1 --") == set()


def test_an_event_is_stored_once(store: Store) -> None:
    """A retry under one id, even with a later time, is the same event; so is one without an id."""
    store.events.add([DEPLOY])
    store.events.add([Event(time_ms=NOON_MS + 5, kind="deploy", title="again", id=DEPLOY.id)])
    assert [event.title for event in store.events.find(0, 2 * NOON_MS, limits=LIMITS)] == ["again"]
    store.events.add([_at(0), _at(1), _at(0)])
    store.events.add([_at(1)])
    nameless = store.events.find(0, 1, limits=LIMITS)
    assert [event.time_ms for event in nameless] == [1, 0]
    assert all(event.id for event in nameless)


@pytest.mark.parametrize("time_ms", [-1, 4_102_444_800_000])
def test_a_time_that_cannot_be_stored_is_refused(store: Store, time_ms: int) -> None:
    """The engine would take it for another time."""
    with pytest.raises(InvalidInputError, match="between 1970 and 2100"):
        store.events.add([DEPLOY, _at(time_ms)])
    assert store.events.find(0, 2 * NOON_MS, limits=LIMITS) == []


def test_events_are_there_after_reopening(open_store: Callable[..., Store]) -> None:
    """What was written is on disk."""
    first = open_store("kept_events")
    first.events.add([DEPLOY])
    first.close()
    again = open_store("kept_events").events
    assert again.find(0, 2 * NOON_MS, limits=LIMITS) == [DEPLOY]
