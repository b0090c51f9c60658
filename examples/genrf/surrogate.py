"""
The model of the search: small neural networks that foresee a design's figures.

Each is a multilayer perceptron of one hidden layer, `tanh`, trained by Adam on the simulations
made so far. Several, started differently, form an ensemble: where they disagree, little is known,
and a search that lets each member nominate its favourite explores there (Thompson sampling).
"""

import threading
import time
from typing import Final

import numpy as np
from numpy.typing import NDArray

from veriscope.genrf import record_inference

Array = NDArray[np.float64]

MODEL_TYPE: Final = "mlp_ensemble"
"""The label `model_type` of `genrf_model_inference_seconds`."""

MEMBERS: Final = 4
"""Networks in an ensemble."""

_HIDDEN: Final = 24
_STEPS: Final = 120
_RATE: Final = 0.02
_KEPT: Final = 400
_LEAST: Final = 8


class Surrogate:
    """
    Foresees *figures* numbers from *inputs* coordinates of the unit cube; safe from threads.

    It keeps the newest 400 simulations and learns on from where it was.
    """

    def __init__(self, inputs: int, figures: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.inputs: Final = inputs
        self._lock = threading.Lock()
        self._points = np.empty((0, inputs))
        self._figures = np.empty((0, figures))
        # Weights and biases of both layers; the first axis is the member.
        self._weights: list[Array] = [
            rng.normal(0, 1.5 / np.sqrt(inputs), (MEMBERS, inputs, _HIDDEN)),
            rng.normal(0, 0.5, (MEMBERS, 1, _HIDDEN)),
            rng.normal(0, 1 / np.sqrt(_HIDDEN), (MEMBERS, _HIDDEN, figures)),
            np.zeros((MEMBERS, 1, figures)),
        ]

    @property
    def simulations(self) -> int:
        """How many simulations it remembers."""
        return len(self._points)

    @property
    def is_trained(self) -> bool:
        """Whether it has seen enough to be asked."""
        return len(self._points) >= _LEAST

    def learn(self, points: Array, figures: Array) -> None:
        """Remember simulations (*points*: n x inputs, *figures*: n x figures) and train on all."""
        with self._lock:
            self._points = np.vstack((self._points, points))[-_KEPT:]
            self._figures = np.vstack((self._figures, figures))[-_KEPT:]
            if self.is_trained:
                self._train()

    def predict(self, points: Array, *, repeats: int = 1) -> Array:
        """
        Return members x n x figures for *points* (n x inputs), timed as one inference.

        *repeats* evaluates the same batch so many times: the fault `slow-model`.
        """
        begun = time.perf_counter()
        with self._lock:
            for _ in range(repeats):
                predicted = _forward(self._weights, points)[1]
            centre, spread = self._scale()
        record_inference(MODEL_TYPE, len(points), time.perf_counter() - begun)
        return predicted * spread + centre

    def _scale(self) -> tuple[Array, Array]:
        # Medians, because a hopeless circuit's figures are no measure for good ones.
        low, centre, high = np.percentile(self._figures, (15, 50, 85), axis=0)
        return centre, np.maximum((high - low) / 2, 1e-6)

    def _train(self) -> None:
        centre, spread = self._scale()
        wanted = np.clip((self._figures - centre) / spread, -4, 4)
        mean = [np.zeros_like(weight) for weight in self._weights]
        square = [np.zeros_like(weight) for weight in self._weights]
        for step in range(1, _STEPS + 1):
            slopes = _slopes(self._weights, self._points, wanted)
            for index, slope in enumerate(slopes):
                mean[index] = 0.9 * mean[index] + 0.1 * slope
                square[index] = 0.99 * square[index] + 0.01 * slope**2
                towards = mean[index] / (1 - 0.9**step)
                away = np.sqrt(square[index] / (1 - 0.99**step)) + 1e-8
                self._weights[index] = self._weights[index] - _RATE * towards / away


def _forward(weights: list[Array], points: Array) -> tuple[Array, Array]:
    """Return the hidden and the output values, both members x n x width."""
    hidden = np.tanh((points * 2 - 1) @ weights[0] + weights[1])
    return hidden, hidden @ weights[2] + weights[3]


def _slopes(weights: list[Array], points: Array, wanted: Array) -> list[Array]:
    """Return the gradient of the mean squared error, with a little weight decay."""
    hidden, output = _forward(weights, points)
    error = (output - wanted) * (2 / wanted.size)
    inner = (error @ weights[2].transpose(0, 2, 1)) * (1 - hidden**2)
    decay = 1e-4
    return [
        (points * 2 - 1).T @ inner + decay * weights[0],
        inner.sum(axis=1, keepdims=True),
        hidden.transpose(0, 2, 1) @ error + decay * weights[2],
        error.sum(axis=1, keepdims=True),
    ]
