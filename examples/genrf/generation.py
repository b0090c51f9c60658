"""From a specification to a circuit: choose a topology, optimise its parameters, validate."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray
from opentelemetry import trace

from examples.genrf.circuits import FAMILIES, CircuitSpec, Family, Topology
from examples.genrf.search import Search
from examples.genrf.spice import Simulator
from examples.genrf.surrogate import Surrogate
from examples.genrf.verdict import Verdict
from veriscope.signals import VeriscopeError

Array = NDArray[np.float64]

CORNERS_C: Final = (0, 85)
"""Junction temperatures, besides 27 °C, at which a finished circuit is simulated."""

_tracer = trace.get_tracer(__name__)


class GenerationError(VeriscopeError):
    """
    No circuit came out of a generation.

    `reason` is `no_working_topology`, `no_working_design` or `validation_failed`.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason


class CancelledError(VeriscopeError):
    """The generation was given up because the service is stopping."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """What the optimisation found, and what it took."""

    point: Array
    values: Mapping[str, float]
    simulations: int
    rounds: int
    failures: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Results:
    """What ngspice says of the finished circuit."""

    netlist: str
    figures: Mapping[str, float]
    corners: Mapping[str, Mapping[str, float] | None]
    """Figures by temperature, such as `85C`; None where the corner did not simulate."""


@dataclass(frozen=True, slots=True)
class Circuit:
    """A finished design."""

    spec: CircuitSpec
    topology: str
    values: Mapping[str, float]
    netlist: str
    figures: Mapping[str, float]
    corners: Mapping[str, Mapping[str, float] | None]
    score: float
    unmet: tuple[str, ...]
    """The targets that were missed, spelled out; empty for a circuit that does what was asked."""

    simulations: int
    rounds: int
    failures: Mapping[str, int]
    """Simulations of this generation that failed, by type."""


class Workbench:
    """
    What generations share: the simulator, and a surrogate for each kind of circuit.

    Safe from threads. *repeats* says how often each inference is repeated (the fault
    `slow-model`); *seed* makes the surrogates and searches repeatable.
    """

    def __init__(
        self, simulator: Simulator, *, seed: int = 0, repeats: Callable[[], int] = lambda: 1
    ) -> None:
        self.simulator = simulator
        self.repeats = repeats
        self._seeds = np.random.SeedSequence(seed)
        self._lock = threading.Lock()
        self._surrogates: dict[tuple[str, str, str], Surrogate] = {}

    def surrogate(self, family: Family, topology: Topology, spec: CircuitSpec) -> Surrogate:
        """Return the surrogate of *topology* on the spec's technology."""
        key = (family.name, topology.name, spec.technology)
        with self._lock:
            if key not in self._surrogates:
                self._surrogates[key] = Surrogate(
                    len(topology.parameters(spec)), len(family.figures), self._seed()
                )
            return self._surrogates[key]

    def chance(self) -> np.random.Generator:
        """Return a generator of chance of one's own."""
        with self._lock:
            return np.random.default_rng(self._seed())

    def _seed(self) -> int:
        return int(self._seeds.spawn(1)[0].generate_state(1)[0])


class Attempt:
    """One generation under way: its spec, its workbench and what has failed so far."""

    def __init__(
        self, spec: CircuitSpec, bench: Workbench, is_cancelled: Callable[[], bool] = lambda: False
    ) -> None:
        self.spec = spec
        self.bench = bench
        self.is_cancelled = is_cancelled
        self.family = FAMILIES[spec.circuit_type]
        self.simulations = 0
        self.failures: dict[str, int] = {}

    def figures(self, topology: Topology, point: Array) -> dict[str, float] | None:
        """Simulate the design at *point* and return its figures; None when that failed."""
        values = topology.values(self.spec, list(point))
        return self.figures_of(self.simulate(topology.netlist(self.spec, values)), values)

    def simulate(self, netlist: str) -> Verdict:
        """Simulate *netlist*; raises `CancelledError` when the service is stopping."""
        if self.is_cancelled():
            raise CancelledError("the service is stopping")
        verdict = self.bench.simulator.run(netlist, self.family.readings, self.family.name)
        self.simulations += 1
        if verdict.failure is not None:
            self.failures[verdict.failure] = self.failures.get(verdict.failure, 0) + 1
        return verdict

    def figures_of(self, verdict: Verdict, values: Mapping[str, float]) -> dict[str, float] | None:
        """Return the figures that *verdict*'s readings make; None when it is a failure."""
        if verdict.failure is not None:
            return None
        return self.family.figures_from(self.spec, {**values, **verdict.readings})


