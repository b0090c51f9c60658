"""Stacks counted: what a sampling profiler saw in one interval."""

from collections.abc import Iterator
from dataclasses import dataclass
from types import CodeType, FrameType
from typing import Final

from veriscope.instrument.profiling.pprof import StackFrame, StackSample, ValueType, encode

OTHER: Final = StackFrame("[other]", "", 0)
"""Stands for the stacks that were one too many to be kept apart."""

TRUNCATED: Final = StackFrame("[truncated]", "", 0)
"""Stands for the callers of a stack that is deeper than the limit."""

_TYPES: Final = (
    ValueType("samples", "count"),
    ValueType("wall", "nanoseconds"),
    ValueType("cpu", "nanoseconds"),
)


class Tally:
    """How often a stack was seen, and the time that it stands for."""

    __slots__ = ("cpu_ns", "samples", "wall_ns")

    def __init__(self) -> None:
        self.samples = 0
        self.wall_ns = 0
        self.cpu_ns = 0


@dataclass(frozen=True, slots=True)
class SampledProfile:
    """The stacks of one interval, and how well they were sampled."""

    samples: tuple[StackSample, ...]
    """Values are count, wall nanoseconds and CPU nanoseconds; the label `thread` names it."""
    begun_ns: int
    """Unix nanoseconds."""
    duration_ns: int
    period_ns: int
    comments: tuple[str, ...]

    def pprof(self) -> bytes:
        """Return the profile in pprof's format, gzipped."""
        return encode(
            _TYPES,
            self.samples,
            time_ns=self.begun_ns,
            duration_ns=self.duration_ns,
            period_ns=self.period_ns,
            comments=self.comments,
        )

    def folded(self, *, on_cpu: bool) -> str:
        """
        Return collapsed stacks, `thread;outer;…;leaf microseconds`, one a line.

        The time is that on a CPU, or else the rest: waiting for locks, the GIL, disks, sockets.
        """
        lines = []
        for frames, (_, wall_ns, cpu_ns), labels in self.samples:
            micros = round((cpu_ns if on_cpu else max(wall_ns - cpu_ns, 0)) / 1000)
            if micros:
                names = [labels[0][1], *(_name(frame) for frame in reversed(frames))]
                lines.append(f"{';'.join(name.replace(';', ':') for name in names)} {micros}\n")
        return "".join(lines)


class StackTable:
    """
    Distinct stacks and their tallies, at most *max_stacks* of them.

    A stack is its thread's name and the identities of its functions' code, which stay alive
    while they are in the table. Used by the sampling thread alone.
    """

    def __init__(self, *, max_stacks: int, max_depth: int) -> None:
        self._max_stacks = max_stacks
        self._max_depth = max_depth
        self._codes: dict[int, CodeType] = {}
        self._tallies: dict[tuple[str, tuple[int, ...]], Tally] = {}
        self._other = Tally()
        self.unkept = 0
        """Samples that went to `OTHER`."""

    def tally(self, thread: str, frame: FrameType) -> Tally:
        """Return the tally of the stack whose leaf is *frame*."""
        codes: list[CodeType] = []
        caller: FrameType | None = None
        for _ in range(self._max_depth):
            codes.append(frame.f_code)
            caller = frame.f_back
            if caller is None:
                break
            frame = caller
        # Identities, because code objects compare by content, which takes long.
        stack = tuple(map(id, codes)) if caller is None else (*map(id, codes), 0)
        key = (thread, stack)
        found = self._tallies.get(key)
        if found is None:
            if len(self._tallies) >= self._max_stacks:
                self.unkept += 1
                return self._other
            found = self._tallies[key] = Tally()
            self._codes.update(zip(stack, codes, strict=False))
        return found

    def samples(self) -> tuple[StackSample, ...]:
        """Return what was counted."""
        return tuple(self._all())

    def _all(self) -> Iterator[StackSample]:
        for (thread, stack), tally in self._tallies.items():
            if tally.samples:
                yield _sample(thread, tuple(self._frame(number) for number in stack), tally)
        if self._other.samples:
            yield _sample("*", (OTHER,), self._other)

    def _frame(self, number: int) -> StackFrame:
        if not number:
            return TRUNCATED
        code = self._codes[number]
        return StackFrame(code.co_qualname, code.co_filename, code.co_firstlineno)


def _sample(thread: str, frames: tuple[StackFrame, ...], tally: Tally) -> StackSample:
    values = (tally.samples, tally.wall_ns, tally.cpu_ns)
    return StackSample(frames, values, (("thread", thread),))


def _name(frame: StackFrame) -> str:
    """Return what tells *frame* apart in a flame graph: the end of its path, and its name."""
    parts = frame.file.removesuffix(".py").rsplit("/", 2)
    module = ".".join(parts[-2:])
    return f"{module}:{frame.function}" if module else frame.function
