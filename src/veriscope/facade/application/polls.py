"""Polls of a service's business figures; what cannot be read leaves its reason in `faults`."""

import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, TypeVar

import aiohttp
import msgspec

from veriscope.facade.application.business import (
    ActiveUsers,
    Amount,
    BusinessPaths,
    Count,
    NotOfferedError,
    OptimizationJobs,
    PricedRevenue,
    RequestRate,
    fetch,
    fetch_counters,
    read_json,
    read_names,
)
from veriscope.signals import Clock, InvalidInputError, VeriscopeError

T = TypeVar("T")
REQUEST_COUNTERS: Final = (
    "http_server_request_duration_seconds_count",
    "http_requests_total",
    "starlette_requests_total",
    "flask_http_request_total",
)
"""Counters of requests, the first that a service exposes counts."""
NO_JOBS: Final[Mapping[str, int]] = {"total": 0, "completed": 0, "failed": 0}
_MAX_REASON: Final = 500


class BusinessPolls:
    """
    Reads the figures of the service at *base_url*, in the session that *session* gives.

    *note* hears of each figure whether it could be read (`""`) or why not. Raises
    `InvalidInputError` for prices beside a path of revenue.
    """

    def __init__(
        self,
        base_url: str,
        paths: BusinessPaths,
        prices: Mapping[str, float] | None,
        request_counters: Sequence[str],
        *,
        session: Callable[[], aiohttp.ClientSession],
        note: Callable[[str, str], None],
        clock: Clock,
    ) -> None:
        if prices and paths.revenue:
            raise InvalidInputError("give either prices or a path of revenue, not both")
        self.faults: dict[str, str] = {}
        self._base_url = base_url.rstrip("/")
        self._paths = paths
        self._revenue = PricedRevenue(prices) if prices else None
        self._rate = RequestRate(request_counters)
        self._session, self._note, self._clock = session, note, clock

    async def active_users(self) -> int:
        """Return the number of active users, or 0."""
        return await self._read("active_users", self._paths.active_users, _users, 0)

    async def optimization_jobs(self) -> dict[str, int]:
        """Return `total`, `completed` and `failed`, or zeros."""
        path = self._paths.optimization_jobs
        return await self._read("optimization_jobs", path, _jobs, dict(NO_JOBS))

    async def model_usage(self) -> dict[str, int]:
        """Return the uses of each model, or nothing."""
        return await self._read("model_usage", self._paths.model_usage, _usage, {})

    async def revenue(self, usage: Mapping[str, int]) -> dict[str, float]:
        """Return the revenue so far by name: the service's own, or *usage* by its prices."""
        if self._revenue is None:
            return await self._read("revenue", self._paths.revenue, _amounts, {})
        if "model_usage" in self.faults:
            self.settle("revenue", "unknown, since the usage of models is")
            return {}
        self.settle("revenue", "")
        return self._revenue.read(usage)

    async def request_rate(self) -> float | None:
        """
        Return requests per second by the service's own counter; None where it has none.

        NaN where there is one and no rate yet or now: a rate needs two readings.
        """
        if not self._paths.metrics:
            return None
        figure, url = "requests_per_second", self._base_url + self._paths.metrics
        try:
            readings = await fetch_counters(self._session(), url, self._rate.names)
            rate = self._rate.read(readings, self._clock.monotonic_s())
        except NotOfferedError:
            self.settle(figure, "")
            return None
        except VeriscopeError as error:
            self.settle(figure, str(error))
            return math.nan
        self.settle(figure, "")
        return rate

    async def guarded(self, figure: str, poll: Awaitable[T], otherwise: T) -> T:
        """Await *poll*; what a subclass' own method raises is a fault of its figure alone."""
        try:
            return await poll
        except Exception as error:  # noqa: BLE001 - it is recorded as that figure's reason
            self.settle(figure, f"{type(error).__name__}: {error}")
            return otherwise

    def settle(self, figure: str, reason: str) -> None:
        """Note that *figure* was read, or that it was not for *reason*."""
        self._note(figure, reason)
        if reason:
            self.faults[figure] = reason[:_MAX_REASON]
        else:
            self.faults.pop(figure, None)

    async def _read(self, figure: str, path: str, read: Callable[[bytes], T], otherwise: T) -> T:
        found, reason = otherwise, ""
        if path:
            try:
                found = read(await fetch(self._session(), self._base_url + path))
            except VeriscopeError as error:
                reason = str(error)
        self.settle(figure, reason)
        return found


def _users(body: bytes) -> int:
    return read_json(body, ActiveUsers).count


def _jobs(body: bytes) -> dict[str, int]:
    return msgspec.structs.asdict(read_json(body, OptimizationJobs))


def _usage(body: bytes) -> dict[str, int]:
    return read_names(body, dict[str, Count])


def _amounts(body: bytes) -> dict[str, float]:
    return read_names(body, dict[str, Amount])
