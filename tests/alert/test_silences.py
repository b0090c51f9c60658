import asyncio
import threading
from collections.abc import Collection, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from veriscope.alert.matchers import Matching, parse_matchers
from veriscope.alert.silences import (
    Silence,
    SilenceOptions,
    Silences,
    SilenceState,
    UnknownSilenceError,
)
from veriscope.signals import (
    Duration,
    InvalidInputError,
    LimitExceededError,
    ManualClock,
    UnavailableError,
    to_labels,
)

HOUR_MS = 3_600_000
START_MS = 1_900_000_000_000


class Door:
    """State in memory, which can be told to fail or to wait."""

    def __init__(self) -> None:
        self.documents: dict[str, bytes] = {}
        self.is_away = False
        self.may_go_on = threading.Event()
        self.may_go_on.set()

    def all(self, kind: str) -> dict[str, bytes]:
        """Return the silences."""
        assert kind == "silence"
        return dict(self.documents)

    def put_many(self, kind: str, documents: Mapping[str, bytes]) -> None:
        """Keep them, unless the store is away."""
        assert kind == "silence"
        assert self.may_go_on.wait(60)
        if self.is_away:
            raise UnavailableError("the store is away")
        self.documents |= documents

    def delete_many(self, kind: str, keys: Collection[str]) -> None:
        """Drop them."""
        assert kind == "silence"
        for key in keys:
            del self.documents[key]


@pytest.fixture
def door() -> Door:
    """Return an empty state."""
    return Door()


@pytest.fixture
def clock() -> ManualClock:
    """Return a clock that stands."""
    return ManualClock(START_MS)


@pytest.fixture
def silences(door: Door, clock: ManualClock) -> Silences:
    """Return silences of which there are none yet."""
    return Silences(door, clock, CollectorRegistry())


def _silence(text: str = "a=1", *, starts: float = 0, ends: float = 1, id: str = "") -> Silence:  # noqa: A002 - the field's name
    """Make a silence; its start and end are hours from the tests' start."""
    return Silence(
        matchers=parse_matchers(text),
        starts_at_ms=START_MS + round(starts * HOUR_MS),
        ends_at_ms=START_MS + round(ends * HOUR_MS),
        created_by="me",
        comment="why",
        id=id,
    )


async def test_a_silence_holds_from_its_start_to_its_end(
    silences: Silences, clock: ManualClock
) -> None:
    """For alerts that fulfil all its matchers."""
    silence_id = await silences.set(_silence("a=1,b!=2", starts=1, ends=2))
    labels = to_labels({"a": "1"})
    found = silences.get(silence_id)
    assert found is not None
    for state, ids in (
        (SilenceState.PENDING, ()),
        (SilenceState.ACTIVE, (silence_id,)),
        (SilenceState.EXPIRED, ()),
    ):
        assert found.state(clock.now_ms()) is state
        assert silences.silenced_by(labels, clock.now_ms()) == ids
        assert silences.silenced_by(to_labels({"a": "1", "b": "2"}), clock.now_ms()) == ()
        clock.advance(ms=HOUR_MS)


async def test_silences_survive_a_restart(
    silences: Silences, door: Door, clock: ManualClock
) -> None:
    """Whole; what cannot be read is left in the store and keeps nothing else from loading."""
    silence_id = await silences.set(_silence('a=~"x.*",b!~"\\"\n"'))
    door.documents["broken"] = b"{}"
    again = Silences(door, clock, CollectorRegistry())
    await again.load()
    assert again.all() == silences.all()
    assert again.silenced_by(to_labels({"a": "xy"}), clock.now_ms()) == (silence_id,)
    assert "broken" in door.documents


async def test_what_is_not_stored_is_not_so(silences: Silences, door: Door) -> None:
    """A failure of the store changes nothing."""
    kept = await silences.set(_silence())
    before = silences.all()
    door.is_away = True
    with pytest.raises(UnavailableError):
        await silences.set(_silence("b=2"))
    with pytest.raises(UnavailableError):
        await silences.expire(kept)
    assert silences.all() == before


