"""Kernels that are got ready beside the server's work."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

_KERNEL = """
from numba import njit

@njit(cache=True)
def kernel(x):
    return x + 1

@njit
def homeless(x):
    return x + 1
"""
_PRELUDE = """
    import asyncio, sys
    import structlog
    from pathlib import Path
    from veriscope.app import compiling, warm_up
    from veriscope.app.compiling import Compiler, NotCompiledError

    sys.path.insert(0, str(Path(__file__).parent))
    import tiny

    def ready(work):
        warm_up.warm_up = work
        stop = asyncio.Event()
        with structlog.testing.capture_logs() as told:
            asyncio.run(Compiler().run(stop))
        return [each["event"] for each in told]

    children = []
    async def elsewhere(_):
        children.append(1)
    compiling._compile_elsewhere = elsewhere
"""


@pytest.fixture
def run_kernels(
    run_python: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], None]:
    """Run a script that has two small kernels, `tiny.kernel` and `tiny.homeless`."""
    (tmp_path / "tiny.py").write_text(_KERNEL)
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "kernels"))

    def run(script: str) -> None:
        ended = run_python(_PRELUDE + script)
        assert ended.code == 0, ended.err

    return run


def test_what_is_on_disk_is_only_loaded(run_kernels: Callable[[str], None]) -> None:
    """Another process compiles what is missing; where nothing is, there is none."""
    script = """
    assert ready(lambda: tiny.kernel({})) == {}
    assert len(children) == {}
    """
    run_kernels(script.format(1, ["kernels_compiling", "kernels_ready"], 1))
    run_kernels(script.format(1, ["kernels_ready"], 0))


def test_without_a_folder_the_server_compiles_itself(run_kernels: Callable[[str], None]) -> None:
    """What another process compiled would be lost with it; the log says so, and the cure."""
    run_kernels("""
    told = ready(lambda: tiny.homeless(1))
    assert told == ["kernels_compiling", "kernels_not_kept", "kernels_ready"]
    assert not children
    assert tiny.homeless.signatures
    """)


def test_a_full_disk_is_told(run_kernels: Callable[[str], None]) -> None:
    """The server goes on: a kernel that could not be written works all the same."""
    run_kernels("""
    def write_nothing(*_):
        raise OSError(28, "No space left on device")

    tiny.kernel._cache._cache_file._save_data = write_nothing
    assert ready(lambda: tiny.kernel(1)) == ["kernels_compiling", "kernels_not_kept"]
    assert tiny.kernel(1) == 2
    """)


def test_nothing_is_compiled_once_closed(run_kernels: Callable[[str], None]) -> None:
    """A request that still needs a kernel is told to come again, even while it is compiled."""
    run_kernels("""
    from numba.core import event
    compiler = Compiler()

    class Stop(event.Listener):
        def on_start(self, _):
            compiler.close()
        def on_end(self, _):
            pass

    event.register("numba:run_pass", Stop())  # the first pass of many
    for _ in range(2):
        try:
            tiny.kernel(1)
        except NotCompiledError as error:
            assert error.retry_after_s
        else:
            raise AssertionError("it was compiled")
    """)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["term", "kill"])
def test_the_process_that_compiles_ends_with_the_server(
    how: signal.Signals,
    run_server: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing is left behind that would take a processor for a minute."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "kernels"))
    server = run_server(tmp_path / "data")
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children")
    _wait(lambda: bool(children.read_text()))
    child = int(children.read_text())
    # It belongs to the server from its second step on, and is of lowest priority from the first.
    _wait(lambda: os.getpriority(os.PRIO_PROCESS, child) == 19)
    server.process.send_signal(how)
    server.process.wait(30)
    _wait(lambda: not Path(f"/proc/{child}/status").exists() or _is_dead(child))


def test_starting_it_says_nothing_of_grpc(
    run_server: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    free_port: int,
) -> None:
    """The handlers of forks that gRPC has would print a line that nobody can do anything about."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "kernels"))
    config = tmp_path / "veriscope.yml"
    config.write_text(f"server:\n  otlp_grpc_listen: 127.0.0.1:{free_port}\n")
    server = run_server(tmp_path / "data", "--config", str(config))
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children")
    _wait(lambda: bool(children.read_text()))
    assert server.stop() == 0
    said = capfd.readouterr().err
    assert "kernels_compiling" in said
    assert "fork" not in said


def _is_dead(pid: int) -> bool:
    """Return whether a process has ended and only waits for its new parent to notice."""
    try:
        return "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return True


def _wait(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
