"""Baselines of performance tests: kept in JSON files, and compared by a test that needs no bell."""

import math
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import msgspec

from veriscope.instrument.disk import write_whole
from veriscope.signals import InvalidInputError

COMPARED: Final = 1_000
"""Times of each side that are compared: a million pairs, some tens of milliseconds."""
SIGNIFICANCE: Final = 0.05
_SHORTEST_S: Final = 1e-9


class Baseline(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The execution times of an earlier run, as its file holds them."""

    test_name: str
    created: str
    """When it was run, ISO 8601 with zone."""
    executions: int
    times_s: list[float]
    """A sample of the execution times in seconds."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """
    How long executions take now, as a multiple of the baseline's.

    *ratio* is the Hodges-Lehmann estimate on logarithms with its 95 % interval, *p_value* that
    of the two-sided Mann-Whitney U test.
    """

    ratio: float
    ratio_low: float
    ratio_high: float
    p_value: float
    verdict: str


def baseline_path(where: str | Path, test_name: str) -> Path:
    """Return *where* if it ends in `.json`, else the file for *test_name* in that folder."""
    path = Path(where)
    if path.suffix == ".json":
        return path
    name = re.sub(r"[^\w.-]+", "_", test_name).strip("._") or "_"
    return path / f"{name}.json"


def save_baseline(path: Path, baseline: Baseline) -> None:
    """Write *baseline* to *path*, making its folder; a reader never sees half of it."""
    write_whole(path, msgspec.json.encode(baseline))


def load_baseline(test_name: str, where: str | Path) -> Baseline:
    """
    Read the baseline of *test_name* from *where*, a `.json` file of any test or a folder.

    Raises `FileNotFoundError` without a file, `InvalidInputError` where it is not such a baseline.
    """
    path = baseline_path(where, test_name)
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Baseline)
    except msgspec.DecodeError as error:
        raise InvalidInputError(f"{path} is not a baseline: {error}") from error
    if not found.times_s or not all(0 <= time < math.inf for time in found.times_s):
        raise InvalidInputError(f"{path} has no usable times")
    if path != Path(where) and found.test_name != test_name:
        raise InvalidInputError(
            f"{path} is the baseline of {found.test_name!r};"
            f" name a file of its own for {test_name!r}"
        )
    return found


def spread_out(times_s: Sequence[float]) -> Sequence[float]:
    """Return at most `COMPARED` of *times_s*, evenly spread over the run."""
    count = len(times_s)
    if count <= COMPARED:
        return times_s
    return [times_s[place * count // COMPARED] for place in range(COMPARED)]


def compare(before: Sequence[float], after: Sequence[float]) -> Comparison:
    """
    Tell whether *after* took longer or less long than *before* (both seconds, not empty).

    At most `COMPARED` times of each side are used, spread over the run. Both assume executions
    that do not depend on each other.

    Source: M. Hollander, D. Wolfe, "Nonparametric Statistical Methods", sections 4.1 to 4.3.
    """
    import numpy as np  # noqa: PLC0415 - with scipy, a second of import that only this needs
    from scipy.stats import (  # noqa: PLC0415 - likewise
        mannwhitneyu,
        norm,
    )

    old, new = (
        np.log(np.maximum(np.asarray(spread_out(times), dtype=np.float64), _SHORTEST_S))
        for times in (before, after)
    )
    pairs = np.sort(np.subtract.outer(new, old), axis=None)
    p_value = float(mannwhitneyu(new, old, alternative="two-sided").pvalue)
    p_value = 1.0 if math.isnan(p_value) else p_value  # all times are the same
    spread = math.sqrt(old.size * new.size * (old.size + new.size + 1) / 12)
    place = math.floor(pairs.size / 2 - float(norm.ppf(0.975)) * spread)
    low, high = (pairs[place], pairs[-1 - place]) if place >= 0 else (-math.inf, math.inf)
    ratio = math.exp(float(np.median(pairs)))
    return Comparison(ratio, math.exp(low), math.exp(high), p_value, _verdict(ratio, p_value))


def _verdict(ratio: float, p_value: float) -> str:
    told = f"(p={p_value:.2g})"
    if p_value >= SIGNIFICANCE or ratio == 1:
        return f"no difference shown {told}"
    if ratio > 1:
        return f"slower by {100 * (ratio - 1):.1f}% {told}"
    return f"faster by {100 * (1 - ratio):.1f}% {told}"


def comparison_row(comparison: Comparison, baseline: Baseline) -> dict[str, object]:
    """Return *comparison* as a summary shows it."""
    return {
        **asdict(comparison),
        "baseline_created": baseline.created,
        "baseline_executions": baseline.executions,
    }
