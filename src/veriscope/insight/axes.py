"""Axes: where their ticks stand, and how they are labelled."""

import math
from datetime import UTC, datetime
from typing import Final

_TIME_STEPS_S: Final = (
    *(5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800),
    *(3_600, 7_200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800),
)
_DAY_S: Final = 86_400
_BINARY_FROM: Final = 1024.0


def value_ticks(low: float, high: float, most: int, *, binary: bool) -> list[float]:
    """
    Return round numbers that cover *low* to *high*, not many more than *most*.

    They are 1, 2, 2.5 or 5 times a power of ten apart; *binary* ones, of bytes, the same of the
    power of 1024 that their distance is in.
    """
    if high <= low:
        margin = abs(low) * 0.1 or 1.0
        low, high = low - margin, high + margin
    step = _round_step((high - low) / most, binary=binary)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [step * place for place in range(first, last + 1)]


def _round_step(rough: float, *, binary: bool) -> float:
    unit = 1.0
    while binary and rough >= unit * _BINARY_FROM:
        unit *= _BINARY_FROM
    power = 10.0 ** math.floor(math.log10(rough / unit))
    return next(
        unit * power * factor
        for factor in (1, 2, 2.5, 5, 10)
        if unit * power * factor >= rough * (1 - 1e-9)
    )


def time_ticks(start_ms: int, end_ms: int, most: int) -> list[tuple[int, str]]:
    """Return at most about *most* round moments in UTC, and how they are labelled."""
    rough = (end_ms - start_ms) / 1000 / most
    step = next((step for step in _TIME_STEPS_S if step >= rough), _TIME_STEPS_S[-1])
    first = -(-start_ms // (step * 1000)) * step
    return [(s * 1000, _clock(s, step)) for s in range(first, end_ms // 1000 + 1, step)]


def _clock(second: int, step: int) -> str:
    moment = datetime.fromtimestamp(second, UTC)
    if second % _DAY_S == 0 or step >= _DAY_S:
        return f"{moment:%m-%d}"
    return f"{moment:%H:%M}" if step % 60 == 0 else f"{moment:%H:%M:%S}"
