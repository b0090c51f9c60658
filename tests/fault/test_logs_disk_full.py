import json
import logging
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from veriscope.instrument.logs import configure_logging

LIMIT = 4096


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system of 64 KiB; skips where that is not allowed."""
    mount = tmp_path / "disk"
    mount.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(mount)],
        capture_output=True,
        check=False,
    )
    if done.returncode:
        pytest.skip("mounting a file system needs root")
    yield mount
    subprocess.run(["umount", str(mount)], check=True)


def test_a_full_disk_loses_records_only_while_it_is_full(
    tiny_disk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is raised, losses are counted, the console goes on, and writing resumes."""
    registry = CollectorRegistry()
    ballast = tiny_disk / "ballast"
    handle = configure_logging(
        directory=tiny_disk, console="json", ship=False, rate_limit=0, registry=registry
    )
    try:
        logging.getLogger("genrf").info("before")
        with ballast.open("wb", buffering=0) as file:
            try:
                while file.write(bytes(4096)):
                    pass
            except OSError:
                pass
        for number in range(200):
            logging.getLogger("genrf").info("during", extra={"number": number, "pad": "x" * 100})
        reason = {"reason": "disk_full"}
        lost = registry.get_sample_value("veriscope_log_dropped_total", reason)
        assert lost
        ballast.unlink()
        logging.getLogger("genrf").info("after")
    finally:
        handle.reset()
    shown = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert sum(event["message"] == "during" for event in shown) == 200
    assert any(event["message"] == "log file cannot be written" for event in shown)
    kept = whole_lines(handle.path)
    assert "before" in [event["message"] for event in kept]
    assert "after" in [event["message"] for event in kept]
    (recovery,) = [event for event in kept if event["message"] == "log file is written again"]
    # The notice of the failure was lost with the rest.
    assert recovery["lost_records"] == lost
    written = sum(event["message"] == "during" for event in kept)
    assert written + lost - 1 == 200


def whole_lines(path: Path) -> list[dict[str, Any]]:
    """Return the events of *path*; at most one line may have been cut by the full disk."""
    events, torn = [], 0
    for line in path.read_bytes().splitlines():
        try:
            events.append(json.loads(line))
        except ValueError:
            torn += 1
    assert torn <= 1
    return events


def test_a_limit_on_file_size_is_survived(run_python: Callable[..., Any], tmp_path: Path) -> None:
    """A process that may write no larger file loses records and not its life."""
    script = (
        "import logging, resource\n"
        "from prometheus_client import REGISTRY\n"
        "from veriscope.instrument.logs import configure_logging\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({LIMIT}, {LIMIT}))\n"
        f"configure_logging(directory={str(tmp_path)!r}, console='off', ship=False)\n"
        "for _ in range(100): logging.getLogger('genrf').info('x' * 100)\n"
        "labels = {'reason': 'disk_full'}\n"
        "assert REGISTRY.get_sample_value('veriscope_log_dropped_total', labels) > 50\n"
        "print('alive')\n"
    )
    done = run_python(script)
    assert (done.code, done.out, done.err) == (0, "alive\n", "")
    assert (tmp_path / "genrf.log").stat().st_size <= LIMIT


def test_a_folder_that_cannot_be_made_is_tried_again(tmp_path: Path) -> None:
    """A directory that is missing and cannot be made costs records until it can."""
    registry = CollectorRegistry()
    obstacle = tmp_path / "logs"
    obstacle.write_text("a file where the folder should be")
    handle = configure_logging(directory=obstacle, console="off", ship=False, registry=registry)
    try:
        logging.getLogger("genrf").info("lost")
        reason = {"reason": "file_error"}
        assert registry.get_sample_value("veriscope_log_dropped_total", reason) == 2
        obstacle.unlink()
        logging.getLogger("genrf").info("kept")
        assert "kept" in handle.path.read_text()
        assert os.access(obstacle, os.X_OK)
    finally:
        handle.reset()
