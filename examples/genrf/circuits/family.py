"""
What every kind of circuit has: topologies with parameters, and figures with targets.

A design is a point in the unit cube. `Topology.values` turns it into element values on logarithmic
scales that follow the frequency, so that one point is about as good a circuit at 1 GHz as at
5 GHz, and the search and its surrogate need not know what an ohm is.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from examples.genrf.technology import TECHNOLOGIES, Technology


class CircuitSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody wants built; made by `examples.genrf.requests`, which checks it."""

    circuit_type: str
    technology: str
    frequency: float
    """Centre, carrier or cut-off frequency in hertz."""

    targets: dict[str, float]
    """Figure name to the value wanted, for every figure of the family."""

    user_id: str = "anonymous"
    session_id: str = ""
    simulations: int = 60
    """How many simulations the search may spend."""

    @property
    def process(self) -> Technology:
        """The technology itself."""
        return TECHNOLOGIES[self.technology]

    @property
    def omega(self) -> float:
        """The angular frequency in radians per second."""
        return math.tau * self.frequency


@dataclass(frozen=True, slots=True)
class Parameter:
    """One element value and its range, lower bound above 0; spaced logarithmically."""

    name: str
    low: float
    high: float

    def at(self, position: float) -> float:
        """Return the value at *position*, 0 to 1, of the range."""
        return self.low * math.exp(position * math.log(self.high / self.low))


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of merit that a target can be set for."""

    name: str
    sense: Literal["at_least", "at_most"]
    target: float
    """What is wanted when a request does not say, at frequencies easy for the technology."""

    scale: float
    """The shortfall, in the figure's own unit, that weighs 1 in the score."""

    low: float
    high: float
    """The targets that a request may ask for."""

    def default(self, octaves: float) -> float:
        """Return the target, relaxed by one `scale` for each of *octaves* too high."""
        eased = self.scale * octaves
        relaxed = self.target - eased if self.sense == "at_least" else self.target + eased
        return min(max(relaxed, self.low), self.high)

    def shortfall(self, value: float, target: float) -> float:
        """Return by how many `scale`s *value* misses *target*; 0 or less when it is met."""
        missing = target - value if self.sense == "at_least" else value - target
        return missing / self.scale


Values = Mapping[str, float]
Readings = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Topology:
    """One way to build a family's circuit."""

    name: str
    parameters: Callable[[CircuitSpec], tuple[Parameter, ...]]
    netlist: Callable[[CircuitSpec, Values], str]
    """Write the whole ngspice deck, its control block printing the family's readings."""

    def values(self, spec: CircuitSpec, position: Sequence[float]) -> dict[str, float]:
        """Return the element values at *position* in the unit cube."""
        parameters = self.parameters(spec)
        return {
            parameter.name: parameter.at(float(where))
            for parameter, where in zip(parameters, position, strict=True)
        }


@dataclass(frozen=True, slots=True)
class Family:
    """A circuit type."""

    name: str
    frequency_low: float
    frequency_high: float
    figures: tuple[Figure, ...]
    readings: tuple[str, ...]
    """The numbers that a simulation has to print."""

    figures_from: Callable[[CircuitSpec, Readings], dict[str, float]]
    """Turn the simulator's readings into the figures, by unit conversions only."""

    topologies: tuple[Topology, ...]

    def default_targets(self, technology: Technology, frequency: float) -> dict[str, float]:
        """Return what is wanted of each figure when a request does not say."""
        octaves = max(math.log2(frequency / technology.easy_hz), 0.0)
        return {figure.name: figure.default(octaves) for figure in self.figures}

    def topology(self, name: str) -> Topology:
        """Return the topology called *name*; KeyError when there is none."""
        return {topology.name: topology for topology in self.topologies}[name]

    def shortfalls(self, figures: Mapping[str, float], targets: Mapping[str, float]) -> list[float]:
        """Return each figure's shortfall, in the order of `figures`."""
        return [
            figure.shortfall(figures[figure.name], targets[figure.name]) for figure in self.figures
        ]

    def score(self, figures: Mapping[str, float], targets: Mapping[str, float]) -> float:
        """
        Return how bad *figures* are: 0 or less when every target is met.

        Missed targets add up, each bounded so that one hopeless figure leaves the others a say;
        once all are met, the narrowest margin counts.
        """
        return score_of(self.shortfalls(figures, targets))


def score_of(shortfalls: Sequence[float]) -> float:
    """Return the score of one design's *shortfalls*; see `Family.score`."""
    missed = [min(shortfall, 10.0) for shortfall in shortfalls if shortfall > 0]
    return sum(missed) if missed else max(shortfalls)


def inductor(
    name: str, ends: tuple[str, str], value: float, spec: CircuitSpec, q: float | None = None
) -> str:
    """Return the lines of a coil with its series loss; *q* replaces the technology's quality."""
    reactance = spec.omega * value
    loss = spec.process.loss_of_inductor(reactance) if q is None else reactance / q
    middle = f"{name}_q"
    return f"l{name} {ends[0]} {middle} {value:.6g}\nr{name} {middle} {ends[1]} {loss:.6g}"


def deck(
    spec: CircuitSpec, title: str, body: str, control: str, *, is_large_signal: bool = False
) -> str:
    """Return a whole ngspice deck: *title*, the technology's models, *body* and *control*."""
    process = spec.process
    return "\n".join(
        (
            f"* genrf {title}, {spec.technology}, {spec.frequency:.6g} Hz",
            process.large_signal_models() if is_large_signal else process.models(),
            body.strip(),
            ".control",
            control.strip(),
            "quit 0",
            ".endc",
            ".end",
            "",
        )
    )


def decibel(ratio: float) -> float:
    """Return an amplitude *ratio* in dB; -200 dB stands for nothing at all."""
    return max(20 * math.log10(ratio), -200.0) if ratio > 0 else -200.0
