"""Writing behind: nothing that was noted is lost while the process lives."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager

import pytest
from prometheus_client import CollectorRegistry

from veriscope.alert import state as state_room
from veriscope.alert.state import Journal


class Documents:
    """A store that fails as often as it is told to, and remembers what it was asked."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.kept: dict[str, dict[str, bytes]] = {}
        self.puts: list[dict[str, bytes]] = []
        self.on_put: Callable[[], None] = lambda: None

    def all(self, kind: str) -> dict[str, bytes]:
        """Return what is kept."""
        return dict(self.kept.get(kind, {}))

    def get(self, kind: str, key: str) -> bytes | None:
        """Return what is kept under *key*."""
        return self.kept.get(kind, {}).get(key)

    def put_many(self, kind: str, documents: Mapping[str, bytes]) -> None:
        """Keep *documents*, or fail."""
        self.on_put()
        if self.failures:
            self.failures -= 1
            raise OSError("away")
        self.puts.append(dict(documents))
        self.kept.setdefault(kind, {}).update(documents)

    def delete_many(self, kind: str, keys: Collection[str]) -> None:
        """Drop documents."""
        for key in keys:
            self.kept.get(kind, {}).pop(key, None)


@asynccontextmanager
async def writing(journal: Journal) -> AsyncIterator[None]:
    """Let *journal* write meanwhile; when this ends, it has stopped."""
    stop = asyncio.Event()
    task = asyncio.create_task(journal.run(stop))
    yield
    stop.set()
    await task


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_room, "_FIRST_PAUSE_S", 0.001)


async def test_only_the_newest_of_a_key_waits() -> None:
    """While nothing is written, documents of one key replace each other."""
    documents = Documents()
    journal = Journal(documents, CollectorRegistry())
    for number in range(100):
        journal.put("alert", "a", str(number).encode())
    journal.put("alert", "b", b"x")
    journal.delete("alert", "b")
    async with writing(journal):
        assert await journal.durable(30)
    assert documents.kept == {"alert": {"a": b"99"}}
    assert documents.puts == [{"a": b"99"}]


async def test_failures_are_repeated_and_counted() -> None:
    """What a failed write held is written later, unless something newer has come."""
    documents = Documents(failures=3)
    registry = CollectorRegistry()
    journal = Journal(documents, registry)
    documents.on_put = lambda: journal.put("alert", "a", b"new")
    journal.put("alert", "a", b"old")
    journal.put("alert", "b", b"kept")
    async with writing(journal):
        assert await journal.durable(30)
    assert documents.kept == {"alert": {"a": b"new", "b": b"kept"}}
    assert registry.get_sample_value("veriscope_alert_state_failures_total") == 3


async def test_waiting_for_the_store_is_bounded() -> None:
    """Nobody waits longer than they want to."""
    journal = Journal(Documents(), CollectorRegistry())
    journal.put("alert", "a", b"x")
    assert not await journal.durable(0.01)


async def test_what_waits_at_the_end_is_written() -> None:
    """Stopping writes what was noted last."""
    documents = Documents()
    journal = Journal(documents, CollectorRegistry())
    async with writing(journal):
        journal.put("alert", "a", b"x")
    assert documents.kept == {"alert": {"a": b"x"}}


async def test_order_between_kinds_is_kept() -> None:
    """A log entry is never stored before the alert that was noted before it."""
    documents = Documents()
    journal = Journal(documents, CollectorRegistry())
    seen: list[set[str]] = []

    def note() -> None:
        if len(documents.puts) == 1 and not seen:
            journal.put("alert", "late", b"x")
            journal.put("notification", "of late", b"x")
        seen.append({key for found in documents.kept.values() for key in found})

    documents.on_put = note
    journal.put("alert", "a", b"x")
    journal.put("notification", "of a", b"x")
    async with writing(journal):
        assert await journal.durable(30)
    assert not any("of late" in each and "late" not in each for each in seen)


async def test_one_document_is_the_newest() -> None:
    """Whether it waits, is being written, or is stored."""
    documents = Documents()
    journal = Journal(documents, CollectorRegistry())
    documents.kept = {"alert": {"a": b"stored", "b": b"stored"}}
    journal.put("alert", "a", b"new")
    journal.delete("alert", "b")
    assert await journal.get("alert", "a") == b"new"
    assert await journal.get("alert", "b") is None
    assert await journal.get("alert", "c") is None
    seen: list[bytes | None] = []
    documents.on_put = lambda: seen.append(asyncio.run(journal.get("alert", "a")))
    async with writing(journal):
        assert await journal.durable(30)
    assert [*seen, await journal.get("alert", "a")] == [b"new", b"new"]
