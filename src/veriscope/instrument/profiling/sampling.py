"""The profiler that is always on."""

import atexit
import os
import re
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from prometheus_client import REGISTRY, CollectorRegistry

from veriscope.instrument.disk import failure_reason, write_whole
from veriscope.instrument.forking import ForkLock, in_forked_child
from veriscope.instrument.profiling.folder import keep_newest
from veriscope.instrument.profiling.metrics import ProfileTally, ProfilingMetrics, metrics_of
from veriscope.instrument.profiling.stacks import SampledProfile, StackTable
from veriscope.instrument.profiling.threads import ThreadSampler
from veriscope.signals import InvalidInputError

_KIND: Final = "sampling"
_SUFFIXES: Final = (".pb.gz", ".cpu.folded", ".off-cpu.folded")
_MAX_HZ: Final = 1000.0
_MIN_HZ: Final = 1.0
_ACCOUNT_EVERY_NS: Final = 200_000_000
# A sample takes the GIL from the thread that runs, which costs that one more than the sample does:
# the switches there and back, measured by benchmarks/profiler.py with one thread that lets go of
# the GIL now and then, and with four that fight for it. Those make a sample wait, and so tell.
_SWITCHES_NS: Final = 100_000
_CONTENDED_SWITCHES_NS: Final = 200_000
_CONTENDED_WAIT_NS: Final = 500_000
# After a time over budget the pace goes below what the budget allows, so that it settles.
_BACK_OFF: Final = 0.8
_RECOVER: Final = 1.25


@dataclass(frozen=True, slots=True)
class _Settings:
    """What a profiler was asked for."""

    hz: float
    directory: Path
    interval_ns: int
    keep: int
    max_stacks: int
    max_depth: int
    budget: float


class SamplingProfiler:
    """
    Looks at the stack of every thread *hz* times a second, and writes what it saw.

    Every *interval_s* seconds, and at the end, three files appear in *directory*:
    `sampling_<process>_<unix ms>` with `.pb.gz` (pprof: count, wall and CPU time),
    `.cpu.folded` and `.off-cpu.folded` (collapsed stacks in microseconds). Those of the *keep*
    newest intervals stay. Time on a CPU is measured for each thread, so waiting is told apart.

    At most *max_stacks* distinct stacks of *max_depth* functions are kept apart in an interval.
    Where sampling costs more than the share *budget* of a core, by its own CPU time and by the
    switches that it forces upon running threads, it slows down until it does not. A child made by
    `fork` goes on with a profile of its own.

    `start` and `stop` may be called any number of times, and a `with` block does both. Raises
    `InvalidInputError` for numbers that make no sense.
    """

    def __init__(
        self,
        hz: float = 100,
        *,
        directory: str | Path = ".",
        interval_s: float = 60,
        keep: int = 60,
        max_stacks: int = 10_000,
        max_depth: int = 128,
        budget: float = 0.01,
        registry: CollectorRegistry = REGISTRY,
    ) -> None:
        if not _MIN_HZ <= hz <= _MAX_HZ:
            raise InvalidInputError(f"hz is {hz}; it must be from 1 to 1000")
        if interval_s <= 0 or budget <= 0 or min(keep, max_stacks, max_depth) < 1:
            raise InvalidInputError(
                "interval_s and budget must be more than 0; keep, max_stacks and max_depth at "
                "least 1"
            )
        self._settings = _Settings(
            hz=float(hz),
            directory=Path(directory).absolute(),
            interval_ns=int(interval_s * 1e9),
            keep=keep,
            max_stacks=max_stacks,
            max_depth=max_depth,
            budget=budget,
        )
        self._metrics = metrics_of(registry)
        self._lock = ForkLock()
        self._run: _Run | None = None
        in_forked_child(self, SamplingProfiler._go_on)

    @property
    def running(self) -> bool:
        """Whether samples are being taken."""
        return self._run is not None

    def start(self) -> Self:
        """Begin; does nothing where it has begun already."""
        with self._lock:
            if self._run is None:
                self._begin()
                atexit.register(self.stop)
        return self

    def stop(self, timeout_s: float = 5.0) -> None:
        """End, and write what was seen since the last files; waits *timeout_s* at most."""
        with self._lock:
            run, self._run = self._run, None
        if run is not None:
            atexit.unregister(self.stop)
            run.stop(timeout_s)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.stop()

    def _begin(self) -> None:
        self._run = _Run(self._settings, self._metrics)
        self._run.start()

    def _go_on(self) -> None:
        """Go on in a forked child, where the thread is not."""
        if self._run is not None:
            self._begin()


