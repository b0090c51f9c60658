"""
Runs ngspice, one child process for each simulation.

A child gets its own process group, a deck in a private folder and a time limit; whatever happens,
none outlives its simulation. Every run is counted, timed and traced.
"""

import contextlib
import os
import random
import resource
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import structlog
from opentelemetry import trace

from examples.genrf.verdict import Verdict, judge
from veriscope.genrf import record_convergence_failure, record_spice_run
from veriscope.signals import UnavailableError

ENGINE: Final = "ngspice"
"""The engine's name, in labels and log records."""

_OUTPUT_BYTES: Final = 1 << 20
# Simulates nothing, for ever: whatever ends it, a circuit did not come first.
_ENDLESS: Final = "* endless\n.control\nwhile 1\nend\n.endc\n.end\n"
_log = structlog.get_logger("genrf.spice")
_tracer = trace.get_tracer(__name__)

Sabotage = Callable[[str], str | None]
"""Given a deck, return the one to simulate instead; None kills the child once it runs."""


class Simulator:
    """
    Simulates decks with ngspice; safe from many threads.

    A simulation may take *cpu_s* whole seconds of computing and *timeout_s* by the clock, which
    is more, so that a busy machine is not taken for a circuit that does not converge. Raises
    `UnavailableError` when *executable* cannot be found. *sabotage* is the fault `spice-crash`:
    it gets each deck before ngspice does.
    """

    def __init__(
        self,
        *,
        executable: str = ENGINE,
        timeout_s: float = 30.0,
        cpu_s: int = 6,
        sabotage: Sabotage | None = None,
    ) -> None:
        found = shutil.which(executable)
        if found is None:
            raise UnavailableError(f"{executable} is not installed; install the package ngspice")
        self._executable = found
        self._timeout_s = timeout_s
        self._cpu_s = cpu_s
        self._sabotage = sabotage
        self._lock = threading.Lock()
        self._children: set[subprocess.Popen[bytes]] = set()
        self._closed = False

    def run(self, deck: str, wanted: Iterable[str], circuit_type: str) -> Verdict:
        """Simulate *deck* and return its verdict; never raises for what ngspice does."""
        with _tracer.start_as_current_span("spice_simulation") as span:
            verdict = self._run(deck, tuple(wanted))
            span.set_attribute("spice.engine", ENGINE)
            span.set_attribute("spice.status", verdict.status)
            record_spice_run(ENGINE, circuit_type, verdict.status)
            if verdict.failure is not None:
                span.set_attribute("spice.failure", verdict.failure)
                record_convergence_failure(circuit_type, verdict.failure)
                _log.debug(
                    "convergence failure",
                    circuit_type=circuit_type,
                    failure_type=verdict.failure,
                    reason=verdict.message,
                    spice_engine=ENGINE,
                )
        return verdict

    def close(self) -> None:
        """End every running simulation, and start none any more."""
        with self._lock:
            self._closed = True
            for child in self._children:
                _end(child)

    def _run(self, deck: str, wanted: tuple[str, ...]) -> Verdict:
        simulated: str | None = deck if self._sabotage is None else self._sabotage(deck)
        with tempfile.TemporaryDirectory(prefix="genrf-spice-") as name:
            folder = Path(name)
            (folder / "deck.cir").write_text(_ENDLESS if simulated is None else simulated)
            with self._child(folder) as child:
                if simulated is None:
                    _end(child)
                try:
                    returncode = child.wait(self._timeout_s)
                except subprocess.TimeoutExpired:
                    return Verdict(failure="timeout", message=f"longer than {self._timeout_s} s")
            with (folder / "output").open("rb") as output:
                text = output.read(_OUTPUT_BYTES).decode(errors="replace")
        return judge(text, returncode, wanted)

    @contextmanager
    def _child(self, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
        # A home without a `.spiceinit`: nobody's own settings change a result.
        # One thread: OpenMP's spinning threads make these small circuits slower, not faster.
        environment = {
            "HOME": str(folder),
            "LC_ALL": "C",
            "OMP_NUM_THREADS": "1",
            "PATH": os.defpath,
        }
        with (folder / "output").open("wb") as output, self._lock:
            if self._closed:
                raise UnavailableError("the simulator is closed")
            child = subprocess.Popen(  # noqa: S603 - a fixed program; the deck is ours
                [self._executable, "-b", "deck.cir"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env=environment,
                start_new_session=True,
            )
            self._children.add(child)
        with contextlib.suppress(ProcessLookupError):  # it has ended already
            resource.prlimit(child.pid, resource.RLIMIT_CPU, (self._cpu_s, self._cpu_s + 1))
        try:
            yield child
        finally:
            with self._lock:
                self._children.discard(child)
            _end(child)
            child.wait()


def _end(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        # Not reaped yet, so the group still bears the child's number.
        os.killpg(child.pid, signal.SIGKILL)


class CrashingSpice:
    """
    The fault `spice-crash`: while it is on, *share* of the simulations really go wrong.

    A third each is killed, gets two voltage sources that contradict each other, and gets a
    transistor of a model that does not exist.
    """

    def __init__(
        self, is_on: Callable[[], bool], chance: random.Random, share: float = 0.8
    ) -> None:
        self._is_on = is_on
        self._chance = chance
        self._share = share

    def __call__(self, deck: str) -> str | None:
        """Return *deck*, spoilt or not; None for a run to be killed."""
        if not self._is_on() or self._chance.random() >= self._share:
            return deck
        harm = self._chance.choice((None, _CONTRADICTION, _NO_MODEL))
        return None if harm is None else deck.replace("\n.control\n", f"\n{harm}\n.control\n", 1)


_CONTRADICTION: Final = "vfault1 fault 0 1\nvfault2 fault 0 2\nrfault fault 0 1k"
_NO_MODEL: Final = "mfault fault fault 0 0 lost w=1u l=1u"
