"""Pauses between tries."""

from random import SystemRandom
from typing import Final

_MOST_DOUBLINGS: Final = 30
# Not the module's own generator: the application may have seeded it, and counts on its numbers.
_chance: Final = SystemRandom()


def pause_s(failures: int, first_s: float, longest_s: float) -> float:
    """
    Return the seconds to wait after so many *failures* in a row (1 or more).

    *first_s* doubles with each, up to *longest_s*; up to half of it is taken off by chance, so
    that those who failed together do not come back together.
    """
    doubled_s: float = first_s * 2.0 ** min(failures - 1, _MOST_DOUBLINGS)
    return min(doubled_s, longest_s) * _chance.uniform(0.5, 1.0)
