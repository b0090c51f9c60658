"""Evidence over HTTP: by alert, by id, and the picture for whoever has its address."""

import math
from collections.abc import Sequence
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from tests.web.alerting_fakes import Documents
from veriscope.alert.dispatch.evidence_archive import EvidenceArchive, KeptEvidence
from veriscope.alert.group import Alert, AlertGroup
from veriscope.alert.state import Journal
from veriscope.signals import Secret, SystemClock, to_labels
from veriscope.signals.events import Event
from veriscope.signals.evidence import (
    ChangedSeries,
    Evidence,
    HostFigure,
    LogPattern,
    TraceExample,
    ValueThen,
)
from veriscope.web import EvidenceApi
from veriscope.web.app import Api

PATH = "/api/veriscope/v1/evidence"
LABELS = to_labels({"instance": "a:1"})
FOUND = Evidence(
    1_000,
    view_url="http://v/#explore",
    graph_png=b"\x89PNG",
    runbook_url="http://wiki/down",
    values=(ValueThen(LABELS, math.inf, 2.5, None, math.nan, -math.inf),),
    changed=(ChangedSeries(LABELS, 4.5, 1, 9, is_rate=True),),
    traces=(TraceExample("ab", "chat", "GET /", 5, 12.5, is_error=True),),
    log_patterns=(LogPattern("took <*> ms", "chat", 3, 0, 1.5, "took 9 ms"),),
    events=(Event(time_ms=2_000, kind="deploy", title="v2"),),
    host=(HostFigure("a:1", "memory", "91 %"),),
    hints=("as last week",),
    missing=("graph: late",),
)


@pytest.fixture
def archive() -> EvidenceArchive:
    """Return an archive with room for more."""
    journal = Journal(Documents(), CollectorRegistry())
    return EvidenceArchive(journal, SystemClock(), external_url="http://v")


@pytest.fixture
def kept(archive: EvidenceArchive) -> KeptEvidence:
    """Return what was gathered for one alert."""
    return keep(archive, FOUND)


def keep(archive: EvidenceArchive, evidence: Evidence) -> KeptEvidence:
    """Keep evidence of the alert that all tests have."""
    alert = Alert(to_labels({"alertname": "Down"}), (), 500)
    return archive.keep(AlertGroup("team", (alert,), (("job", "a"),)), evidence)


@pytest.fixture
def parts(archive: EvidenceArchive) -> Sequence[Api]:
    """Serve it."""
    return [EvidenceApi(archive)]


async def data(web: Any, path: str) -> Any:
    """Return the data of *path*."""
    async with web.get(PATH + path) as answer:
        assert answer.status == 200
        return (await answer.json())["data"]


async def test_all_of_it_is_shown(web: Any, kept: KeptEvidence) -> None:
    """Each part, by id and by alert; what is no number of JSON is spelled as Prometheus does."""
    one = await data(web, f"/{kept.id}")
    assert one == {
        "id": kept.id,
        "gatheredAt": "1970-01-01T00:00:01.000Z",
        "startsAt": "1970-01-01T00:00:00.500Z",
        "groupLabels": {"job": "a"},
        "fingerprints": list(kept.fingerprints),
        "viewUrl": "http://v/#explore",
        "graphUrl": f"http://v{PATH}/{kept.id}/graph.png",
        "runbookUrl": "http://wiki/down",
        "values": [
            {
                "labels": {"instance": "a:1"},
                "now": "+Inf",
                "onset": 2.5,
                "hourBefore": None,
                "dayBefore": "NaN",
                "weekBefore": "-Inf",
            }
        ],
        "changed": [
            {"labels": {"instance": "a:1"}, "score": 4.5, "before": 1, "after": 9, "isRate": True}
        ],
        "traces": [
            {
                "traceId": "ab",
                "service": "chat",
                "name": "GET /",
                "startMs": 5,
                "durationMs": 12.5,
                "isError": True,
            }
        ],
        "logPatterns": [
            {
                "pattern": "took <*> ms",
                "service": "chat",
                "count": 3,
                "perMinuteBefore": 0,
                "perMinuteSince": 1.5,
                "example": "took 9 ms",
            }
        ],
        "events": [
            {
                "time": "1970-01-01T00:00:02.000Z",
                "kind": "deploy",
                "title": "v2",
                "text": "",
                "url": "",
                "labels": {},
                "id": "",
            }
        ],
        "host": [{"instance": "a:1", "name": "memory", "text": "91 %"}],
        "hints": ["as last week"],
        "missing": ["graph: late"],
    }
    assert await data(web, f"?fingerprint={kept.fingerprints[0]}") == [one]
    assert await data(web, "?fingerprint=0") == []


async def test_the_newest_ten_of_an_alert(web: Any, archive: EvidenceArchive) -> None:
    """The newest first; an alert must be named."""
    ids = [keep(archive, Evidence(number)).id for number in range(12)]
    fingerprint = archive.all()[0].fingerprints[0]
    found = await data(web, f"?fingerprint={fingerprint}")
    assert [each["id"] for each in found] == ids[:1:-1]
    async with web.get(PATH) as answer:
        assert answer.status == 400
        assert "fingerprint" in (await answer.json())["error"]


async def test_the_picture_is_an_image_for_ever(web: Any, kept: KeptEvidence) -> None:
    """Browsers may keep it, shared caches may not."""
    async with web.get(f"{PATH}/{kept.id}/graph.png") as answer:
        assert await answer.read() == b"\x89PNG"
        assert answer.headers["Content-Type"] == "image/png"
        assert answer.headers["Cache-Control"] == "private, max-age=2592000, immutable"


@pytest.mark.parametrize("tail", ["", "/graph.png"], ids=["json", "png"])
async def test_what_is_not_there_is_not_found(
    web: Any, archive: EvidenceArchive, tail: str
) -> None:
    """Neither an id that nobody was given nor a graph that was not drawn."""
    without = keep(archive, Evidence(1))
    for evidence_id in ("0" * 32, "..", without.id if tail else "x"):
        async with web.get(f"{PATH}/{evidence_id}{tail}") as answer:
            assert answer.status == 404


class TestToken:
    """A server that wants a token."""

    @pytest.fixture
    def token(self) -> Secret:
        """Return the token."""
        return Secret("s3cret")

    async def test_the_picture_needs_none(self, web: Any, kept: KeptEvidence) -> None:
        """Its id is the secret; an unknown one leads nowhere."""
        for evidence_id, status in ((kept.id, 200), ("0" * 32, 404)):
            async with web.get(f"{PATH}/{evidence_id}/graph.png") as answer:
                assert answer.status == status

    @pytest.mark.parametrize(
        "path",
        [
            "",
            "?fingerprint=0",
            "/{id}",
            "/{id}/graph.png/",
            "/{id}/graph.png%0A",
            "//{id}/graph.png",
            "/{id}/graph.png/../../../../query?query=1",
            "/x/graph.png",
        ],
    )
    async def test_everything_else_does(self, web: Any, kept: KeptEvidence, path: str) -> None:
        """However it is spelled."""
        async with web.get(PATH + path.format(id=kept.id)) as answer:
            assert answer.status == 401

    async def test_it_is_for_looking_only(self, web: Any, kept: KeptEvidence) -> None:
        """Another method is asked for the token."""
        async with web.post(f"{PATH}/{kept.id}/graph.png") as answer:
            assert answer.status == 401
