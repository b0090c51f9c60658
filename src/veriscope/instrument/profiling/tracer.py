"""Profiles of what one thread calls, whatever the version of Python."""

import cProfile
import sys
import threading
import time
from collections.abc import Callable, Mapping
from types import CodeType, FrameType
from typing import Any, Final, Protocol, TypeAlias

Key: TypeAlias = tuple[str, int, str]
"""File, line and name of a function, as `pstats` has them."""

_Times: TypeAlias = tuple[int, int, float, float]
Stats: TypeAlias = Mapping[Key, tuple[int, int, float, float, Mapping[Key, _Times]]]
"""Calls, calls not recursive, own seconds, total seconds and callers: what `pstats` loads."""


class Tracer(Protocol):
    """Records the calls of the thread that enabled it, between `enable` and `disable`."""

    def enable(self) -> None:
        """Begin, or go on, in this thread."""

    def disable(self) -> None:
        """Pause; what is still running is counted up to now."""

    def stats(self) -> Stats:
        """Return what was recorded."""


class ProfileTracer:
    """`cProfile`, which before Python 3.12 sees the calls of one thread only."""

    def __init__(self) -> None:
        self._profile = cProfile.Profile()

    def enable(self) -> None:
        """Begin, or go on, in this thread."""
        self._profile.enable()

    def disable(self) -> None:
        """Pause; what is still running is counted up to now."""
        self._profile.disable()

    def stats(self) -> Stats:
        """Return what was recorded."""
        # `create_stats` would also disable whatever profiles this thread by now.
        self._profile.snapshot_stats()
        return dict(self._profile.stats)


class _Call:
    """A call that has not returned."""

    __slots__ = ("begun_ns", "below_ns", "key")

    def __init__(self, key: Key, begun_ns: int) -> None:
        self.key = key
        self.begun_ns = begun_ns
        self.below_ns = 0


class _Figures:
    """What is known of one function."""

    __slots__ = ("active", "callers", "calls", "own_ns", "primitive", "total_ns")

    def __init__(self) -> None:
        self.calls = self.primitive = self.own_ns = self.total_ns = self.active = 0
        self.callers: dict[Key, list[int]] = {}


class ThreadTracer:
    """
    The same by `sys.setprofile`, which sees one thread only in every version.

    From Python 3.12 on, `cProfile` sees all threads of the interpreter at once and lets nobody
    else profile meanwhile. This costs about a microsecond a call, ten times as much.
    """

    def __init__(self, now_ns: Callable[[], int] = time.perf_counter_ns) -> None:
        self._now_ns = now_ns
        self._stack: list[_Call] = []
        self._figures: dict[Key, _Figures] = {}
        self._names: dict[CodeType, Key] = {}

    def enable(self) -> None:
        """Begin, or go on, in this thread."""
        sys.setprofile(self._event)

    def disable(self) -> None:
        """Pause; what is still running is counted up to now."""
        sys.setprofile(None)
        now_ns = self._now_ns()
        while self._stack:
            self._leave(now_ns)

    def stats(self) -> Stats:
        """Return what was recorded."""
        return {
            key: (
                figures.primitive,
                figures.calls,
                figures.own_ns / 1e9,
                figures.total_ns / 1e9,
                {
                    caller: (primitive, calls, own / 1e9, total / 1e9)
                    for caller, (primitive, calls, own, total) in figures.callers.items()
                },
            )
            for key, figures in self._figures.items()
            if figures.calls
        }

    def _event(self, frame: FrameType, event: str, argument: Any) -> None:
        now_ns = self._now_ns()
        if frame.f_code.co_filename == __file__:
            return
        if event == "call":
            self._enter(self._key(frame.f_code), now_ns)
        elif event == "c_call":
            self._enter(_builtin(argument), now_ns)
        elif self._stack:
            # A return without its call is of a frame that was running before `enable`.
            expected = self._key(frame.f_code) if event == "return" else None
            if expected is None or self._stack[-1].key == expected:
                self._leave(now_ns)

    def _enter(self, key: Key, now_ns: int) -> None:
        figures = self._figures.get(key)
        if figures is None:
            figures = self._figures[key] = _Figures()
        figures.active += 1
        self._stack.append(_Call(key, now_ns))

    def _leave(self, now_ns: int) -> None:
        call = self._stack.pop()
        total_ns = now_ns - call.begun_ns
        own_ns = total_ns - call.below_ns
        figures = self._figures[call.key]
        figures.active -= 1
        outermost = not figures.active
        figures.calls += 1
        figures.own_ns += own_ns
        if outermost:
            figures.primitive += 1
            figures.total_ns += total_ns
        if self._stack:
            caller = self._stack[-1]
            caller.below_ns += total_ns
            edge = figures.callers.setdefault(caller.key, [0, 0, 0, 0])
            edge[0] += outermost
            edge[1] += 1
            edge[2] += own_ns
            edge[3] += total_ns if outermost else 0

    def _key(self, code: CodeType) -> Key:
        key = self._names.get(code)
        if key is None:
            key = self._names[code] = (code.co_filename, code.co_firstlineno, code.co_name)
        return key


def _builtin(function: Any) -> Key:
    module = getattr(function, "__module__", None)
    owner = f"{module}." if module and module != "builtins" else ""
    return "~", 0, f"<built-in method {owner}{getattr(function, '__qualname__', function)}>"


new_tracer: Final[Callable[[], Tracer]] = (
    ThreadTracer if sys.version_info >= (3, 12) else ProfileTracer
)
"""Makes the cheapest tracer that keeps to its own thread."""

_here: Final = threading.local()


class Recording:
    """
    The profile of one call, recorded in as many steps as the call takes.

    A step that begins while this thread is profiled already (by another recording, or by a
    profiler of the application) records nothing: its time is part of that profile.
    """

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self._running = False
        self.steps = 0
        """Steps that were recorded."""

    def __enter__(self) -> None:
        if getattr(_here, "profiled", False) or sys.getprofile() is not None:
            return
        self._tracer.enable()
        self._running = _here.profiled = True
        self.steps += 1

    def __exit__(self, *_: object) -> None:
        if self._running:
            self._tracer.disable()
            self._running = _here.profiled = False

    def stats(self) -> Stats:
        """Return what was recorded."""
        return self._tracer.stats()