@_tracer.start_as_current_span("generate_circuit")
def generate_circuit(attempt: Attempt) -> Circuit:
    """
    Return a circuit for the attempt's spec, which may still miss targets (`Circuit.unmet`).

    Raises `GenerationError` when nothing simulates and `CancelledError` when told to stop.
    """
    spec = attempt.spec
    span = trace.get_current_span()
    span.set_attribute("circuit.type", spec.circuit_type)
    span.set_attribute("circuit.frequency", spec.frequency)
    span.set_attribute("circuit.technology", spec.technology)

    with _tracer.start_as_current_span("topology_generation"):
        topology, search = generate_topology(attempt)

    with _tracer.start_as_current_span("parameter_optimization"):
        parameters = optimize_parameters(attempt, topology, search)

    with _tracer.start_as_current_span("spice_validation"):
        results = validate_with_spice(attempt, topology, parameters)

    return create_circuit(attempt, topology, parameters, results)


def generate_topology(attempt: Attempt) -> tuple[Topology, Search]:
    """Simulate a few designs of each topology; return the best's, and the search begun there."""
    bench, spec, family = attempt.bench, attempt.spec, attempt.family
    tried: list[tuple[float, Topology, Search]] = []
    for topology in family.topologies:
        surrogate = bench.surrogate(family, topology, spec)
        search = Search(family, spec, surrogate, bench.chance(), repeats=bench.repeats)
        search.probe(partial(attempt.figures, topology))
        if search.progress.best is not None:
            tried.append((search.progress.best.score, topology, search))
    if not tried:
        raise GenerationError("no_working_topology", _told(attempt.failures))
    score, topology, search = min(tried, key=lambda trial: trial[0])
    span = trace.get_current_span()
    span.set_attribute("circuit.topology", topology.name)
    span.set_attribute("circuit.start_score", score)
    return topology, search


def optimize_parameters(attempt: Attempt, topology: Topology, search: Search) -> Parameters:
    """Go on with *search* within the spec's budget of simulations."""
    progress = search.run(partial(attempt.figures, topology), attempt.is_cancelled)
    if progress.best is None:
        raise GenerationError("no_working_design", _told(attempt.failures))
    span = trace.get_current_span()
    span.set_attribute("optimization.rounds", progress.rounds)
    span.set_attribute("optimization.simulations", progress.simulations)
    span.set_attribute("optimization.score", progress.best.score)
    point = progress.best.point
    return Parameters(
        point,
        topology.values(attempt.spec, list(point)),
        progress.simulations,
        progress.rounds,
        dict(attempt.failures),
    )


def validate_with_spice(attempt: Attempt, topology: Topology, parameters: Parameters) -> Results:
    """Simulate the finished circuit at 27 °C, which must work, and at `CORNERS_C`."""
    netlist = topology.netlist(attempt.spec, parameters.values)
    verdict = attempt.simulate(netlist)
    figures = attempt.figures_of(verdict, parameters.values)
    if figures is None:
        raise GenerationError("validation_failed", f"{verdict.failure}: {verdict.message}")
    corners = {
        f"{celsius}C": attempt.figures_of(
            attempt.simulate(_at_temperature(netlist, celsius)), parameters.values
        )
        for celsius in CORNERS_C
    }
    return Results(netlist, figures, corners)


def create_circuit(
    attempt: Attempt, topology: Topology, parameters: Parameters, results: Results
) -> Circuit:
    """Put the finished circuit together and hold it against its targets."""
    family, targets = attempt.family, attempt.spec.targets
    unmet = tuple(
        f"{figure.name} is {results.figures[figure.name]:.3g}, "
        f"{figure.sense.replace('_', ' ')} {targets[figure.name]:.3g} was asked"
        for figure in family.figures
        if figure.shortfall(results.figures[figure.name], targets[figure.name]) > 0
    )
    return Circuit(
        spec=attempt.spec,
        topology=topology.name,
        values=parameters.values,
        netlist=results.netlist,
        figures=results.figures,
        corners=results.corners,
        score=family.score(results.figures, targets),
        unmet=unmet,
        simulations=attempt.simulations,
        rounds=parameters.rounds,
        failures=dict(attempt.failures),
    )


def _at_temperature(netlist: str, celsius: int) -> str:
    return netlist.replace("\n.control\n", f"\n.options temp={celsius}\n.control\n", 1)


def _told(failures: Mapping[str, int]) -> str:
    counts = ", ".join(f"{count} x {failure}" for failure, count in sorted(failures.items()))
    return f"every simulation failed ({counts or 'none was made'})"