class _Run:
    """The thread of a profiler, from one `start` to its `stop`."""

    def __init__(self, settings: _Settings, metrics: ProfilingMetrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._hz = settings.hz
        self._stopping = False
        self._tally = ProfileTally(_KIND, metrics)
        self._table = self._new_table()
        self._sampler = ThreadSampler(self._table)
        self._begun_ns = self._accounted_ns = time.monotonic_ns()
        self._cpu_ns = 0
        self._late = 0
        self._longest_ns = 0
        self._switches_ns = 0.0
        self._thread = threading.Thread(target=self._loop, name="veriscope-profiler", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        self._stopping = True
        self._thread.join(timeout_s)

    def _loop(self) -> None:
        own = threading.get_ident()
        last_ns = due_ns = time.monotonic_ns()
        self._cpu_ns = time.thread_time_ns()
        self._metrics.hertz.set(self._hz)
        while not self._stopping:
            period_ns = int(1e9 / self._hz)
            due_ns += period_ns
            # Not an Event: waiting for one costs several times as much as sleeping, and `stop`
            # can spare a period.
            time.sleep(max(0, due_ns - time.monotonic_ns()) / 1e9)
            now_ns = time.monotonic_ns()
            is_contended = now_ns - due_ns >= _CONTENDED_WAIT_NS
            switches_ns = _CONTENDED_SWITCHES_NS if is_contended else _SWITCHES_NS
            if now_ns - due_ns >= period_ns:
                self._note_delay(now_ns - due_ns, period_ns)
                due_ns = now_ns
            try:
                interrupted = self._sampler.sample(now_ns - last_ns, own)
                self._switches_ns += interrupted * switches_ns
                self._keep_house(now_ns)
            except Exception as error:  # noqa: BLE001 - the next sample may well succeed
                self._tally.dropped("error", repr(error))
            last_ns = now_ns
        self._write(time.monotonic_ns())
        self._metrics.hertz.set(0)

    def _note_delay(self, late_ns: int, period_ns: int) -> None:
        """Note ticks that could not happen: something held the GIL, or no core was free."""
        self._late += late_ns // period_ns
        self._longest_ns = max(self._longest_ns, late_ns)
        self._metrics.samples_dropped.labels("late").inc(late_ns // period_ns)

    def _keep_house(self, now_ns: int) -> None:
        if now_ns - self._begun_ns >= self._settings.interval_ns:
            self._write(now_ns)
        elif now_ns - self._accounted_ns >= _ACCOUNT_EVERY_NS:
            self._account(now_ns)

    def _account(self, now_ns: int) -> None:
        """Report what sampling costs, and change its pace where it costs too much."""
        sampler = self._sampler
        cpu_ns = time.thread_time_ns()
        cost_ns = cpu_ns - self._cpu_ns + self._switches_ns
        ratio = cost_ns / max(1, now_ns - self._accounted_ns)
        self._cpu_ns, self._accounted_ns, self._switches_ns = cpu_ns, now_ns, 0.0
        self._metrics.overhead.set(ratio)
        self._metrics.samples.labels("on_cpu").inc(sampler.on_cpu)
        self._metrics.samples.labels("off_cpu").inc(sampler.samples - sampler.on_cpu)
        sampler.samples, sampler.on_cpu = 0, 0.0
        sampler.forget_ended()
        pace = self._next_hz(ratio)
        if pace != self._hz:
            self._hz = pace
            self._metrics.hertz.set(pace)

    def _next_hz(self, ratio: float) -> float:
        budget = self._settings.budget
        if ratio > budget:
            return max(_MIN_HZ, self._hz * budget / ratio * _BACK_OFF)
        if ratio * _RECOVER < budget * _BACK_OFF:
            return min(self._settings.hz, self._hz * _RECOVER)
        return self._hz

    def _write(self, now_ns: int) -> None:
        """Write the interval that ends now, and begin the next one."""
        self._account(now_ns)
        profile = SampledProfile(
            samples=self._table.samples(),
            begun_ns=time.time_ns() - (now_ns - self._begun_ns),
            duration_ns=now_ns - self._begun_ns,
            period_ns=int(1e9 / self._hz),
            comments=(
                f"ticks missed: {self._late}",
                f"longest delay: {self._longest_ns / 1e6:.1f} ms",
            ),
        )
        if self._table.unkept:
            self._metrics.samples_dropped.labels("stacks").inc(self._table.unkept)
        self._table = self._new_table()
        self._sampler.use(self._table)
        self._begun_ns, self._late, self._longest_ns = now_ns, 0, 0
        if profile.samples:
            self._save(profile)
        # Writing is rare and its cost is bounded: it must not slow the sampling down.
        self._cpu_ns, self._accounted_ns = time.thread_time_ns(), time.monotonic_ns()

    def _save(self, profile: SampledProfile) -> None:
        directory = self._settings.directory
        stem = f"sampling_{os.getpid()}_{profile.begun_ns // 1_000_000}"
        contents = (
            profile.pprof(),
            profile.folded(on_cpu=True).encode(errors="replace"),
            profile.folded(on_cpu=False).encode(errors="replace"),
        )
        try:
            for suffix, content in zip(_SUFFIXES, contents, strict=True):
                write_whole(directory / f"{stem}{suffix}", content)
                pattern = re.compile(rf"sampling_\d+_\d+{re.escape(suffix)}")
                keep_newest(directory, pattern, self._settings.keep)
        except OSError as error:
            self._tally.dropped(failure_reason(error), str(error))
        else:
            self._tally.written()

    def _new_table(self) -> StackTable:
        settings = self._settings
        return StackTable(max_stacks=settings.max_stacks, max_depth=settings.max_depth)