async def test_who_goes_away_leaves_no_silence_unknown(silences: Silences, door: Door) -> None:
    """A request that is cancelled while its silence is stored is carried out."""
    door.may_go_on.clear()
    request = asyncio.ensure_future(silences.set(_silence()))
    await asyncio.sleep(0)
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    door.may_go_on.set()
    await silences.set(_silence("b=2"))
    assert {each.id for each in silences.all()} == set(door.documents)
    assert len(door.documents) == 2


async def test_an_active_silence_changes_its_end_in_place(
    silences: Silences, clock: ManualClock
) -> None:
    """Its comment too; a change of anything else ends it and makes a new one."""
    old = await silences.set(_silence())
    assert await silences.set(_silence(ends=3, id=old)) == old
    clock.advance(ms=1_000)
    new = await silences.set(_silence("a=2", id=old))
    assert new != old
    ended, made = silences.get(old), silences.get(new)
    assert ended is not None
    assert made is not None
    assert ended.state(clock.now_ms()) is SilenceState.EXPIRED
    assert made.starts_at_ms == clock.now_ms()
    moved = await silences.set(_silence("a=2", starts=0.5, id=new))
    assert moved != new


async def test_a_pending_silence_changes_its_start_in_place(
    silences: Silences, clock: ManualClock
) -> None:
    """To any time that is to come; one that has been begins a new silence now."""
    old = await silences.set(_silence(starts=2, ends=3))
    assert await silences.set(_silence(starts=1, ends=3, id=old)) == old
    clock.advance(ms=1_000)
    new = await silences.set(_silence(starts=0, ends=3, id=old))
    assert new != old
    assert [each.id for each in silences.all() if each.ends_at_ms > clock.now_ms()] == [new]


async def test_an_ended_silence_is_made_anew(silences: Silences, clock: ManualClock) -> None:
    """And stays as it was."""
    old = await silences.set(_silence())
    await silences.expire(old)
    clock.advance(ms=1_000)
    assert await silences.set(_silence(id=old)) != old
    with pytest.raises(InvalidInputError, match="already expired"):
        await silences.expire(old)


async def test_a_pending_silence_that_is_expired_never_began(
    silences: Silences, clock: ManualClock
) -> None:
    """Both its times are now."""
    silence_id = await silences.set(_silence(starts=1, ends=2))
    await silences.expire(silence_id)
    found = silences.get(silence_id)
    assert found is not None
    assert found.starts_at_ms == found.ends_at_ms == clock.now_ms()
    assert found.state(clock.now_ms()) is SilenceState.EXPIRED


async def test_ids_that_are_not_known(silences: Silences) -> None:
    """Are an error of their own."""
    with pytest.raises(UnknownSilenceError):
        await silences.set(_silence(id="none"))
    with pytest.raises(UnknownSilenceError):
        await silences.expire("none")
    assert silences.get("none") is None


@pytest.mark.parametrize(
    ("silence", "match"),
    [
        (_silence(""), "at least one matcher"),
        (_silence("a=~x*,b="), "at least one matcher"),
        (_silence(starts=2, ends=1), "before its end"),
        (_silence(starts=1, ends=1), "before its end"),
        (_silence(starts=-2, ends=-1), "before its end"),
    ],
    ids=["none", "empty", "reversed", "short", "past"],
)
async def test_silences_that_cannot_be(silences: Silences, silence: Silence, match: str) -> None:
    """Are refused with the reason."""
    with pytest.raises(InvalidInputError, match=match):
        await silences.set(silence)
    assert not silences.all()


async def test_limits(door: Door, clock: ManualClock) -> None:
    """On how many there are, those that have ended included, and on the size of each."""
    options = SilenceOptions(max_silences=2, max_silence_bytes=1_000)
    silences = Silences(door, clock, CollectorRegistry(), options)
    first = await silences.set(_silence())
    await silences.expire(await silences.set(_silence("b=1")))
    with pytest.raises(LimitExceededError, match="max_silences"):
        await silences.set(_silence("c=1"))
    with pytest.raises(LimitExceededError, match="max_silence_bytes"):
        await silences.set(_silence("a=" + "x" * 1_000))
    assert await silences.set(_silence(ends=5, id=first)) == first


