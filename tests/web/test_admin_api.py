"""The admin API: refused unless allowed; then it changes what the next query sees."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from veriscope.signals import SampleBatch, SeriesFetch, to_labels
from veriscope.store import Store
from veriscope.web import ApiSources

T0 = 1_700_000_000_000
PATHS = ("delete_series?match[]=up", "delete_series", "clean_tombstones", "snapshot")


class Admin:
    """The store's changes, as the server wires them."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def delete_series(self, fetches: Sequence[SeriesFetch]) -> None:
        """Delete."""
        self._store.deletion.delete_series(fetches)

    def clean_tombstones(self) -> None:
        """Clean."""
        self._store.deletion.clean_tombstones()

    def snapshot(self) -> str:
        """Copy."""
        return self._store.snapshots.create(T0)


@pytest.mark.parametrize("path", PATHS)
async def test_the_admin_api_is_off_by_default(web: Any, path: str) -> None:
    """503 and the option that turns it on."""
    async with web.post(f"/api/v1/admin/tsdb/{path}") as answer:
        assert answer.status == 503
        found = await answer.json()
    assert found["errorType"] == "unavailable"
    assert "server.enable_admin_api" in found["error"]


class TestAllowed:
    """A server whose operator allowed it."""

    @pytest.fixture
    def sources(self, store: Store) -> ApiSources:
        """Return the sources."""
        return ApiSources(
            exemplars=store.exemplars, statistics=store.cardinality, admin=Admin(store)
        )

    @pytest.fixture(autouse=True)
    def filled(self, store: Store) -> None:
        """Store two series."""
        labels = tuple(to_labels({"__name__": "up", "job": job}) for job in ("a", "b"))
        store.metrics.insert_batches([SampleBatch.at(labels, np.ones(2), T0)])

    async def values(self, web: Any) -> list[str]:
        """Return the jobs that a query finds."""
        asked = {"query": "up", "time": str(T0 / 1000)}
        async with web.get("/api/v1/query", params=asked) as answer:
            found = await answer.json()
        return [each["metric"]["job"] for each in found["data"]["result"]]

    @pytest.mark.parametrize("method", ["POST", "PUT"])
    async def test_deleted_series_are_gone_from_the_next_query(self, web: Any, method: str) -> None:
        """204, and at once, although the query before kept its samples in memory."""
        assert await self.values(web) == ["a", "b"]
        url = web.base + "/api/v1/admin/tsdb/delete_series"
        async with web.session.request(method, url, params={"match[]": 'up{job="a"}'}) as answer:
            assert answer.status == 204
        assert await self.values(web) == ["b"]
        async with web.get("/api/v1/label/job/values") as answer:
            assert (await answer.json())["data"] == ["b"]
        async with web.post("/api/v1/admin/tsdb/clean_tombstones") as answer:
            assert answer.status == 204
        assert await self.values(web) == ["b"]

    async def test_times_bound_what_is_deleted(self, web: Any) -> None:
        """What lies outside of them stays."""
        wanted = {"match[]": "up", "start": "0", "end": str(T0 / 1000 - 1)}
        async with web.post("/api/v1/admin/tsdb/delete_series", params=wanted) as answer:
            assert answer.status == 204
        assert await self.values(web) == ["a", "b"]

    @pytest.mark.parametrize(
        "parameters",
        [{}, {"match[]": "sum(up)"}, {"match[]": "up", "start": "2", "end": "1"}],
        ids=["nothing", "no selector", "times reversed"],
    )
    async def test_what_is_unclear_deletes_nothing(
        self, web: Any, parameters: dict[str, str]
    ) -> None:
        """400 and the reason."""
        async with web.post("/api/v1/admin/tsdb/delete_series", params=parameters) as answer:
            assert answer.status == 400
            assert (await answer.json())["errorType"] == "bad_data"
        assert await self.values(web) == ["a", "b"]

    async def test_a_snapshot_has_a_name(self, web: Any) -> None:
        """Under which it is found on disk."""
        async with web.post("/api/v1/admin/tsdb/snapshot?skip_head=true") as answer:
            assert (await answer.json())["data"]["name"].startswith("20231114T221320Z-")
