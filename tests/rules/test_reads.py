"""What the rules of a group read."""

from collections.abc import Sequence

import pytest

from veriscope.rules import parse_rule_groups
from veriscope.rules.reads import reads_of

MINUTE_MS = 60_000


def read(*expressions: str) -> tuple[tuple[str, ...], int]:
    """Return what rules with those expressions read, the reach in minutes."""
    rules = ", ".join(f"{{alert: A, expr: '{each}'}}" for each in expressions)
    (group,) = parse_rule_groups(f"groups: [{{name: g, rules: [{rules}]}}]", "r.yml")
    metrics, reach_ms = reads_of(group.rules)
    return metrics, reach_ms // MINUTE_MS


@pytest.mark.parametrize(
    ("expressions", "metrics", "minutes"),
    [
        (["a > 1"], ("a",), 5),
        (["rate(a[10m]) / rate(b[1m])", "a"], ("a", "b"), 16),
        (["max_over_time(rate(a[5m])[1h:1m] offset 1h)"], ("a",), 130),
        (["a offset -5m"], ("a",), 10),
        (['{__name__=~"a|b"} + c'], ("c",), 5),
        (["vector(1)"], (), 5),
        (["rate(a[2d])", "b"], ("b",), 5),
    ],
)
def test_names_and_reach(
    expressions: Sequence[str], metrics: tuple[str, ...], minutes: int
) -> None:
    """Ranges and offsets add up; what reaches back further than a day is left out."""
    assert read(*expressions) == (metrics, minutes)
