"""A column whose length is known only at its end."""

from typing import Any, Final

import numpy as np
from numpy.typing import DTypeLike, NDArray

_CHUNK: Final = 1 << 20


class GrowingColumn:
    """
    Numbers that come in blocks, without two copies of all of them at any time.

    Blocks go into chunks of megabytes at once, which are mappings of their own in memory: the
    blocks' memory serves the next ones, and a chunk's goes back as soon as it is copied.
    """

    def __init__(self, kind: DTypeLike) -> None:
        self._kind = kind
        self._chunks: list[NDArray[Any]] = []
        self._count = 0

    def __len__(self) -> int:
        """Count the numbers."""
        return self._count

    def extend(self, block: NDArray[Any]) -> None:
        """Add *block*, of which nothing is kept."""
        while len(block):
            place = self._count % _CHUNK
            if not place:
                self._chunks.append(np.empty(_CHUNK, dtype=self._kind))
            part = block[: _CHUNK - place]
            self._chunks[-1][place : place + len(part)] = part
            self._count += len(part)
            block = block[len(part) :]

    def whole(self) -> NDArray[Any]:
        """Return all of it in one array, and hold nothing any more."""
        found = np.empty(self._count, dtype=self._kind)
        for start in range(0, self._count, _CHUNK):
            chunk = self._chunks[start // _CHUNK]
            self._chunks[start // _CHUNK] = found[:0]
            found[start : start + _CHUNK] = chunk[: self._count - start]
        self._chunks, self._count = [], 0
        return found
