"""The models on offer, and what a request for one of them needs."""

import threading
from collections import Counter
from typing import Final

import numpy as np

from examples.faults import Faults
from examples.truthgpt.model.ngram import NgramModel
from examples.truthgpt.model.prefix_cache import PrefixCache
from examples.truthgpt.model.reading import NgramReader, Reader, TransformerReader
from examples.truthgpt.model.training import Models, validation_loss
from examples.truthgpt.model.transformer import Weights
from veriscope.instrument.genai import Price

NGRAM: Final = "truthgpt-ngram"
TRANSFORMER: Final = "truthgpt-nano"
PRICES: Final = {
    NGRAM: Price(input_usd=0.02, output_usd=0.04),
    TRANSFORMER: Price(input_usd=0.15, output_usd=0.6, cached_input_usd=0.03),
}
SLOWER: Final = 8
"""How often each token is computed while `slow-model` is on."""
POISONED_SHARE: Final = 0.3
"""Share of requests that get poisoned weights while `error-burst` is on."""


class Catalogue:
    """
    The models of one service, their prompt cache and their use; safe from many threads.

    A model that an optimisation job has improved replaces the one before, whole: requests that
    are under way go on with theirs.
    """

    def __init__(self, models: Models, faults: Faults, *, seed: int = 0) -> None:
        self.models = models
        self.prefixes = PrefixCache()
        self._faults = faults
        self._ngram = models.ngram
        self._weights = models.weights
        self._usage: Counter[str] = Counter(dict.fromkeys(PRICES, 0))
        self._lock = threading.Lock()
        self._chance = np.random.default_rng(seed)
        self.losses = {
            NGRAM: models.ngram.loss(models.validation),
            TRANSFORMER: validation_loss(models.weights, models.shape, models.validation),
        }
        """The loss of each model on text that it was not trained on; nats per token."""

    @property
    def ngram(self) -> NgramModel:
        """The n-gram model with the best discounts so far."""
        return self._ngram

    @property
    def weights(self) -> Weights:
        """The transformer's best weights so far; not to be changed in place."""
        return self._weights

    def reader(self, name: str) -> Reader:
        """Return what reads one request for the model *name*; `KeyError` for another name."""
        repeats = SLOWER if self._faults.is_on("slow-model") else 1
        poisoned = self._faults.is_on("error-burst") and self._draw() < POISONED_SHARE
        if name == NGRAM:
            ngram = self._ngram
            if poisoned:
                ngram = ngram.with_discounts([float("nan")] * len(ngram.discounts))
            return NgramReader(ngram, repeats)
        if name != TRANSFORMER:
            raise KeyError(name)
        if poisoned:
            spoilt = self._weights | {"norm": self._weights["norm"] * np.float32("nan")}
            return TransformerReader(spoilt, self.models.shape, None, repeats)
        return TransformerReader(self._weights, self.models.shape, self.prefixes, repeats)

    def count(self, name: str) -> None:
        """Count one answered request."""
        with self._lock:
            self._usage[name] += 1

    def usage(self) -> dict[str, int]:
        """Return how many requests each model has answered."""
        with self._lock:
            return dict(self._usage)

    def adopt_ngram(self, model: NgramModel, loss: float) -> None:
        """Serve *model* from now on."""
        with self._lock:
            self._ngram, self.losses[NGRAM] = model, loss

    def adopt_weights(self, weights: Weights, loss: float) -> None:
        """Serve *weights* from now on; what the prompt cache holds is of others, and goes."""
        with self._lock:
            self._weights, self.losses[TRANSFORMER] = weights, loss
            self.prefixes = PrefixCache()

    def _draw(self) -> float:
        with self._lock:
            return float(self._chance.random())
