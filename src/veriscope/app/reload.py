"""Reads the configuration again: on SIGHUP, when asked to over HTTP, and when a file changed."""

import asyncio
import contextlib
import glob
import signal
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Final, TypeAlias

import structlog
from prometheus_client import CollectorRegistry, Gauge

from veriscope.signals import Clock, VeriscopeError

_log = structlog.get_logger(__name__)
_LOOK_EVERY_S: Final = 5.0

_Stamp: TypeAlias = tuple[str, int, int]


class Reloader:
    """
    Runs *reload*, one at a time, and keeps how it went.

    *reload* reads every file before it changes anything, and raises a `VeriscopeError` with all
    as it was where one of them is bad. *watched* names the files, as globs, that it would read.
    """

    def __init__(
        self,
        reload: Callable[[], Awaitable[None]],
        watched: Callable[[], Iterable[str]],
        *,
        clock: Clock,
        registry: CollectorRegistry,
    ) -> None:
        self._reload = reload
        self._watched = watched
        self._clock = clock
        self._lock = asyncio.Lock()
        self._seen = stamps(watched())
        self.error = ""
        """Why the last reload failed; empty where it succeeded."""
        self.loaded_ms = clock.now_ms()
        """When the configuration in use was read, in Unix milliseconds."""
        self._success = Gauge(
            "veriscope_config_last_reload_successful",
            "Whether the last reload of the configuration succeeded.",
            registry=registry,
        )
        self._success_time = Gauge(
            "veriscope_config_last_reload_success_timestamp_seconds",
            "When the configuration in use was read.",
            registry=registry,
        )
        self._note("")

    async def reload(self) -> None:
        """Read everything again; raises a `VeriscopeError` for what is wrong."""
        async with self._lock:
            before = self._seen = await asyncio.to_thread(stamps, self._watched())
            try:
                await self._reload()
            except VeriscopeError as error:
                self._note(str(error))
                _log.error("reload_failed", error=str(error), effect="what was loaded goes on")
                raise
            except Exception as error:
                # A fault of ours: it is no reason to stop serving what goes on.
                self._note(f"internal error: {error!r}; the log says where")
                _log.exception("reload_failed")
                raise VeriscopeError(self.error) from error
            self._note("")
            # What changed meanwhile has not been read, and what is new to the list has.
            self._seen = await asyncio.to_thread(stamps, self._watched()) | before
            _log.info("reloaded")

    async def run(self, stop: asyncio.Event) -> None:
        """Reload on SIGHUP and on changes of files until *stop* is set."""
        loop = asyncio.get_running_loop()
        asked = asyncio.Event()
        loop.add_signal_handler(signal.SIGHUP, asked.set)
        try:
            while not stop.is_set():
                await _first_of(stop, asked, timeout_s=_LOOK_EVERY_S)
                if stop.is_set():
                    break
                if asked.is_set() or await asyncio.to_thread(self._changed):
                    asked.clear()
                    await self._try()
        finally:
            loop.remove_signal_handler(signal.SIGHUP)

    async def _try(self) -> None:
        with contextlib.suppress(VeriscopeError):  # it has been kept and logged
            await self.reload()

    def _changed(self) -> bool:
        return stamps(self._watched()) != self._seen

    def _note(self, error: str) -> None:
        self.error = error
        self._success.set(not error)
        if not error:
            self.loaded_ms = self._clock.now_ms()
            self._success_time.set(self.loaded_ms / 1000)


def stamps(patterns: Iterable[str]) -> frozenset[_Stamp]:
    """Return name, size and time of change of every file that *patterns* name."""
    found = set()
    for pattern in patterns:
        for name in glob.glob(pattern):  # noqa: PTH207 - patterns may be absolute
            try:
                status = Path(name).stat()
            except OSError:
                continue
            found.add((name, status.st_size, status.st_mtime_ns))
    return frozenset(found)


async def _first_of(*events: asyncio.Event, timeout_s: float) -> None:
    """Wait until one of *events* is set, or the time has passed."""
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
