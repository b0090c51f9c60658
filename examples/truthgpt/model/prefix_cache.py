"""Prompts that were read before: their keys and values, in blocks of tokens."""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from examples.truthgpt.model.transformer import Cache

BLOCK: Final = 16
"""Tokens in a block: a prefix is kept and found again at multiples of it."""


class PrefixCache:
    """The prefixes used last, within *max_bytes*; safe from many threads."""

    def __init__(self, max_bytes: int = 16 << 20) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._entries: OrderedDict[tuple[int, ...], Cache] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def held_bytes(self) -> int:
        """Bytes of the keys and values that are kept."""
        return self._bytes

    def longest(self, tokens: Sequence[int]) -> tuple[int, Cache | None]:
        """Return the length of the longest kept prefix of *tokens*, and its cache."""
        with self._lock:
            for length in range(len(tokens) // BLOCK * BLOCK, 0, -BLOCK):
                key = tuple(tokens[:length])
                if (found := self._entries.get(key)) is not None:
                    self._entries.move_to_end(key)
                    return length, found
        return 0, None

    def keep(self, tokens: Sequence[int], cache: Cache) -> None:
        """Keep *cache* as what reading *tokens* left; the least used ones make room."""
        key = tuple(tokens)
        with self._lock:
            if key in self._entries:
                return
            self._entries[key] = cache
            self._bytes += cache.nbytes
            while self._bytes > self._max_bytes:
                _, oldest = self._entries.popitem(last=False)
                self._bytes -= oldest.nbytes
