"""How long a process runs: until it is told to stop, or a part of it fails."""

import asyncio
import signal

import structlog

_log = structlog.get_logger(__name__)


def stop_on_signals() -> asyncio.Event:
    """Return an event that SIGTERM and SIGINT set."""
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    return stop


async def first_failure(stop: asyncio.Event, tasks: list[asyncio.Task[None]]) -> bool:
    """Wait until *stop* is set (False) or one of *tasks* ends before that (True)."""
    stopped = asyncio.create_task(stop.wait())
    done, _ = await asyncio.wait([stopped, *tasks], return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    failed = [task for task in tasks if task in done and (task.exception() or not stop.is_set())]
    for task in failed:
        _log.error("part_failed", part=task.get_name(), exc_info=task.exception())
    return bool(failed)
