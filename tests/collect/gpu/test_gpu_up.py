"""A whole server on a machine with GPUs."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def test_a_server_on_a_machine_shows_its_gpus(
    run_server: Callable[..., Any], machine: Any, tmp_path: Path
) -> None:
    """From the driver's library to the query API, and a lost GPU does not end the rest."""
    config = tmp_path / "veriscope.yml"
    config.write_text(
        f"collect: {{interval: 200ms, gpu: {{library: {machine.library}, retry: 1s}}}}\n"
    )
    server = run_server(tmp_path / "data", "--config", str(config), command="up")
    assert _wait(server, "gpu_utilization_ratio", lambda found: len(found) == 2)
    (power,) = server.query('gpu_power_draw_watts{gpu="1"}')
    assert float(power["value"][1]) == 251.5
    machine.set({"0.utilization": "90"})
    assert _wait(server, 'gpu_utilization_ratio{gpu="0"} == 0.9', bool)
    machine.set({"count": None})
    assert _wait(server, 'veriscope_collector_up{collector="host"} == 1', bool)


def _wait(server: Any, query: str, condition: Callable[[list[Any]], bool]) -> bool:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if condition(server.query(query)):
            return True
        time.sleep(0.1)
    return False
