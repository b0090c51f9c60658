"""How much a template may do."""

from typing import Final

from veriscope.templates.functions.calls import CallError

MAX_OUTPUT_CHARACTERS: Final = 1 << 20
MAX_STEPS: Final = 100_000


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