async def test_what_ended_long_ago_is_collected(door: Door, clock: ManualClock) -> None:
    """After the retention, from the store too."""
    options = SilenceOptions(retention=Duration.parse("1h"))
    silences = Silences(door, clock, CollectorRegistry(), options)
    await silences.set(_silence())
    later = await silences.set(_silence("b=1", ends=2))
    clock.advance(ms=2 * HOUR_MS)
    await silences.collect()
    assert len(silences.all()) == 2
    clock.advance(ms=1)
    await silences.collect()
    assert [each.id for each in silences.all()] == list(door.documents) == [later]


async def test_the_order_and_filters_of_a_list(silences: Silences, clock: ManualClock) -> None:
    """Active, pending, expired; a filter is a matcher that the silence has."""
    given = [
        _silence("a=1", ends=5),
        _silence("a=1,b=2", ends=4),
        _silence("a=~1", starts=2, ends=3),
        _silence("a=1", starts=1, ends=3),
    ]
    one, two, three, four = [await silences.set(each) for each in given]
    ended = await silences.set(_silence("a=1"))
    await silences.expire(ended)
    clock.advance(ms=1)
    assert [each.id for each in silences.all()] == [two, one, four, three, ended]
    assert [each.id for each in silences.all(parse_matchers("a=1,b=2"))] == [two]
    assert [each.id for each in silences.all(parse_matchers("a=~1"))] == [three]
    assert not silences.all(parse_matchers("b!=3"))


_TEXTS = st.lists(
    st.builds(
        "{}{}{}".format,
        st.sampled_from("ab"),
        st.sampled_from(["=", "!=", "=~", "!~"]),
        st.sampled_from("12"),
    ),
    min_size=1,
    max_size=2,
).map(",".join)
_LABELS = st.dictionaries(st.sampled_from("ab"), st.sampled_from("12"), max_size=2)
_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("set"), _TEXTS, st.integers(0, 2), st.integers(1, 4)),
        st.tuples(st.just("expire"), st.integers(0, 5)),
        st.tuples(st.just("wait"), st.integers(1, 2)),
        st.tuples(st.just("ask"), _LABELS),
    ),
    max_size=25,
)


@given(_STEPS)
def test_silenced_by_as_a_plain_reference_has_it(steps: list[tuple[object, ...]]) -> None:
    """The same ids as from trying every silence, whatever has been made and asked before."""

    async def run() -> None:
        clock = ManualClock(START_MS)
        silences = Silences(Door(), clock, CollectorRegistry())
        for step in steps:
            match step:
                case ("set", str(text), int(starts), int(length)):
                    past = (clock.now_ms() - START_MS) / HOUR_MS
                    silence = _silence(text, starts=past + starts, ends=past + starts + length)
                    if any(each.op in ("=", "=~") for each in silence.matchers):
                        await silences.set(silence)
                case ("expire", int(index)):
                    known = silences.all()
                    if index < len(known) and known[index].ends_at_ms > clock.now_ms():
                        await silences.expire(known[index].id)
                case ("wait", int(hours)):
                    clock.advance(ms=hours * HOUR_MS)
                case ("ask", dict(labels)):
                    now_ms = clock.now_ms()
                    expected = sorted(
                        each.id
                        for each in silences.all()
                        if each.starts_at_ms <= now_ms < each.ends_at_ms
                        and Matching(each.matchers).matches(labels)
                    )
                    assert list(silences.silenced_by(to_labels(labels), now_ms)) == expected

    asyncio.run(run())


async def test_states_are_counted(door: Door, clock: ManualClock) -> None:
    """As they are when the metrics are read."""
    registry = CollectorRegistry()
    silences = Silences(door, clock, registry)
    await silences.set(_silence())
    await silences.set(_silence(starts=1, ends=2))

    def count(state: str) -> float | None:
        return registry.get_sample_value("veriscope_silences", {"state": state})

    assert (count("active"), count("pending"), count("expired")) == (1, 1, 0)
    clock.advance(ms=HOUR_MS)
    assert (count("active"), count("pending"), count("expired")) == (1, 0, 1)
