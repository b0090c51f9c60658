import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

ROOT = Path(__file__).parents[3]
pytestmark = [pytest.mark.fault, pytest.mark.timeout(180)]


class RunningDemo:
    """`python -m examples.demo` as a process, and all that it has started."""

    def __init__(self, data: Path, *options: str) -> None:
        self.data = data
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "examples.demo", "--data", str(data)),
                *("--listen", "127.0.0.1:0", "--truthgpt", "127.0.0.1:0"),
                *("--genrf", "127.0.0.1:0", "--services", "truthgpt", *options),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=ROOT,
        )
        self.lines: list[str] = []

    def read_until(self, text: str) -> str:
        """Return the first line of the output that holds *text*."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            if text in line:
                return line
        raise AssertionError("".join(self.lines))

    def children(self) -> list[psutil.Process]:
        """Return every process below the demo."""
        return psutil.Process(self.process.pid).children(recursive=True)


@pytest.fixture
def demo_data(tmp_path: Path, trained: SimpleNamespace, truthgpt_data: Path) -> Path:
    """Return a data directory where the models are trained already."""
    assert trained.models
    (tmp_path / "truthgpt").mkdir()
    for path in truthgpt_data.glob("weights-*.npz"):
        (tmp_path / "truthgpt" / path.name).write_bytes(path.read_bytes())
    return tmp_path


@pytest.fixture
def start(demo_data: Path) -> Iterator[Callable[..., RunningDemo]]:
    """Start demos; kill whatever a test leaves behind."""
    started: list[RunningDemo] = []
    seen: list[psutil.Process] = []

    def one(*options: str) -> RunningDemo:
        demo = RunningDemo(demo_data, *options)
        started.append(demo)
        demo.read_until("Ctrl-C ends it")
        seen.extend(demo.children())
        return demo

    yield one
    for demo in started:
        if demo.process.poll() is None:
            demo.process.kill()
        demo.process.wait(60)
        if demo.process.stdout is not None:
            demo.process.stdout.close()
    for process in seen:
        if process.is_running():
            process.kill()


def wait_until_gone(processes: list[psutil.Process], patience_s: float = 60) -> None:
    """Wait until none of *processes* runs."""
    _, alive = psutil.wait_procs(processes, timeout=patience_s)
    left = [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]
    assert not left


def test_a_demo_runs_and_ends_by_itself(start: Callable[..., RunningDemo]) -> None:
    """Everything starts, users are served, the count is written, and no process is left."""
    demo = start("--minutes", "0.05", "--fault", "gpu-hot")
    processes = demo.children()
    assert len(processes) >= 2
    demo.read_until("stopping")
    assert demo.process.wait(40) == 0
    wait_until_gone(processes)
    assert "fault gpu-hot is on in truthgpt\n" in demo.lines
    counted: dict[str, Any] = json.loads((demo.data / "load.json").read_text())
    assert sum(row[-1] for row in counted["requests"]) > 0
    assert counted["broken"] == []


def test_a_signal_ends_everything(start: Callable[..., RunningDemo]) -> None:
    """Ctrl-C (SIGTERM has the same handler) stops the demo and every process of it."""
    demo = start("--no-server")
    processes = demo.children()
    demo.process.send_signal(signal.SIGINT)
    assert demo.process.wait(40) == 0
    wait_until_gone(processes)
    assert (demo.data / "load.json").is_file()


def test_a_killed_demo_leaves_no_orphan(start: Callable[..., RunningDemo]) -> None:
    """Even after `kill -9` of the demo its services end."""
    demo = start("--no-server")
    processes = demo.children()
    assert processes
    demo.process.kill()
    demo.process.wait(60)
    wait_until_gone(processes)


def test_a_service_that_dies_is_started_again_once(start: Callable[..., RunningDemo]) -> None:
    """The first death is reported and mended; after the second the demo ends with an error."""
    demo = start("--no-server")
    (service,) = demo.children()
    service.kill()
    assert "started again" in demo.read_until("truthgpt ended")
    deadline_s = time.monotonic() + 60
    while not (fresh := [p for p in demo.children() if p.pid != service.pid]):
        assert time.monotonic() < deadline_s
        time.sleep(0.05)
    fresh[0].kill()
    demo.read_until("ended again")
    assert demo.process.wait(40) == 1
