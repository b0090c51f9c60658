"""The guide's alerts on the running service: each fires on its fault, and ends with it."""

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

RULES = Path(__file__).parents[2] / "deploy" / "guide" / "alerts.yml"
SLOW = {"circuit_type": "LNA", "technology": "tsmc65", "frequency": 2.4e9, "simulations": 100}
QUICK = {"circuit_type": "Filter", "technology": "sky130", "frequency": 1e8, "simulations": 20}
# Minutes become seconds, and the limits are those of a small machine.
PACE = (
    (r"\[\d+m\]", "[4s]"),
    (r"for: \dm", "for: 1s"),
    (r"> 300\n", "> 1\n"),
    (r"> 10\n", "> 2\n"),
)
pytestmark = [pytest.mark.fault, pytest.mark.timeout(120)]


def config(receiver: str, target: str) -> str:
    """Return a configuration that tells *receiver* of each alert for itself, at once."""
    return json.dumps(
        {
            "global": {"scrape_interval": "500ms", "evaluation_interval": "500ms"},
            "scrape_configs": [{"job_name": "genrf", "static_configs": [{"targets": [target]}]}],
            "rule_files": ["alerts.yml"],
            "rules": {"meta": False},
            "route": {
                "receiver": "test",
                "group_by": ["..."],
                "group_wait": "0s",
                "group_interval": "500ms",
            },
            "receivers": [{"name": "test", "webhook_configs": [{"url": receiver}]}],
        }
    )


@contextmanager
def load(service: Any) -> Iterator[None]:
    """Ask *service* for circuits without a pause, but never let many wait."""
    stop = threading.Event()

    def ask() -> None:
        while not stop.wait(0.1):
            if service.metric("pending_generations") < 2:
                for spec in (SLOW, QUICK):
                    service.ask("POST", "/generate", spec)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def told(receiver: Any, *, ended: bool) -> set[str]:
    """Return the names of alerts of which the receiver was told, or that they had *ended*."""
    fired, resolved = set(), set()
    for body in receiver.bodies:
        for alert in body["alerts"]:
            ones = fired if alert["status"] == "firing" else resolved
            ones.add((alert["labels"]["alertname"], alert["fingerprint"]))
    return {name for name, _ in (fired & resolved if ended else fired)}


def test_the_guide_s_alerts_fire_and_end(
    start_service: Callable[..., Any],
    run_server: Callable[..., Any],
    receiver: Any,
    tmp_path: Path,
) -> None:
    """From a fault in the service to the receiver, and back to quiet."""
    text = RULES.read_text()
    for pattern, shorter in PACE:
        text, count = re.subn(pattern, shorter, text)
        assert count
    (tmp_path / "alerts.yml").write_text(text)
    service = start_service("--profile-every", "0")
    (tmp_path / "veriscope.yml").write_text(
        config(receiver.url, service.url.removeprefix("http://"))
    )
    run_server(tmp_path / "data", "--config", str(tmp_path / "veriscope.yml"))

    def wait_for_all(*names: str, ended: bool = False) -> None:
        receiver.wait_for(lambda: set(names) <= told(receiver, ended=ended))

    def switch(fault: str, *, on: bool) -> None:
        assert service.ask("POST", "/faults", {"name": fault, "on": on})[0] == 200

    with load(service):
        switch("gpu-hot", on=True)
        wait_for_all("SlowGenerationTime", "HighGPUMemoryUsage")
        switch("spice-crash", on=True)
        wait_for_all("HighErrorRate", "SPICESimulationFailures")
        switch("spice-crash", on=False)
        switch("gpu-hot", on=False)
    wait_for_all("CircuitGenerationDown")
    faults = ("HighErrorRate", "SPICESimulationFailures", "SlowGenerationTime")
    wait_for_all(*faults, "HighGPUMemoryUsage", ended=True)
    with load(service):
        wait_for_all("CircuitGenerationDown", ended=True)
