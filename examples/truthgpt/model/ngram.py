"""An interpolated n-gram model with absolute discounting (Ney, Essen and Kneser, 1994)."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

ORDER: Final = 4
Context = tuple[int, ...]


class NgramModel:
    """
    `p(w | h) = (c(h, w) - d) / c(h) + d·n(h) / c(h) · p(w | h')`, down to the uniform.

    `h'` is `h` without its first token, `n(h)` the number of different tokens seen after `h`.
    There is one discount for each length of context; they are what `optimize` searches for.
    """

    name = "ngram"

    def __init__(
        self, tokens: NDArray[np.int64], vocabulary: int, discounts: Sequence[float] | None = None
    ) -> None:
        self.tokens = tokens
        self.vocabulary = vocabulary
        self.discounts = tuple(discounts or (0.7,) * ORDER)
        self._tables = [_followers(tokens, length) for length in range(ORDER)]

    def with_discounts(self, discounts: Sequence[float]) -> "NgramModel":
        """Return the same counts under other *discounts*, one for each length, in (0, 1)."""
        other = object.__new__(NgramModel)
        other.__dict__.update(self.__dict__, discounts=tuple(discounts))
        return other

    def probabilities(self, history: Sequence[int]) -> NDArray[np.float64]:
        """Return the probability of each token after *history*; shape `(vocabulary,)`."""
        found = np.full(self.vocabulary, 1.0 / self.vocabulary)
        for length in range(min(ORDER, len(history) + 1)):
            context = tuple(history[len(history) - length :])
            seen = self._tables[length].get(context)
            if seen is None:
                break
            followers, counts = seen
            total, discount = counts.sum(), self.discounts[length]
            found *= discount * len(followers) / total
            found[followers] += (counts - discount) / total
        return found

    def loss(self, tokens: NDArray[np.int64]) -> float:
        """Return the mean of `-ln p` over *tokens*; its exponential is the perplexity."""
        history = [int(token) for token in tokens]
        logs = [
            np.log(self._probability(history[max(0, at - ORDER + 1) : at], history[at]))
            for at in range(1, len(history))
        ]
        return float(-np.mean(logs))

    def _probability(self, history: Sequence[int], token: int) -> float:
        found = 1.0 / self.vocabulary
        for length in range(len(history) + 1):
            seen = self._tables[length].get(tuple(history[len(history) - length :]))
            if seen is None:
                break
            followers, counts = seen
            total, discount = counts.sum(), self.discounts[length]
            found *= discount * len(followers) / total
            at = int(np.searchsorted(followers, token))
            if at < len(followers) and followers[at] == token:
                found += (counts[at] - discount) / total
        return found


def _followers(
    tokens: NDArray[np.int64], length: int
) -> dict[Context, tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Return, for each context of *length* tokens, what followed it (sorted) and how often."""
    counts: defaultdict[Context, Counter[int]] = defaultdict(Counter)
    listed = [int(token) for token in tokens]
    for at in range(length, len(listed)):
        counts[tuple(listed[at - length : at])][listed[at]] += 1
    return {context: _columns(found) for context, found in counts.items()}


def _columns(found: "Counter[int]") -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    pairs: Any = sorted(found.items())
    columns = np.array(pairs, dtype=np.int64)
    return columns[:, 0].copy(), columns[:, 1].copy()
