"""Copies of the store, opened by another process."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from veriscope.signals import SampleBatch, UnavailableError, to_labels
from veriscope.store import Store
from veriscope.store.snapshots import Snapshots
from veriscope.wire import remote_write

T0 = 1_700_000_000_000
NAME = re.compile(r"20231114T221320Z-[0-9a-f]{16}")


def batch(value: float, time_ms: int = T0) -> SampleBatch:
    """Return one sample."""
    return SampleBatch.at((to_labels({"__name__": "m", "job": "a"}),), np.array([value]), time_ms)


def test_a_snapshot_is_a_data_directory(tmp_path: Path, run_server: Any) -> None:
    """It opens as a server's own, and holds what was acknowledged before it, and nothing else."""
    data = tmp_path / "data"
    config = tmp_path / "veriscope.yaml"
    config.write_text("server: {enable_admin_api: true}\nstore: {retention: {metrics: 0s}}\n")
    server = run_server(data, "--config", str(config))
    assert server.write(remote_write.encode(batch(1.0))) == 204
    name = server.post("/api/v1/admin/tsdb/snapshot")["data"]["name"]
    assert server.write(remote_write.encode(batch(2.0, T0 + 1000))) == 204
    assert server.query("m[5m]", time=str(T0 / 1000 + 10))[0]["values"] == [
        [T0 / 1000, "1"],
        [T0 / 1000 + 1, "2"],
    ]
    # While the store goes on, and not only once it has stopped.
    copy = run_server(data / "snapshots" / name, "--config", str(config))
    assert copy.query("m[5m]", time=str(T0 / 1000 + 10))[0]["values"] == [[T0 / 1000, "1"]]
    assert copy.write(remote_write.encode(batch(3.0, T0 + 2000))) == 204
    assert len(server.query("m[5m]", time=str(T0 / 1000 + 10))[0]["values"]) == 2


def test_nothing_is_left_of_a_snapshot_beside_it(store: Store, engine_url: str) -> None:
    """The engine's own place for frozen parts is empty again."""
    store.metrics.insert_batches([batch(1.0)])
    name = store.snapshots.create(T0)
    assert NAME.fullmatch(name)
    folder = Path(engine_url.removeprefix("chdb://"))
    assert (folder.parent / "snapshots" / name / folder.name / "metadata").is_dir()
    assert not list((folder / "shadow").glob("2*"))


def test_a_clickhouse_server_makes_its_own_copies() -> None:
    """The refusal says how."""

    class Remote:
        url = "clickhouse://server"

    with pytest.raises(UnavailableError, match="BACKUP"):
        Snapshots(Remote()).create(T0)  # type: ignore[arg-type]
