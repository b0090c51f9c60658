"""Durations of spans, as people write them."""

import re
from typing import Final

_UNIT_NS: Final = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_PART: Final = r"(\d{1,15}(?:\.\d{1,15})?)(ns|us|µs|ms|s|m|h)"


def parse_duration_ns(text: str) -> float | None:
    """Return the nanoseconds of `1.5s`, `250ms` or `1m30s`; None for anything else."""
    if not re.fullmatch(f"(?:{_PART})+", text):
        return None
    return sum(float(count) * _UNIT_NS[unit] for count, unit in re.findall(_PART, text))
