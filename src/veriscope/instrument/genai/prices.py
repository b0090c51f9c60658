"""What tokens cost."""

from dataclasses import dataclass
from typing import Final

from veriscope.signals import InvalidInputError

_MILLION: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Price:
    """
    US dollars for a million tokens, as providers list them.

    Input tokens that were read from a cache cost *cached_input_usd*, or as much as the others
    where that is None. Raises `InvalidInputError` for a negative price.
    """

    input_usd: float
    output_usd: float
    cached_input_usd: float | None = None

    def __post_init__(self) -> None:
        if min(self.input_usd, self.output_usd, self.cached_input_usd or 0.0) < 0:
            raise InvalidInputError(f"a price cannot be negative: {self}")

    def input_cost_usd(self, tokens: int, cached: int = 0) -> float:
        """Return the cost of *tokens* input tokens, *cached* of which came from the cache."""
        cached_usd = self.input_usd if self.cached_input_usd is None else self.cached_input_usd
        return (self.input_usd * (tokens - cached) + cached_usd * cached) / _MILLION

    def output_cost_usd(self, tokens: int) -> float:
        """Return the cost of *tokens* output tokens."""
        return self.output_usd * tokens / _MILLION
