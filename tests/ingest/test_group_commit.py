"""Grouping, acknowledging, refusing."""

import asyncio
import math
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from prometheus_client import CollectorRegistry

from veriscope.ingest import CommitMetrics, GroupCommit
from veriscope.signals import InvalidInputError, OverloadedError


class Recorder:
    """A store that notes its groups, can be held up, and refuses the item `bad`."""

    def __init__(self) -> None:
        self.groups: list[list[str]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()

    def insert(self, items: Sequence[str]) -> None:
        """Store *items*."""
        self.entered.set()
        self.gate.wait(10)
        if "bad" in items:
            raise InvalidInputError("bad is refused")
        if "broken" in items:
            raise RuntimeError("disk on fire")
        self.groups.append(list(items))

    async def hold(self, lane: GroupCommit[str]) -> asyncio.Task[None]:
        """Let the store be busy with one item until the gate opens."""
        self.gate.clear()
        first = asyncio.create_task(lane.submit("first", 1))
        await asyncio.to_thread(self.entered.wait, 60)
        return first


@asynccontextmanager
async def running(
    store: Recorder,
    *,
    pending: int = 1000,
    commit: int = 100,
    spacing_s: float = 0,
    eager: float = math.inf,
    linger: float = 0,
) -> AsyncIterator[tuple[GroupCommit[str], CollectorRegistry]]:
    """Run a lane in front of *store*; drain it at the end."""
    registry, stop = CollectorRegistry(), asyncio.Event()
    lane = GroupCommit(
        "test",
        store.insert,
        max_pending_bytes=pending,
        max_commit_bytes=commit,
        metrics=CommitMetrics(registry),
        spacing_s=spacing_s,
        eager_bytes=eager,
        linger=linger,
    )
    task = asyncio.create_task(lane.run(stop))
    try:
        yield lane, registry
    finally:
        store.gate.set()
        stop.set()
        await task


async def test_what_waits_together_is_stored_together() -> None:
    """While one insert runs the others gather, and then go in one."""
    store = Recorder()
    async with running(store) as (lane, _):
        first = await store.hold(lane)
        others = [asyncio.create_task(lane.submit(name, 1)) for name in "abc"]
        await asyncio.sleep(0)
        assert not any(task.done() for task in [first, *others])
        store.gate.set()
        await asyncio.gather(first, *others)
    assert store.groups == [["first"], ["a", "b", "c"]]


@asynccontextmanager
async def after_a_commit(
    store: Recorder, *, linger: float, eager: float = math.inf
) -> AsyncIterator[GroupCommit[str]]:
    """Run a lane that has just answered `first`, while `a` and `b` wait."""
    async with running(store, linger=linger, eager=eager) as (lane, _):
        await lane.submit("alone", 1)
        store.entered.clear()
        first = await store.hold(lane)
        others = [asyncio.create_task(lane.submit(name, 1)) for name in "ab"]
        await asyncio.sleep(0)
        store.gate.set()
        await first
        yield lane
        await asyncio.gather(*others)


async def test_who_was_just_answered_is_waited_for() -> None:
    """Three who send without a pause are one group, not one and two in turns."""
    store = Recorder()
    async with asyncio.timeout(30), after_a_commit(store, linger=math.inf) as lane:
        for _ in range(20):  # turns of the loop in which it might go on without him
            await asyncio.sleep(0)
        await lane.submit("again", 1)
    assert store.groups == [["alone"], ["first"], ["a", "b", "again"]]


async def test_who_does_not_return_is_not_waited_for_long() -> None:
    """The others are stored without him."""
    store = Recorder()
    async with after_a_commit(store, linger=0.01):
        pass
    assert store.groups == [["alone"], ["first"], ["a", "b"]]


async def test_nobody_is_waited_for_when_there_is_enough() -> None:
    """A full group need not grow."""
    store = Recorder()
    async with after_a_commit(store, linger=math.inf, eager=2):
        pass
    assert store.groups == [["alone"], ["first"], ["a", "b"]]


async def test_a_group_has_a_largest_size() -> None:
    """Items beyond it go with the next one."""
    store = Recorder()
    async with running(store, commit=5) as (lane, _):
        first = await store.hold(lane)
        others = [asyncio.create_task(lane.submit(name, 2)) for name in "abc"]
        await asyncio.sleep(0)
        store.gate.set()
        await asyncio.gather(first, *others)
    assert store.groups == [["first"], ["a", "b"], ["c"]]


async def test_a_bad_member_is_refused_and_the_others_are_stored() -> None:
    """Each gets its own answer."""
    store = Recorder()
    async with running(store) as (lane, registry):
        first = await store.hold(lane)
        others = [asyncio.create_task(lane.submit(name, 1)) for name in ("a", "bad", "c")]
        await asyncio.sleep(0)
        store.gate.set()
        answers = await asyncio.gather(first, *others, return_exceptions=True)
    assert [type(answer) for answer in answers] == [
        type(None),
        type(None),
        InvalidInputError,
        type(None),
    ]
    assert store.groups == [["first"], ["a"], ["c"]]
    labels = {"door": "test", "outcome": "refused"}
    assert registry.get_sample_value("veriscope_ingest_requests_total", labels) == 1


async def test_a_member_that_breaks_the_store_breaks_no_other() -> None:
    """Whatever it was that nobody foresaw."""
    store = Recorder()
    async with running(store) as (lane, _):
        first = await store.hold(lane)
        others = [asyncio.create_task(lane.submit(name, 1)) for name in ("a", "broken", "c")]
        await asyncio.sleep(0)
        store.gate.set()
        answers = await asyncio.gather(first, *others, return_exceptions=True)
    assert [type(answer) for answer in answers] == [
        type(None),
        type(None),
        RuntimeError,
        type(None),
    ]
    assert store.groups == [["first"], ["a"], ["c"]]


async def test_a_failure_of_the_store_reaches_everyone_who_waits() -> None:
    """Nobody is told that it worked, and the lane goes on."""
    store = Recorder()
    async with running(store) as (lane, _):
        with pytest.raises(RuntimeError, match="disk on fire"):
            await lane.submit("broken", 1)
        await lane.submit("next", 1)
    assert store.groups == [["next"]]


async def test_too_much_waiting_is_refused_at_once() -> None:
    """Overload is an answer, not a queue without end."""
    store = Recorder()
    async with running(store, pending=10) as (lane, _):
        first = await store.hold(lane)
        waiting = asyncio.create_task(lane.submit("a", 8))
        await asyncio.sleep(0)
        with pytest.raises(OverloadedError, match="send it again later"):
            await lane.submit("b", 8)
        store.gate.set()
        await asyncio.gather(first, waiting)
    assert store.groups == [["first"], ["a"]]


async def test_one_item_larger_than_everything_is_still_stored_when_nothing_waits() -> None:
    """The bound on what waits is not a bound on one item."""
    store = Recorder()
    async with running(store, pending=10, commit=5) as (lane, _):
        await lane.submit("huge", 50)
    assert store.groups == [["huge"]]


async def test_stopping_stores_what_was_taken_and_takes_no_more() -> None:
    """A clean stop loses nothing that waits."""
    store = Recorder()
    async with running(store) as (lane, _):
        first = await store.hold(lane)
        waiting = asyncio.create_task(lane.submit("a", 1))
        await asyncio.sleep(0)
    await asyncio.gather(first, waiting)
    assert store.groups == [["first"], ["a"]]
    with pytest.raises(OverloadedError, match="stopping"):
        await lane.submit("b", 1)


async def test_a_client_that_hangs_up_does_not_take_its_item_back() -> None:
    """What was submitted is stored; only the answer has nobody to go to."""
    store = Recorder()
    async with running(store) as (lane, _):
        first = await store.hold(lane)
        waiting = asyncio.create_task(lane.submit("a", 1))
        await asyncio.sleep(0)
        waiting.cancel()
        store.gate.set()
        await first
    assert store.groups == [["first"], ["a"]]


async def test_commits_keep_their_distance_and_stopping_does_not_wait() -> None:
    """The first goes at once, the rest go together later, or when the lane stops."""
    store = Recorder()
    async with running(store, spacing_s=60) as (lane, _):
        await lane.submit("first", 1)
        others = [asyncio.create_task(lane.submit(name, 1)) for name in "ab"]
        await asyncio.sleep(0.05)
        assert store.groups == [["first"]]
    await asyncio.gather(*others)
    assert store.groups == [["first"], ["a", "b"]]


async def test_much_that_waits_does_not_keep_its_distance() -> None:
    """Little waits for more; once there is enough it goes at once."""
    store = Recorder()
    async with running(store, spacing_s=60, eager=10) as (lane, _):
        await lane.submit("first", 1)
        little = asyncio.create_task(lane.submit("a", 4))
        await asyncio.sleep(0.05)
        assert store.groups == [["first"]]
        await asyncio.gather(little, lane.submit("b", 6))
        waiting = asyncio.create_task(lane.submit("c", 9))
        await asyncio.sleep(0.05)
        assert store.groups == [["first"], ["a", "b"]]
    await waiting
