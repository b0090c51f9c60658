"""
The search: evolution breeds candidates, the surrogate sorts them, ngspice has the last word.

Each round the surrogate foresees the figures of 256 candidates (mutations of the best designs,
crossings between them, and strangers); each member of its ensemble nominates the one it thinks
best, and only those are simulated. What they turn out to be trains the surrogate.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from examples.genrf.circuits import CircuitSpec, Family
from examples.genrf.surrogate import Surrogate

Array = NDArray[np.float64]
Simulate = Callable[[Array], dict[str, float] | None]
"""Simulate the design at a point and return its figures; None when it failed."""

_CANDIDATES: Final = 256
_ELITE: Final = 6
_FIRST: Final = 10
_EXPERIENCED: Final = 60
"""Simulations behind a surrogate from which a search needs no strangers to begin with."""

_MUTATED: Final = 0.6
"""Share of the coordinates that a mutation changes."""

_ENOUGH: Final = -0.1
"""A score at which every target is met with a margin: the search ends early."""

_LEAST_ROUNDS: Final = 3
"""Rounds made in any case: a lucky first one can still be bettered cheaply."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A design that was simulated."""

    point: Array
    figures: dict[str, float]
    score: float


@dataclass(slots=True)
class Progress:
    """What a search has found so far; trials are kept best first."""

    trials: list[Trial] = field(default_factory=list)
    simulations: int = 0
    rounds: int = 0

    @property
    def best(self) -> Trial | None:
        """The best design; None while none has simulated."""
        return self.trials[0] if self.trials else None


class Search:
    """One search for one spec; *repeats* is asked how often to repeat each inference."""

    def __init__(
        self,
        family: Family,
        spec: CircuitSpec,
        surrogate: Surrogate,
        rng: np.random.Generator,
        *,
        repeats: Callable[[], int] = lambda: 1,
    ) -> None:
        self._family = family
        self._spec = spec
        self._surrogate = surrogate
        self._size = surrogate.inputs
        self._rng = rng
        self._repeats = repeats
        self.progress = Progress()

    def probe(self, simulate: Simulate) -> None:
        """Try the middle of the space and enough more points to compare topologies by."""
        middle = np.full(self._size, 0.5)
        if self._surrogate.simulations >= _EXPERIENCED:
            self._try(simulate, np.vstack((middle, self._next())))
            return
        self._try(simulate, np.vstack((middle, self._around(middle))))
        self._try(simulate, self._next())

    def run(self, simulate: Simulate, is_cancelled: Callable[[], bool]) -> Progress:
        """Search on until the targets are met, the budget is spent or it is cancelled."""
        while not self._is_done() and not is_cancelled():
            self._try(simulate, self._next())
        return self.progress

    def _is_done(self) -> bool:
        best = self.progress.best
        met = best is not None and best.score <= _ENOUGH
        refined = self.progress.rounds >= _LEAST_ROUNDS
        return (met and refined) or self.progress.simulations >= self._spec.simulations

    def _around(self, start: Array) -> Array:
        """Return points around *start*, and a Latin square's worth of strangers."""
        size = self._size
        near = np.clip(start + self._rng.normal(0, 0.15, (_FIRST // 2, size)), 0, 1)
        strata = np.argsort(self._rng.random((_FIRST // 2, size)), axis=0)
        strangers = (strata + self._rng.random(strata.shape)) / len(strata)
        return np.vstack((near, strangers))

    def _next(self) -> Array:
        candidates = self._candidates()
        if not self._surrogate.is_trained:
            return candidates[:4]
        predicted = self._surrogate.predict(candidates, repeats=self._repeats())
        favourites = np.argmin(self._scores(predicted), axis=1)
        chosen: Array = candidates[np.unique(favourites)]
        return chosen

    def _candidates(self) -> Array:
        rng, size = self._rng, self._size
        elite = [trial.point for trial in self.progress.trials[:_ELITE]]
        strangers = rng.random((_CANDIDATES // 4 if elite else _CANDIDATES, size))
        if not elite:
            return strangers
        bred = _CANDIDATES - len(strangers)
        parents = np.array(elite)
        one, other, third = (parents[rng.integers(len(parents), size=bred)] for _ in range(3))
        crossed = one + rng.uniform(0, 0.9, (bred, 1)) * (other - third)
        step = 10 ** rng.uniform(-2.2, -0.6, (bred, 1))
        mutated = rng.normal(0, 1, (bred, size)) * step
        mutated *= rng.random((bred, size)) < _MUTATED
        return np.vstack((np.clip(crossed + mutated, 0, 1), strangers))

    def _scores(self, predicted: Array) -> Array:
        """Return members x n scores of the *predicted* figures, as `Family.score` has them."""
        short = np.empty_like(predicted)
        for index, figure in enumerate(self._family.figures):
            target = self._spec.targets[figure.name]
            sign = 1 if figure.sense == "at_most" else -1
            short[..., index] = sign * (predicted[..., index] - target) / figure.scale
        missed = np.clip(short, 0, 10).sum(axis=-1)
        scores: Array = np.where(missed > 0, missed, short.max(axis=-1))
        return scores

    def _try(self, simulate: Simulate, points: Array) -> None:
        progress, learned = self.progress, []
        progress.rounds += 1
        for point in points[: max(self._spec.simulations - progress.simulations, 0)]:
            progress.simulations += 1
            figures = simulate(point)
            if figures is None:
                continue
            trial = Trial(point, figures, self._family.score(figures, self._spec.targets))
            progress.trials.append(trial)
            learned.append(trial)
        progress.trials.sort(key=lambda trial: trial.score)
        if learned:
            names = [figure.name for figure in self._family.figures]
            self._surrogate.learn(
                np.array([trial.point for trial in learned]),
                np.array([[trial.figures[name] for name in names] for trial in learned]),
            )
