"""Byte pair encoding, learnt from the corpus (Sennrich et al., 2016)."""

import re
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from itertools import pairwise
from typing import Final

_WORD: Final = re.compile(r" ?[A-Za-z]+| ?\d| ?[^\sA-Za-z\d]|\s+")
Pair = tuple[int, int]


class Tokenizer:
    """
    Text to tokens and back, without loss: the first 256 tokens are the bytes.

    *merges* are the learnt pairs in the order in which they were found; token `256 + i` is the
    pair `merges[i]`.
    """

    def __init__(self, merges: Iterable[Pair]) -> None:
        self.merges = tuple(merges)
        self._rank = {pair: 256 + rank for rank, pair in enumerate(self.merges)}
        self._bytes = [bytes([value]) for value in range(256)]
        for left, right in self.merges:
            self._bytes.append(self._bytes[left] + self._bytes[right])
        self._encode_word = lru_cache(maxsize=8192)(self._merge_word)

    def __len__(self) -> int:
        """Count the tokens there are."""
        return len(self._bytes)

    @classmethod
    def learn(cls, text: str, size: int) -> "Tokenizer":
        """Merge the most frequent pair of *text* until there are *size* tokens."""
        words = Counter(_WORD.findall(text))
        split = [(list(word.encode()), count) for word, count in words.items()]
        merges: list[Pair] = []
        while 256 + len(merges) < size:
            pairs: Counter[Pair] = Counter()
            for parts, count in split:
                for pair in pairwise(parts):
                    pairs[pair] += count
            if not pairs:
                break
            best = max(pairs, key=lambda pair: (pairs[pair], pair))
            merges.append(best)
            for parts, _ in split:
                _merge(parts, best, 255 + len(merges))
        return cls(merges)

    def encode(self, text: str) -> list[int]:
        """Return the tokens of *text*; of each character that UTF-8 cannot spell, a `?`."""
        return [
            token
            for word in _WORD.findall(text.encode(errors="replace").decode())
            for token in self._encode_word(word)
        ]

    def token_bytes(self, token: int) -> bytes:
        """Return the bytes of *token*, which may be a part of a character."""
        return self._bytes[token]

    def decode(self, tokens: Iterable[int]) -> str:
        """Return the text of *tokens*; bytes that are no character become U+FFFD."""
        return b"".join(self._bytes[token] for token in tokens).decode(errors="replace")

    def _merge_word(self, word: str) -> tuple[int, ...]:
        parts = list(word.encode())
        while len(parts) > 1:
            pairs = list(pairwise(parts))
            best = min(pairs, key=lambda pair: self._rank.get(pair, len(self)))
            if best not in self._rank:
                break
            _merge(parts, best, self._rank[best])
        return tuple(parts)


def _merge(parts: list[int], pair: Pair, merged: int) -> None:
    """Replace each *pair* in *parts* by the token *merged*."""
    if pair[0] not in parts:
        return
    at = 0
    while at < len(parts) - 1:
        if parts[at] == pair[0] and parts[at + 1] == pair[1]:
            parts[at : at + 2] = [merged]
        at += 1
