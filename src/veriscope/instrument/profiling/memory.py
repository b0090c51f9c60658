"""`track_memory_usage`: what a block of code does to memory."""

import inspect
import threading
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, ParamSpec, TypeAlias, TypeVar, overload

import psutil

from veriscope.instrument.forking import in_forked_child
from veriscope.signals.log import get_log

_P = ParamSpec("_P")
_R = TypeVar("_R")

_SAMPLE_EVERY_S: Final = 0.01
_STATUS: Final = Path("/proc/self/status")
_PEAK: Final = b"VmHWM:"
_OWN_FILES: Final = frozenset({tracemalloc.__file__, __file__, threading.__file__})
_NOTHING: Final = (0, 0)
_Sites: TypeAlias = dict[tuple[str, int], tuple[int, int]]

_log = get_log(__name__)


class AllocationSite(NamedTuple):
    """A line of code and what it allocated that is still alive."""

    file: str
    line: int
    size_bytes: int
    blocks: int


@dataclass(slots=True)
class MemoryUsage:
    """
    What a block did, in bytes; complete when the block has ended.

    Traced figures count Python's allocations since the block began, those of other threads
    included. `rss_peak` is exact where the process reached a new height in the block, and else
    the highest of readings 10 ms apart.
    """

    current_traced: int = 0
    peak_traced: int = 0
    rss_start: int = 0
    rss_end: int = 0
    rss_peak: int = 0
    top: tuple[AllocationSite, ...] = ()

    @property
    def rss_delta(self) -> int:
        """Growth of the resident memory, negative where it shrank."""
        return self.rss_end - self.rss_start


class _Block:
    """A tracked block."""

    def __init__(self, *, top: int) -> None:
        self.usage = MemoryUsage()
        self.top = top
        self.base = 0
        self.peak = 0
        self.height = 0
        self.before: _Sites = {}
        self.is_live = False
        """Whether it has begun and not ended; looking for sites is neither."""


class _Tracking:
    """The blocks under way in this process; the outermost starts and stops `tracemalloc`."""

    def __init__(self) -> None:
        self._started = False
        self._clear()

    def _clear(self) -> None:
        self._lock = threading.Lock()
        self._blocks: list[_Block] = []
        self._process = psutil.Process()
        self._rss = 0
        self._sampling: threading.Event | None = None

    def enter(self, block: _Block) -> None:
        with self._lock:
            is_first = not tracemalloc.is_tracing()
            if is_first:
                tracemalloc.start()
                self._started = True
            self._blocks.append(block)
            if self._sampling is None:
                self._sampling = threading.Event()
                _start_sampling(self, self._sampling)
        if block.top and not is_first:
            # What was there before is not this block's.
            block.before = self._find_sites()
        with self._lock:
            self._fold()
            block.base = block.peak = tracemalloc.get_traced_memory()[0]
            block.usage.rss_start = block.usage.rss_peak = self.rss()
            block.height = _highest_rss()
            block.is_live = True

    def leave(self, block: _Block) -> None:
        with self._lock:
            if block not in self._blocks:
                return  # begun in the parent of a fork, whose figures are not this process'
            self._fold()
            usage = block.usage
            usage.current_traced = tracemalloc.get_traced_memory()[0] - block.base
            usage.peak_traced = block.peak - block.base
            usage.rss_end = self.rss()
            self._see(usage.rss_end)
            height = _highest_rss()
            if height > block.height:
                usage.rss_peak = max(usage.rss_peak, height)
            block.is_live = False
        if block.top:
            usage.top = _top(self._find_sites(), block)
        with self._lock:
            self._blocks.remove(block)
            if not self._blocks:
                self._end()

    def begin_anew(self) -> None:
        """Forget everything in a child made by `fork`: it has no sampling thread."""
        if self._started:
            tracemalloc.stop()
            self._started = False
        self._clear()

    def sample(self) -> None:
        """Take one reading of the resident memory for all blocks."""
        with self._lock:
            self._see(self.rss())

    def rss(self) -> int:
        # The last one known where there is none now: the process may have no descriptor left.
        with suppress(OSError, psutil.Error):
            self._rss = int(self._process.memory_info().rss)
        return self._rss

    def _see(self, rss: int) -> None:
        for block in self._blocks:
            if block.is_live:
                block.usage.rss_peak = max(block.usage.rss_peak, rss)

    def _fold(self) -> None:
        """Give the peak since the last call to every block, and look for the next one."""
        peak = tracemalloc.get_traced_memory()[1]
        for block in self._blocks:
            if block.is_live:
                block.peak = max(block.peak, peak)
        tracemalloc.reset_peak()

    def _find_sites(self) -> _Sites:
        """Look for sites without the lock: it may take seconds, in which others go on."""
        with self._lock:
            self._fold()
        try:
            found = _sites()
        except RuntimeError:  # somebody else stopped the tracing
            found = {}
        with self._lock:
            # What looking took is no block's.
            tracemalloc.reset_peak()
        return found

    def _end(self) -> None:
        if self._sampling is not None:
            self._sampling.set()
            self._sampling = None
        # Where the application traces for itself, that goes on.
        if self._started:
            tracemalloc.stop()
            self._started = False


