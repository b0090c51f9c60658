"""Reading a prompt and going on: what both models have in common."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from examples.truthgpt.model.ngram import ORDER, NgramModel
from examples.truthgpt.model.prefix_cache import BLOCK, PrefixCache
from examples.truthgpt.model.transformer import Cache, DivergedError, Shape, Weights, extend

Logits = NDArray[np.floating]


class Reader(Protocol):
    """Holds one text; made anew for each request."""

    cached_tokens: int | None
    """Tokens of the prompt that came from a cache; None for a model that has none."""

    def begin(self, prompt: Sequence[int]) -> Logits:
        """Read *prompt*, at least one token; raises `DivergedError` on numbers not finite."""

    def go_on(self, token: int) -> Logits:
        """Read one more token."""


class NgramReader:
    """Reads with an n-gram model; *repeats* is how often each token is computed."""

    def __init__(self, model: NgramModel, repeats: int = 1) -> None:
        self.cached_tokens: int | None = None
        self._model = model
        self._repeats = repeats
        self._history: list[int] = []

    def begin(self, prompt: Sequence[int]) -> Logits:
        """Read the end of *prompt*, which is all that an n-gram model sees."""
        self._history = list(prompt[-ORDER:])
        return self._logits()

    def go_on(self, token: int) -> Logits:
        """Read one more token."""
        self._history = [*self._history[1 - ORDER :], token]
        return self._logits()

    def _logits(self) -> Logits:
        history = self._history[1 - ORDER :]
        for _ in range(self._repeats):
            found = self._model.probabilities(history)
        if not np.isfinite(found).all():
            raise DivergedError("the model's probabilities are not finite")
        return np.log(found)


class TransformerReader:
    """Reads with the transformer, from *prefixes* where they know the beginning."""

    def __init__(
        self, weights: Weights, shape: Shape, prefixes: PrefixCache | None, repeats: int = 1
    ) -> None:
        self.cached_tokens: int | None = None if prefixes is None else 0
        self._weights = weights
        self._shape = shape
        self._prefixes = prefixes
        self._repeats = repeats
        self._cache = Cache.empty(shape)

    def begin(self, prompt: Sequence[int]) -> Logits:
        """Read *prompt* block by block, keeping each whole block for later requests."""
        done = 0
        if self._prefixes is not None:
            # The last token is always read: its logits are what follows the prompt.
            done, found = self._prefixes.longest(prompt[:-1])
            self.cached_tokens, self._cache = done, found or self._cache
        while done < len(prompt):
            logits = self._read(prompt[done : done + BLOCK])
            done += BLOCK
            if self._prefixes is not None and done <= len(prompt):
                self._prefixes.keep(prompt[:done], self._cache)
        return logits

    def go_on(self, token: int) -> Logits:
        """Read one more token."""
        return self._read([token])

    def _read(self, tokens: Sequence[int]) -> Logits:
        read = np.asarray(tokens, dtype=np.int64)
        for _ in range(self._repeats):
            logits, after = extend(self._weights, self._shape, read, self._cache)
        self._cache = after
        return logits


def sample(logits: Logits, temperature: float, chance: np.random.Generator) -> int:
    """Draw a token by softmax(logits / temperature); the most likely one at temperature 0."""
    if temperature <= 0:
        return int(np.argmax(logits))
    scaled = logits.astype(np.float64) / temperature
    weights = np.cumsum(np.exp(scaled - scaled.max()))
    return int(np.searchsorted(weights, chance.random() * weights[-1]))
