"""Dashboards over HTTP."""

from typing import Any

import pytest

from veriscope.web import dashboards

PATH = "/api/veriscope/v1/dashboards"
PANEL = {"title": "CPU", "targets": [{"expr": "up", "legend": "{{job}}"}], "unit": "ratio"}


async def put(web: Any, uid: str, document: Any) -> tuple[int, dict[str, Any]]:
    """Write *document* and return status and answer."""
    async with web.session.put(f"{web.base}{PATH}/{uid}", json=document) as answer:
        return answer.status, await answer.json()


async def get(web: Any, path: str) -> tuple[int, dict[str, Any]]:
    """Return status and answer of *path*."""
    async with web.get(PATH + path) as answer:
        return answer.status, await answer.json()


async def test_a_dashboard_is_kept_whole(web: Any) -> None:
    """What was written comes back with every key, and in the list with its figures."""
    status, written = await put(web, "main", {"title": "Main", "tags": ["a"], "panels": [PANEL]})
    assert status == 200
    status, read = await get(web, "/main")
    assert read == written
    assert read["data"]["uid"] == "main"
    assert read["data"]["source"] == "api"
    [panel] = read["data"]["panels"]
    assert panel == {
        **PANEL,
        "type": "timeseries",
        "min": None,
        "max": None,
        "thresholds": [],
        "text": "",
        "gridPos": None,
    }
    _, listed = await get(web, "")
    assert [(row["uid"], row["title"], row["panels"]) for row in listed["data"]] == [
        ("main", "Main", 1)
    ]


async def test_what_was_read_can_be_written_back(web: Any) -> None:
    """A client may send the whole document again; its time of birth stays."""
    _, first = await put(web, "main", {"title": "Main"})
    status, second = await put(web, "main", {**first["data"], "title": "New"})
    assert status == 200
    assert second["data"]["created_at"] == first["data"]["created_at"]
    assert second["data"]["title"] == "New"


async def test_the_list_is_by_title(web: Any) -> None:
    """Titles are in alphabetical order, whatever their case."""
    for uid, title in (("1", "beta"), ("2", "Alpha"), ("3", "gamma")):
        await put(web, uid, {"title": title})
    _, listed = await get(web, "")
    assert [row["title"] for row in listed["data"]] == ["Alpha", "beta", "gamma"]


async def test_a_deleted_dashboard_is_gone(web: Any) -> None:
    """Reading or deleting what is not there answers 404."""
    await put(web, "main", {"title": "Main"})
    for expected in (200, 404):
        async with web.session.delete(f"{web.base}{PATH}/main") as answer:
            assert answer.status == expected
    status, answer = await get(web, "/main")
    assert (status, answer["errorType"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("uid", "document", "reason"),
    [
        ("main", {"title": ""}, "$.title"),
        ("main", {"titel": "Main"}, "titel"),
        ("main", {"title": "Main", "panels": [{"type": "pie"}]}, "$.panels[0].type"),
        ("main", {"title": "Main", "panels": [{"unit": "furlong"}]}, "$.panels[0].unit"),
        ("main", {"title": "Main", "panels": [{"targets": [{"expr": ""}]}]}, "targets[0].expr"),
        ("main", {"title": "Main", "panels": [PANEL] * 101}, "$.panels"),
        ("main", {"title": "Main", "uid": "other"}, "the address says 'main'"),
        ("a%20b", {"title": "Main"}, "use 1 to 64 letters"),
        ("x" * 65, {"title": "Main"}, "use 1 to 64 letters"),
    ],
)
async def test_a_wrong_dashboard_is_refused_by_name(
    web: Any, uid: str, document: Any, reason: str
) -> None:
    """The answer says which part will not do; nothing is kept."""
    status, answer = await put(web, uid, document)
    assert status == 400
    assert reason in answer["error"]
    _, listed = await get(web, "")
    assert listed["data"] == []


async def test_what_is_not_json_is_refused(web: Any) -> None:
    """Bytes that are no JSON get a reason too."""
    async with web.session.put(f"{web.base}{PATH}/main", data=b"\xff{") as answer:
        assert answer.status == 400
        assert "not understood" in (await answer.json())["error"]


async def test_a_dashboard_has_a_largest_size(web: Any) -> None:
    """A body past the limit is refused while it is read."""
    text = "x" * (dashboards._MAX_BODY_BYTES + 1)
    async with web.session.put(f"{web.base}{PATH}/main", data=text.encode()) as answer:
        assert answer.status == 422
        assert "at most" in (await answer.json())["error"]


async def test_there_is_a_largest_number_of_dashboards(
    web: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Past it a new dashboard is refused; those that are there can still change."""
    monkeypatch.setattr(dashboards, "_MAX_DASHBOARDS", 2)
    for uid in ("1", "2"):
        assert (await put(web, uid, {"title": uid}))[0] == 200
    status, answer = await put(web, "3", {"title": "3"})
    assert status == 422
    assert "delete one" in answer["error"]
    assert (await put(web, "1", {"title": "again"}))[0] == 200
