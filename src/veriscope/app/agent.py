"""Composes the agent: the collectors of this machine, and the outbox that sends to a server."""

import asyncio
import random
from collections.abc import Callable
from pathlib import Path

import structlog
from yarl import URL

from veriscope.app.collectors import create_loops
from veriscope.app.config import Config
from veriscope.app.lifetime import first_failure, stop_on_signals
from veriscope.app.self_metrics import create_registry
from veriscope.collect import Outbox
from veriscope.signals import Clock, InvalidInputError

_log = structlog.get_logger(__name__)


class Agent:
    """
    The collectors alone, sending to *server*; what cannot be sent waits under *data*.

    Construction raises `InvalidInputError` where *server* is not the URL of one, and
    `UnavailableError` where *data* is in use. A server that does not answer is no error.
    """

    def __init__(
        self, config: Config, server: str, data: Path, *, version: str, clock: Clock
    ) -> None:
        base = parse_server(server)
        registry = create_registry(version)
        self._outbox = Outbox(
            config.agent,
            base / "api/v1/write",
            data / "outbox",
            clock=clock,
            registry=registry,
            chance=random.Random(),  # noqa: S311 - it spreads retries, it guards nothing
        )
        self._loops = create_loops(
            config, self._outbox.accept, clock=clock, registry=registry, collect=True
        )
        self.server = str(base)

    async def run(self, announce: Callable[[str], None]) -> int:
        """Collect and send until SIGTERM or SIGINT; return 0, or 1 where a part failed."""
        stop, outbox_stop = stop_on_signals(), asyncio.Event()
        sending = asyncio.create_task(self._outbox.run(outbox_stop), name="outbox")
        loops = [
            asyncio.create_task(loop.run(stop), name=type(loop).__name__) for loop in self._loops
        ]
        announce(self.server)
        failed = await first_failure(stop, [sending, *loops])
        _log.info("stopping")
        stop.set()
        await asyncio.gather(*loops, return_exceptions=True)
        outbox_stop.set()
        await asyncio.gather(sending, return_exceptions=True)
        _log.info("stopped")
        return 1 if failed else 0


def parse_server(text: str) -> URL:
    """Return the URL of a server; raises `InvalidInputError` where *text* is none."""
    try:
        url = URL(text)
    except ValueError as error:
        raise InvalidInputError(f"--server {text!r} is not a URL: {error}") from error
    if url.scheme not in ("http", "https") or not url.host:
        raise InvalidInputError(
            f"--server {text!r} is not a server's URL; write http://HOST:PORT or https://HOST:PORT"
        )
    if url.user or url.password:
        raise InvalidInputError(
            "--server must not hold credentials; write the token into the file agent.token_file"
        )
    return url.with_query(None).with_fragment(None)
