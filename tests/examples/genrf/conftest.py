"""What the tests of the circuit generator share: the real ngspice, and a service of their own."""

import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from examples.genrf.circuits import FAMILIES, CircuitSpec
from examples.genrf.spice import Simulator
from examples.genrf.technology import TECHNOLOGIES

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def ngspice() -> str:
    """Return the path of ngspice; without it these tests have nothing to say."""
    found = shutil.which("ngspice")
    if found is None:
        pytest.skip("NGSPICE IS NOT INSTALLED: the circuit generator is not tested")
    return found


@pytest.fixture
def simulator(ngspice: str) -> Iterator[Simulator]:
    """Return a simulator that is closed in the end."""
    made = Simulator(executable=ngspice)
    yield made
    made.close()


@pytest.fixture
def spec_of() -> Callable[..., CircuitSpec]:
    """Return a maker of specs: a circuit type, and what differs from the defaults."""

    def make(
        circuit_type: str = "LNA",
        technology: str = "tsmc65",
        *,
        targets: dict[str, float] | None = None,
        simulations: int = 40,
    ) -> CircuitSpec:
        family = FAMILIES[circuit_type]
        frequency = 1e8 if circuit_type == "Filter" else 2.4e9
        defaults = family.default_targets(TECHNOLOGIES[technology], frequency)
        return CircuitSpec(
            circuit_type=circuit_type,
            technology=technology,
            frequency=frequency,
            targets={**defaults, **(targets or {})},
            user_id="tester",
            session_id="session-1",
            simulations=simulations,
        )

    return make


@dataclass
class Service:
    """A running `python -m examples.genrf`."""

    process: "subprocess.Popen[str]"
    url: str

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, Any, dict[str, str]]:
        """Return the status, the body (decoded where it is JSON) and the headers."""
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(
            self.url + path, data=None if body is None else sent, method=method
        )
        try:
            answer = urllib.request.urlopen(request, timeout=60)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            text = answer.read().decode()
            headers = {name.lower(): value for name, value in answer.headers.items()}
        is_json = headers.get("content-type", "").startswith("application/json")
        return answer.status, json.loads(text) if is_json else text, headers

    def metric(self, name: str) -> float:
        """Return the sum of the samples whose line begins with *name*; 0 without any."""
        lines = self.ask("GET", "/metrics")[1].splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))

    def end(self, number: int) -> int:
        """Send signal *number* and return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(timeout=60)


@pytest.fixture
def start_service(ngspice: str, tmp_path: Path) -> Iterator[Callable[..., Service]]:
    """Return a starter of services on free ports, all with one data folder."""
    started: list[Service] = []
    assert ngspice

    def start(*options: str) -> Service:
        command = [sys.executable, "-m", "examples.genrf", "--listen", "127.0.0.1:0"]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("VERISCOPE_")}
        process = subprocess.Popen(
            [*command, "--data", str(tmp_path), *options],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert process.stdout is not None
        said = process.stdout.readline()
        assert said.startswith("genRF is at "), said
        started.append(Service(process, said.split()[-1]))
        return started[-1]

    yield start
    for service in started:
        if service.process.poll() is None:
            service.end(signal.SIGKILL)
        service.process.stdout.close()
