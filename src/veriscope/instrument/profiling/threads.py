"""The threads of this process as a sampler sees them, with the CPU time that each has used."""

import sys
import threading
import time
from types import FrameType
from typing import Final

from veriscope.instrument.profiling.stacks import StackTable, Tally

# Linux packs a thread's number and the kind of its clock into a clock's number (see
# `clock_gettime(2)`). Unlike `pthread_getcpuclockid`, which may crash on a thread that has
# ended, the kernel refuses a number that is no thread of this process.
_PER_THREAD_CPU: Final = 0b110
_LINUX: Final = sys.platform == "linux"


def cpu_clock(native_id: int) -> int:
    """Return the clock that measures the CPU time of the thread *native_id*."""
    return (~native_id << 3) | _PER_THREAD_CPU


class _Thread:
    """What the sampler remembers of a thread."""

    __slots__ = ("clock", "cpu_ns", "name", "seen", "tally")

    def __init__(self, name: str, clock: int | None) -> None:
        self.name = name
        self.clock = clock
        self.cpu_ns = -1
        self.tally: Tally | None = None
        self.seen = 0


class ThreadSampler:
    """
    Takes one sample of every thread but the caller's.

    A thread whose CPU clock stands still has not moved since the last sample, so its stack is
    the one that was seen then: a thread that waits costs one clock reading and no walk. Where
    there is no such clock every thread counts as waiting.
    """

    def __init__(self, table: StackTable) -> None:
        self._table = table
        self._threads: dict[int, _Thread] = {}
        self._round = 0
        self.samples = 0
        """Stacks seen."""
        self.on_cpu = 0.0
        """Those of running threads; a thread that ran for a part of the time counts as much."""

    def use(self, table: StackTable) -> None:
        """Count into *table* from now on."""
        self._table = table
        for thread in self._threads.values():
            thread.tally = None

    def sample(self, elapsed_ns: int, own: int) -> float:
        """
        Count a sample that stands for *elapsed_ns*; *own* is the caller's identity.

        Returns how likely it interrupted a thread, from 0 to 1: for which share of the time one
        was running, however many did.
        """
        self._round += 1
        on_cpu_before = self.on_cpu
        # The frames must not outlive this call: they keep the locals of their functions alive.
        for ident, frame in sys._current_frames().items():  # noqa: SLF001 - there is no other way
            if ident != own:
                thread = self._threads.get(ident) or self._meet(ident)
                thread.seen = self._round
                self._count(thread, frame, elapsed_ns)
        return min(1.0, self.on_cpu - on_cpu_before)

    def forget_ended(self) -> None:
        """Forget the threads that were not there in the last sample."""
        ended = [ident for ident, thread in self._threads.items() if thread.seen != self._round]
        for ident in ended:
            del self._threads[ident]

    def _count(self, thread: _Thread, frame: FrameType, elapsed_ns: int) -> None:
        used_ns = self._used(thread)
        tally = thread.tally
        if used_ns or tally is None:
            tally = thread.tally = self._table.tally(thread.name, frame)
        tally.samples += 1
        tally.wall_ns += elapsed_ns
        self.samples += 1
        if used_ns > 0:
            tally.cpu_ns += used_ns
            self.on_cpu += min(1.0, used_ns / elapsed_ns)

    def _used(self, thread: _Thread) -> int:
        """Return nanoseconds of CPU since the last look; -1 where nothing can be said."""
        if thread.clock is None:
            return -1
        try:
            cpu_ns = time.clock_gettime_ns(thread.clock)
        except OSError:
            # The thread ended, and another one has got its identity.
            thread.cpu_ns, thread.tally, thread.seen = -1, None, 0
            return -1
        used_ns = cpu_ns - thread.cpu_ns if thread.cpu_ns >= 0 else -1
        thread.cpu_ns = cpu_ns
        return used_ns

    def _meet(self, ident: int) -> _Thread:
        name, native_id = f"thread-{ident}", None
        for known in threading.enumerate():
            if known.ident == ident:
                name, native_id = known.name, known.native_id
        clock = cpu_clock(native_id) if _LINUX and native_id is not None else None
        thread = self._threads[ident] = _Thread(name, clock)
        return thread
