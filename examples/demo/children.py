"""The demo's processes: started, looked after, stopped."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import aiohttp

STOP_PATIENCE_S: Final = 15.0
"""Time that a child has to end after SIGTERM, before it is killed."""
_READY_POLL_S: Final = 0.1


class ChildError(RuntimeError):
    """A process of the demo did not start, or died again; the message names its log."""


@dataclass(slots=True)
class Child:
    """One process of the demo; *url* answers `health` once it is ready."""

    name: str
    command: Sequence[str]
    url: str
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    health: str = "/health"
    restarts: int = 0
    process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        """The id of the process; 0 before it was started."""
        return self.process.pid if self.process is not None else 0

    @property
    def is_alive(self) -> bool:
        """Whether the process runs."""
        return self.process is not None and self.process.returncode is None


class Children:
    """
    Starts processes that end with this one, restarts each that dies once, and stops them all.

    Each has a session of its own, so that Ctrl-C reaches only the demo, which then stops them in
    the reverse order of their start. *report* is told what happens, in sentences.
    """

    def __init__(self, report: Callable[[str], None]) -> None:
        self._report = report
        self._children: list[Child] = []
        self._watchers: list[asyncio.Task[None]] = []
        self._stopping = False
        self.failed = asyncio.Event()
        """Set when a child has died for the second time."""

    @property
    def running(self) -> list[Child]:
        """The children that are alive."""
        return [child for child in self._children if child.is_alive]

    async def start(self, child: Child, patience_s: float) -> None:
        """
        Start *child* and wait until it is ready; it is looked after from then on.

        Raises `ChildError` where it ends, or is not ready after *patience_s* seconds.
        """
        self._children.append(child)
        await self._spawn(child)
        await self._wait_until_ready(child, patience_s)
        self._watchers.append(asyncio.create_task(self._look_after(child, patience_s)))

    async def stop(self) -> None:
        """Stop every child, the last one first; kill those that do not listen."""
        self._stopping = True
        for watcher in self._watchers:
            watcher.cancel()
        await asyncio.gather(*self._watchers, return_exceptions=True)
        for child in reversed(self._children):
            await self._end(child)

    async def _spawn(self, child: Child) -> None:
        child.log.parent.mkdir(parents=True, exist_ok=True)
        with child.log.open("ab" if child.restarts else "wb") as log:
            child.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "examples.demo.tether", str(os.getpid())),
                *child.command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | dict(child.environment),
                cwd=Path(__file__).parents[2],
                start_new_session=True,
            )

    async def _wait_until_ready(self, child: Child, patience_s: float) -> None:
        deadline_s = time.monotonic() + patience_s
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
            while time.monotonic() < deadline_s:
                if not child.is_alive:
                    raise ChildError(f"{child.name} ended at its start; see {child.log}")
                with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                    async with session.get(child.url + child.health) as answer:
                        if answer.status < 500:  # noqa: PLR2004 - it answers for itself
                            return
                await asyncio.sleep(_READY_POLL_S)
        raise ChildError(f"{child.name} was not ready after {patience_s:.0f} s; see {child.log}")

    async def _look_after(self, child: Child, patience_s: float) -> None:
        while True:
            assert child.process is not None  # noqa: S101 - it was started
            code = await child.process.wait()
            if self._stopping:
                return
            if child.restarts:
                self._report(f"{child.name} ended again (exit code {code}); see {child.log}")
                self.failed.set()
                return
            child.restarts += 1
            self._report(f"{child.name} ended (exit code {code}) and is started again")
            await self._spawn(child)
            try:
                await self._wait_until_ready(child, patience_s)
            except ChildError as error:
                self._report(str(error))

    async def _end(self, child: Child) -> None:
        if child.process is None or not child.is_alive:
            return
        _signal_group(child.process.pid, signal.SIGTERM)
        try:
            await asyncio.wait_for(child.process.wait(), STOP_PATIENCE_S)
        except TimeoutError:
            self._report(f"{child.name} does not end; it is killed")
            _signal_group(child.process.pid, signal.SIGKILL)
            await child.process.wait()


def _signal_group(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, number)
