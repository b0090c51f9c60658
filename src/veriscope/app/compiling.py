"""When kernels may be compiled: that takes a minute on a new machine, and holds Python's lock."""

import asyncio
import sys
from collections.abc import Callable
from contextvars import ContextVar
from time import perf_counter
from typing import Any, Final

import structlog
from numba.core import event

from veriscope.app import warm_up
from veriscope.signals import OverloadedError

_log = structlog.get_logger(__name__)
# The compiler says when it begins a kernel, and each of the passes over it.
_STEPS: Final = ("numba:compile", "numba:run_pass")
_STOP_S: Final = 2
_CURE: Final = (
    "set NUMBA_CACHE_DIR to a folder that this user may write to, or have the user that installed"
    " Veriscope run `python -m veriscope.app.warm_up` once"
)


class NotCompiledError(OverloadedError):
    """A kernel would have to be compiled, and may not be."""

    def __init__(self, *, kept: bool) -> None:
        super().__init__("a loop is not compiled yet, and the server stops; ask again")
        self.kept = kept
        """Whether what is compiled is kept on disk."""


class Compiler:
    """
    Gets the kernels ready beside the server's work, and lets none of them hold up its stop.

    Kernels that are on disk are loaded. Else another process compiles them to disk, for Numba
    holds Python's lock while it compiles. Who needs one of them meanwhile compiles it for himself.
    """

    def __init__(self) -> None:
        self._closed = False
        self._may: ContextVar[Callable[[], bool]] = ContextVar("may_compile")
        watch = _Watch(self._check)
        # For as long as the process lives: its threads may compile until the very end.
        for step in _STEPS:
            event.register(step, watch)  # type: ignore[no-untyped-call]

    async def run(self, stop: asyncio.Event) -> None:
        """Get every kernel ready; ends when that is done, or soon after *stop* is set."""
        began = perf_counter()
        try:
            await asyncio.to_thread(self._load)
            _log.debug("kernels_ready", seconds=round(perf_counter() - began, 1))
        except NotCompiledError as error:
            if stop.is_set():
                return
            _log.info("kernels_compiling", hint="first answers take seconds, for about a minute")
            if error.kept:
                await _compile_elsewhere(stop)
            else:
                _warn_not_kept("no folder for compiled kernels can be written to")
            # What another process compiled is loaded by this; where there is none, it compiles.
            if await asyncio.to_thread(self._compile, stop):
                _log.info("kernels_ready", seconds=round(perf_counter() - began, 1))

    def close_soon(self) -> None:
        """Let work that goes on have its kernels for two more seconds; then it fails instead."""
        asyncio.get_running_loop().call_later(_STOP_S, self.close)

    def close(self) -> None:
        """Compile nothing more: who still needs a kernel gets `NotCompiledError`."""
        self._closed = True

    def _load(self) -> None:
        """Load every kernel; raises `NotCompiledError` at the first that is not on disk."""
        self._may.set(lambda: False)
        warm_up.warm_up()

    def _compile(self, stop: asyncio.Event) -> bool:
        """Load or compile every kernel; return whether all are ready: not where *stop* is set."""
        self._may.set(lambda: not stop.is_set())
        try:
            warm_up.warm_up()
        except NotCompiledError:
            return False
        except OSError as error:  # a full disk
            _warn_not_kept(str(error))
            return False
        return True

    def _check(self, kernel: Any) -> None:
        may = self._may.get(None)
        if self._closed or (may is not None and not may()):
            raise NotCompiledError(kept=kernel is not None and kernel.stats.cache_path is not None)


class _Watch(event.Listener):
    """Calls *check* with the kernel, or None, before each step of the compiler."""

    def __init__(self, check: Callable[[Any], None]) -> None:
        self._check = check

    def on_start(self, event: Any) -> None:
        """Raise what the check raises, which ends the compilation."""
        self._check(event.data.get("dispatcher"))

    def on_end(self, event: Any) -> None:
        """Do nothing."""


def _warn_not_kept(reason: str) -> None:
    _log.warning("kernels_not_kept", error=f"each start compiles anew: {reason}", hint=_CURE)


async def _compile_elsewhere(stop: asyncio.Event) -> None:
    """Have a process of lowest priority fill the cache on disk; it ends with this one."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "veriscope.app.warm_up", warm_up.CHILD),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for the server, which then ends it
    )
    assert process.stderr is not None  # noqa: S101 - a pipe was asked for
    said = asyncio.create_task(process.stderr.read())
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait([said, stopped], return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if stop.is_set():
        process.kill()
    text = (await said).decode(errors="replace").strip()
    if await process.wait() and not stop.is_set():
        reason = text.splitlines()[-1] if text else f"it ended with {process.returncode}"
        _log.warning("kernels_compiled_here", error=f"the process that compiles failed: {reason}")
