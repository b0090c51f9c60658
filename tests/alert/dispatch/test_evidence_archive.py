"""Evidence outlives the process, and is forgotten when it is old or there is too much of it."""

import math
import re
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from tests.alert.dispatch.conftest import START_MS, MemoryState, TwoClocks
from veriscope.alert.dispatch import evidence_archive
from veriscope.alert.dispatch.evidence_archive import EvidenceArchive
from veriscope.alert.group import Alert, AlertGroup
from veriscope.alert.state import Journal
from veriscope.signals import to_labels
from veriscope.signals.events import Event
from veriscope.signals.evidence import ChangedSeries, Evidence, ValueThen


class Shelf:
    """An archive on a store in memory."""

    def __init__(self) -> None:
        self.clock = TwoClocks()
        self.state = MemoryState()
        self.reopen()

    def reopen(self) -> EvidenceArchive:
        """Begin anew with what is stored."""
        self._journal = Journal(self.state, CollectorRegistry())
        self.archive = EvidenceArchive(self._journal, self.clock, external_url="http://v")
        return self.archive

    async def write(self) -> None:
        """Store what waits."""
        assert await self._journal._write()

    def keep(self, *names: str, graph_png: bytes = b"", **fields: Any) -> str:
        """Keep evidence of alerts, and return its id."""
        alerts = tuple(
            Alert(to_labels({"alertname": each}), (), START_MS + number)
            for number, each in enumerate(names)
        )
        group = AlertGroup("team", alerts, (("job", "a"),))
        found = Evidence(self.clock.now_ms(), graph_png=graph_png, **fields)
        return self.archive.keep(group, found).id


@pytest.fixture
def shelf() -> Shelf:
    """Return an empty archive."""
    return Shelf()


async def test_all_of_it_is_there_after_a_restart(shelf: Shelf) -> None:
    """Infinite values, events and the graph included."""
    evidence_id = shelf.keep(
        "A",
        "B",
        graph_png=b"\x89PNG\x00",
        values=(ValueThen((("a", "b"),), math.inf, None, -math.inf, 1.0, 0.0),),
        changed=(ChangedSeries((("a", "b"),), 3.0, math.inf, 1.0, is_rate=True),),
        events=(Event(time_ms=1, kind="deploy", title="v2", labels=(("a", "b"),)),),
        missing=("traces: late",),
    )
    before = shelf.archive.get(evidence_id)
    await shelf.write()
    await shelf.reopen().load()
    assert before is not None
    assert shelf.archive.get(evidence_id) == before
    assert await shelf.archive.graph(evidence_id) == b"\x89PNG\x00"
    assert (
        before.evidence.graph_url == f"http://v/api/veriscope/v1/evidence/{evidence_id}/graph.png"
    )
    assert before.starts_at_ms == START_MS
    assert len(before.fingerprints) == 2


async def test_a_graph_is_there_before_it_is_stored(shelf: Shelf) -> None:
    """A chat service may fetch it before the store has answered; then memory is rid of it."""
    evidence_id = shelf.keep("A", graph_png=b"png")
    assert await shelf.archive.graph(evidence_id) == b"png"
    await shelf.write()
    shelf.state.kinds["evidence_graph"][evidence_id] = b"c3RvcmVk"
    assert await shelf.archive.graph(evidence_id) == b"stored"


async def test_what_has_no_graph_has_no_address_of_one(shelf: Shelf) -> None:
    """Nor is the store asked for what nobody knows."""
    evidence_id = shelf.keep("A")
    shelf.state.get = None  # type: ignore[assignment] - it would fail
    kept = shelf.archive.get(evidence_id)
    assert kept is not None
    assert not kept.evidence.graph_url
    assert await shelf.archive.graph(evidence_id) is None
    assert await shelf.archive.graph("0" * 32) is None


def test_ids_cannot_be_guessed(shelf: Shelf) -> None:
    """They are 128 random bits."""
    ids = {shelf.keep("A") for _ in range(100)}
    assert len(ids) == 100
    assert all(re.fullmatch("[0-9a-f]{32}", each) for each in ids)


async def test_it_is_found_by_alert(shelf: Shelf) -> None:
    """The newest first, also after a restart."""
    first = shelf.keep("A")
    shelf.clock.advance(1)
    second = shelf.keep("A", "B")
    fingerprint_a, fingerprint_b = shelf.archive.get(second).fingerprints  # type: ignore[union-attr]
    for _ in range(2):
        assert [each.id for each in shelf.archive.of(fingerprint_a)] == [second, first]
        assert [each.id for each in shelf.archive.of(fingerprint_b)] == [second]
        assert shelf.archive.of("0") == []
        await shelf.write()
        await shelf.reopen().load()


async def test_the_oldest_goes_when_there_is_too_much(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From memory, from the index and from the store."""
    monkeypatch.setattr(evidence_archive, "_MOST", 2)
    ids = [shelf.keep(name, graph_png=b"png") for name in ("A", "B", "B")]
    await shelf.write()
    assert [each.id for each in shelf.archive.all()] == ids[1:]
    assert sorted(shelf.state.kinds["evidence"]) == sorted(ids[1:])
    assert sorted(shelf.state.kinds["evidence_graph"]) == sorted(ids[1:])
    assert len(shelf.archive._of_alert) == 1


async def test_it_is_forgotten_after_thirty_days(shelf: Shelf) -> None:
    """Not a second earlier."""
    evidence_id = shelf.keep("A", graph_png=b"png")
    await shelf.write()
    shelf.clock.advance(30 * 86_400)
    shelf.archive.collect()
    assert shelf.archive.get(evidence_id) is not None
    shelf.clock.advance(1)
    shelf.archive.collect()
    await shelf.write()
    assert shelf.archive.all() == []
    assert shelf.state.kinds == {"evidence": {}, "evidence_graph": {}}


async def test_what_cannot_be_read_is_passed_over(shelf: Shelf) -> None:
    """One damaged document does not keep the server from starting."""
    evidence_id = shelf.keep("A")
    await shelf.write()
    shelf.state.kinds["evidence"] |= {"1": b"%", "2": b"AAAA"}
    await shelf.reopen().load()
    assert [each.id for each in shelf.archive.all()] == [evidence_id]
