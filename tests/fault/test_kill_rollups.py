"""Roll-ups after a real `kill -9`: what came late is still said as the samples say it."""

import re
import signal
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

from veriscope.signals import SampleBatch, to_labels
from veriscope.wire import remote_write

pytestmark = pytest.mark.fault

_HOUR_S: Final = 3_600
_END_S: Final = int(time.time()) // _HOUR_S * _HOUR_S - 50 * _HOUR_S
"""The end of the hour that is written to: two days ago and more."""


def _write(server: Any, value: float) -> None:
    labels = (to_labels({"__name__": "late"}),)
    batch = SampleBatch.at(labels, np.array([value]), (_END_S - 60) * 1000)
    assert server.write(remote_write.encode(batch)) == 204


def _wait_for_roll_ups(server: Any) -> None:
    """Wait until hours have been rolled up since the start."""
    deadline = time.monotonic() + 90
    while True:
        with urllib.request.urlopen(server.url + "/metrics", timeout=60) as answer:
            found = re.search(
                r"^veriscope_rollups_total (\S+)", answer.read().decode(), re.MULTILINE
            )
        if found is not None and float(found[1]):
            return
        assert time.monotonic() < deadline, "nothing was rolled up"
        time.sleep(0.05)


def _sums(server: Any, rollups: str) -> list[float]:
    """Return the sum of the hour's samples, from roll-ups or not."""
    [series] = server.get(
        "/api/v1/query_range",
        query="sum_over_time(late[1h])", start=str(_END_S), end=str(_END_S + 8 * _HOUR_S),
        step="1h", rollups=rollups, nocache="1",
    )["data"]["result"]  # fmt: skip
    return [float(value) for _, value in series["values"]]


def test_a_sample_replaced_before_a_kill_is_rolled_up_again(
    run_server: Callable[..., Any], tmp_path: Path
) -> None:
    """However old it is: there are as many samples as before, so counting would not find it."""
    server = run_server(tmp_path)
    _write(server, 1.0)
    assert server.stop(signal.SIGTERM) == 0
    server = run_server(tmp_path)
    _wait_for_roll_ups(server)
    assert _sums(server, "exact") == [1.0]
    _write(server, 5.0)
    assert server.stop(signal.SIGKILL) == -signal.SIGKILL

    server = run_server(tmp_path)
    _wait_for_roll_ups(server)
    assert _sums(server, "off") == [5.0]
    assert _sums(server, "exact") == [5.0]
