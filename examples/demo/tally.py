"""What the load generator itself has seen: the count that every other count must agree with."""

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

_LATEST: Final = 2000
Key = tuple[str, ...]


@dataclass(slots=True)
class Tally:
    """Counts of requests and of what they brought; for one event loop."""

    requests: Counter[Key] = field(default_factory=Counter)
    """By service, method, route and status."""
    broken: Counter[Key] = field(default_factory=Counter)
    """Requests without a whole answer, by service, method, route and error."""
    calls: Counter[Key] = field(default_factory=Counter)
    """Prompts by model and outcome: an empty outcome is a success."""
    tokens: Counter[Key] = field(default_factory=Counter)
    """Tokens by model and type: input, output, cached."""
    generations: Counter[Key] = field(default_factory=Counter)
    """Circuits by type, technology and status."""
    ratings: Counter[Key] = field(default_factory=Counter)
    """Ratings by feature."""
    jobs: Counter[Key] = field(default_factory=Counter)
    """Optimisation jobs accepted, by model."""
    seconds: deque[float] = field(default_factory=lambda: deque(maxlen=_LATEST))
    """Response times of the latest requests."""
    first_token_seconds: deque[float] = field(default_factory=lambda: deque(maxlen=_LATEST))
    """Times to the first token of the latest streams."""

    def answered(self, service: str, method: str, route: str, status: int) -> None:
        """Count a request that was answered whole."""
        self.requests[service, method, route, str(status)] += 1

    def call(self, model: str, outcome: str, usage: Mapping[str, int] | None = None) -> None:
        """Count a prompt and its tokens."""
        self.calls[model, outcome] += 1
        for name, count in (usage or {}).items():
            self.tokens[model, name.removesuffix("_tokens")] += count

    @property
    def total(self) -> int:
        """Requests that were answered."""
        return self.requests.total()

    @property
    def errors(self) -> int:
        """Requests answered with a server error, or not answered."""
        served = sum(count for key, count in self.requests.items() if key[3].startswith("5"))
        return served + self.broken.total()

    def shown(self) -> dict[str, Any]:
        """Return every count as JSON shows it: a list of rows, the count last."""
        return {
            name: [[*key, count] for key, count in sorted(getattr(self, name).items())]
            for name in (
                *("requests", "broken", "calls", "tokens"),
                *("generations", "ratings", "jobs"),
            )
        }


def quantile(values: "deque[float]", share: float) -> float:
    """Return the value below which *share* of *values* lie; NaN where there are none."""
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else float("nan")
