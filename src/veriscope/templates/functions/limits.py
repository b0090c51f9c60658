"""How much a template may do."""

from typing import Final

from veriscope.templates.functions.calls import CallError

MAX_OUTPUT_CHARACTERS: Final = 1 << 20
MAX_STEPS: Final = 100_000
_CHARACTERS_A_PART: Final = 8
"""What an element of a list counts for besides its text: it takes time as well."""


class Budget:
    """Steps that a template, and all that it calls, may still take."""

    def __init__(self, limit: int = MAX_STEPS) -> None:
        self.limit = limit
        self._left = limit

    def spend(self, steps: int) -> bool:
        """Take *steps* off; return whether it was too much."""
        self._left -= steps
        return self._left < 0


class Output:
    """Text as it grows, up to a bound."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._size = 0

    def add(self, text: str) -> None:
        """Append *text*; raises `CallError` where it would be too much."""
        self._size += len(text)
        if self._size > MAX_OUTPUT_CHARACTERS:
            raise CallError(f"writes over {MAX_OUTPUT_CHARACTERS} characters; make it write less")
        self._parts.append(text)

    def __str__(self) -> str:
        return "".join(self._parts)


class Room:
    """
    What is left for one value on its way to text.

    A list can hold itself a thousandfold at no cost: only counting ends its printing.
    """

    def __init__(self) -> None:
        self._left = MAX_OUTPUT_CHARACTERS
        self.depth = 0

    def take(self, size: int) -> None:
        """Take a part of *size* characters off; raises `CallError` where it is too much."""
        self._left -= size + _CHARACTERS_A_PART
        if self._left < 0:
            raise CallError(f"a value is over {MAX_OUTPUT_CHARACTERS} characters; show less of it")