_tracking: Final = _Tracking()
in_forked_child(_tracking, _Tracking.begin_anew)


class _Tracker:
    """What `track_memory_usage()` returns: enter it, or put it on a function."""

    def __init__(self, top: int) -> None:
        self._top = top
        self._entered: list[_Block] = []

    def __enter__(self) -> MemoryUsage:
        block = _Block(top=self._top)
        _tracking.enter(block)
        self._entered.append(block)
        return block.usage

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        block = self._entered.pop()
        _tracking.leave(block)
        usage = block.usage
        _log.info(
            "Memory usage",
            current_traced=usage.current_traced,
            peak_traced=usage.peak_traced,
            rss_start=usage.rss_start,
            rss_end=usage.rss_end,
            rss_delta=usage.rss_delta,
            rss_peak=usage.rss_peak,
            top=[f"{site.file}:{site.line} {site.size_bytes}" for site in usage.top],
        )

    def __call__(self, function: Callable[_P, _R]) -> Callable[_P, _R]:
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(f"{function!r} is a generator; track blocks within it instead")
        if inspect.iscoroutinefunction(function):

            @wraps(function)
            async def tracked(*args: Any, **kwargs: Any) -> Any:
                with _Tracker(self._top):
                    return await function(*args, **kwargs)

            return tracked  # type: ignore[return-value]  # a coroutine function, as it was

        @wraps(function)
        def wrapper(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            with _Tracker(self._top):
                return function(*args, **kwargs)

        return wrapper


@overload
def track_memory_usage(function: Callable[_P, _R], /) -> Callable[_P, _R]: ...


@overload
def track_memory_usage(*, top: int = 5) -> _Tracker: ...


def track_memory_usage(function: Callable[..., Any] | None = None, /, *, top: int = 5) -> Any:
    """
    Log what a block or a function does to memory, as the event `Memory usage`.

    Use it as `with track_memory_usage() as usage:`, `@track_memory_usage` or
    `@track_memory_usage(top=10)`, on functions and coroutine functions, one within another and
    in several threads. *usage* is a `MemoryUsage`; *top* is the number of `AllocationSite`
    listed, and `0` saves the time that finding them takes.

    Python's allocations are traced meanwhile, which makes allocating code two to four times
    slower. Tracing stops with the outermost block, unless the application had started it.
    Raises `ValueError` where *top* is negative, `TypeError` on a generator function: between its
    steps the memory is its caller's.
    """
    if top < 0:
        raise ValueError(f"top is {top}; it must be at least 0")
    tracker = _Tracker(top)
    return tracker if function is None else tracker(function)


def _sites() -> _Sites:
    """Return what each line holds; the snapshot itself, which is large, is let go."""
    return {
        (place.filename, place.lineno): (known.size, known.count)
        for known in tracemalloc.take_snapshot().statistics("lineno")
        if (place := known.traceback[0]).filename not in _OWN_FILES
    }


def _top(now: _Sites, block: _Block) -> tuple[AllocationSite, ...]:
    grown = (
        AllocationSite(
            *place,
            size - block.before.get(place, _NOTHING)[0],
            count - block.before.get(place, _NOTHING)[1],
        )
        for place, (size, count) in now.items()
    )
    found = sorted((site for site in grown if site.size_bytes > 0), key=_by_size)
    return tuple(found[: block.top])


def _by_size(site: AllocationSite) -> int:
    return -site.size_bytes


def _highest_rss() -> int:
    """Return the highest resident memory that this process ever had; 0 where nobody knows."""
    try:
        status = _STATUS.read_bytes()
    except OSError:
        return 0
    for line in status.splitlines():
        if line.startswith(_PEAK):
            return int(line.split()[1]) * 1024
    return 0


def _start_sampling(tracking: _Tracking, stop: threading.Event) -> None:
    def sample() -> None:
        while not stop.wait(_SAMPLE_EVERY_S):
            tracking.sample()

    # Without a thread, of which the system has only so many, peaks between are not seen.
    with suppress(RuntimeError):
        threading.Thread(target=sample, name="veriscope-memory", daemon=True).start()
