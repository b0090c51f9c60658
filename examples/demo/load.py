"""Users who come and go: a Poisson process whose rate rises and falls like a day."""

import asyncio
import contextlib
import itertools
import math
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import aiohttp

from examples.demo.tally import Tally
from examples.demo.visits import Action, Visitor

_REQUEST_TIMEOUT_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Place:
    """A service to visit: where it is, how many of the users go there, what they do there."""

    service: str
    url: str
    share: float
    actions: tuple[tuple[Action, float], ...]


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """How busy it is."""

    users: float = 5.0
    """Users present at a time, on average."""
    visit_s: float = 45.0
    """How long a user stays, on average."""
    think_s: float = 3.0
    """How long a user thinks between two requests, on average."""
    day_s: float = 600.0
    """Length of the slow wave."""
    wave: float = 0.5
    """How far the rate of arrivals rises above and falls below its mean, as a share of it."""
    seed: int = 0
    """Users and what they do are the same for the same seed; what they wait for is not."""


class Load:
    """Brings users to *places* from `run` until `stop`, and counts all they see in `tally`."""

    def __init__(self, places: Sequence[Place], options: LoadOptions) -> None:
        self.tally = Tally()
        self._places = places
        self._options = options
        self._chance = random.Random(options.seed)  # noqa: S311 - a repeatable load, no secret
        self._numbers = itertools.count(1)
        self._present: set[asyncio.Task[None]] = set()
        self._closed = asyncio.Event()
        self._drain_s = math.inf

    @property
    def users(self) -> int:
        """Users who are present now."""
        return len(self._present)

    def rate(self, elapsed_s: float) -> float:
        """Return the arrivals per second, *elapsed_s* seconds after the start."""
        wave = 1 + self._options.wave * math.sin(2 * math.pi * elapsed_s / self._options.day_s)
        return self._options.users / self._options.visit_s * wave

    async def run(self) -> None:
        """Let users come until `stop` is called; return when the last has his answer."""
        begun_s = time.monotonic()
        timeout = aiohttp.ClientTimeout(total=_REQUEST_TIMEOUT_S)
        async with aiohttp.ClientSession(
            timeout=timeout, connector=aiohttp.TCPConnector(limit=200)
        ) as session:
            # The first users are there at once, so that a short run is not an empty one.
            for _ in range(round(self._options.users)):
                self._admit(session)
            while not self._closed.is_set():
                pause_s = self._chance.expovariate(self.rate(time.monotonic() - begun_s))
                if not await self._closed_within(pause_s):
                    self._admit(session)
            if self._present:
                patience_s = None if math.isinf(self._drain_s) else self._drain_s
                await asyncio.wait(self._present, timeout=patience_s)
            for late in self._present:
                late.cancel()
            await asyncio.gather(*self._present, return_exceptions=True)

    def stop(self, drain_s: float) -> None:
        """Let no more users in; those present may end what they do, for up to *drain_s*."""
        self._drain_s = drain_s
        self._closed.set()

    def _admit(self, session: aiohttp.ClientSession) -> None:
        place = self._chance.choices(self._places, [place.share for place in self._places])[0]
        number = next(self._numbers)
        visitor = Visitor(
            f"user-{number}",
            random.Random(f"{self._options.seed}/{number}"),  # noqa: S311 - as above
            session,
            self.tally,
            place.url,
            place.service,
        )
        task = asyncio.create_task(self._visit(visitor, place))
        self._present.add(task)
        task.add_done_callback(self._present.discard)

    async def _visit(self, visitor: Visitor, place: Place) -> None:
        leaves_s = time.monotonic() + visitor.chance.expovariate(1 / self._options.visit_s)
        while time.monotonic() < leaves_s:
            action: Action = visitor.pick(place.actions)
            # Counted as broken by the visitor, who tries again after a while.
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                await action(visitor)
            if await self._closed_within(visitor.chance.expovariate(1 / self._options.think_s)):
                return

    async def _closed_within(self, seconds: float) -> bool:
        try:
            await asyncio.wait_for(self._closed.wait(), seconds)
        except TimeoutError:
            return False
        return True
