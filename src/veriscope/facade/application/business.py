"""Business figures: read from a service's JSON, checked, and turned into rates and revenue."""

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Final, TypeAlias, TypeVar

import aiohttp
import msgspec

from veriscope.signals import InvalidInputError, UnavailableError
from veriscope.wire.exposition import SeriesTable, parse_text

T = TypeVar("T")
K = TypeVar("K")
Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0)]
Amount: TypeAlias = Annotated[float, msgspec.Meta(ge=0)]
Readings: TypeAlias = Mapping[str, Mapping[tuple[tuple[str, str], ...], float]]
"""Values by counter and labels."""

MAX_NAMES: Final = 1000
"""Models, or kinds of revenue, that one reading may have."""
_MAX_JSON_BYTES: Final = 256 << 10
_MAX_METRICS_BYTES: Final = 8 << 20
_OK: Final = 200
_NOT_FOUND: Final = 404


class BusinessPaths(msgspec.Struct, frozen=True, kw_only=True):
    """Where a service gives its business figures; an empty path is not asked."""

    active_users: str = "/users/active"
    """JSON `{"count": N}`."""
    optimization_jobs: str = "/optimizations/stats"
    """JSON `{"total": N, "completed": N, "failed": N}`; the last two count up."""
    model_usage: str = "/models/usage"
    """JSON `{"MODEL": N, …}`, counting up."""
    revenue: str = ""
    """JSON `{"NAME": AMOUNT, …}`, counting up; not asked unless it is given."""
    metrics: str = "/metrics"
    """Prometheus text with a counter of requests."""


class NotOfferedError(UnavailableError):
    """The service does not give this figure, which is no failure of it."""


class ActiveUsers(msgspec.Struct, frozen=True):
    """The answer of `active_users`."""

    count: Count


class OptimizationJobs(msgspec.Struct, frozen=True):
    """The answer of `optimization_jobs`."""

    total: Count
    completed: Count
    failed: Count


async def fetch(session: aiohttp.ClientSession, url: str, limit: int = _MAX_JSON_BYTES) -> bytes:
    """Return the body at *url*; raises `UnavailableError` where there is none with status 200."""
    try:
        async with session.get(url) as response:
            if response.status == _NOT_FOUND:
                raise NotOfferedError("status: answered with 404")
            if response.status != _OK:
                raise UnavailableError(f"status: answered with {response.status}")
            body = await response.content.read(limit + 1)
            while len(body) <= limit and (more := await response.content.read(limit + 1)):
                body += more
    except TimeoutError as error:
        raise UnavailableError("timeout: no answer in time") from error
    except aiohttp.ClientConnectorDNSError as error:
        raise UnavailableError(f"dns: {error.strerror or error}") from error
    except (aiohttp.ClientError, OSError) as error:
        kind = "refused" if isinstance(_cause(error), ConnectionRefusedError) else "connection"
        raise UnavailableError(f"{kind}: {type(error).__name__}") from error
    if len(body) > limit:
        raise UnavailableError(f"too_large: more than {limit} bytes")
    return body


def read_json(body: bytes, kind: type[T]) -> T:
    """Read *body* as *kind*; raises `InvalidInputError` that says where the shape is wrong."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidInputError(f"shape: {error}") from error


def read_names(body: bytes, kind: type[dict[str, T]]) -> dict[str, T]:
    """Read an object of bounded size; raises `InvalidInputError`."""
    found = read_json(body, kind)
    if len(found) > MAX_NAMES:
        raise InvalidInputError(f"shape: {len(found)} names, at most {MAX_NAMES} are read")
    return found


async def fetch_counters(
    session: aiohttp.ClientSession, url: str, names: Sequence[str]
) -> Readings:
    """Return the counters *names* that Prometheus text at *url* has; raises `VeriscopeError`."""
    return counters_of(await fetch(session, url, _MAX_METRICS_BYTES), names)


def counters_of(text: bytes, names: Sequence[str]) -> Readings:
    """Return the counters *names* in *text*, either text format; raises `InvalidInputError`."""
    prefixes = tuple(name.encode() for name in names)
    # Only the few lines that matter are parsed; an exemplar may follow one of OpenMetrics.
    lines = [line.split(b" # ", 1)[0] for line in text.split(b"\n") if line.startswith(prefixes)]
    table = SeriesTable()
    parsed = parse_text(b"\n".join(lines) + b"\n", table)
    found: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
    for series, value in zip(parsed.series.tolist(), parsed.values.tolist(), strict=True):
        labels = table.labels[series]
        name = dict(labels)["__name__"]
        if name in names and math.isfinite(value):
            found.setdefault(name, {})[labels] = value
    return found


def increase(before: float, after: float) -> float:
    """Return how much a counter grew; one that is smaller than before was reset to 0."""
    return after - before if after >= before else after


def increases(before: Mapping[K, float], after: Mapping[K, float]) -> dict[K, float]:
    """Return how much each counter of *after* grew; a new one counts from 0."""
    return {key: increase(before.get(key, 0), value) for key, value in after.items()}


class RequestRate:
    """Requests per second from successive readings of a service's own counter."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names: Final = tuple(names)
        self._name = ""
        self._values: Mapping[tuple[tuple[str, str], ...], float] = {}
        self._time_s = 0.0

    def read(self, readings: Readings, time_s: float) -> float:
        """
        Return the rate since the last reading; NaN for the first one.

        *time_s* is monotonic. Raises `NotOfferedError` where no counter is known.
        """
        name = next((name for name in self.names if name in readings), "")
        if not name:
            raise NotOfferedError(f"absent: none of {', '.join(self.names)} is exposed")
        before, since_s, known = self._values, time_s - self._time_s, self._name == name
        self._name, self._values, self._time_s = name, readings[name], time_s
        if not known or since_s <= 0:
            return math.nan
        return sum(increases(before, self._values).values()) / since_s


class PricedRevenue:
    """Revenue from prices: what each use of a model since the first reading has earned."""

    def __init__(self, prices: Mapping[str, float]) -> None:
        for model, price in prices.items():
            if not 0 <= price < math.inf:
                raise InvalidInputError(f"the price of {model} is {price}; give 0 or more")
        self._prices = dict(prices)
        self._usage: Mapping[str, int] | None = None
        self._earned = dict.fromkeys(self._prices, 0.0)

    def read(self, usage: Mapping[str, int]) -> dict[str, float]:
        """Return the amount earned so far by each model that has a price."""
        if self._usage is not None:
            for model, uses in increases(self._usage, usage).items():
                if model in self._prices:
                    self._earned[model] += uses * self._prices[model]
        self._usage = dict(usage)
        return dict(self._earned)


def _cause(error: BaseException) -> BaseException:
    return getattr(error, "os_error", error)
