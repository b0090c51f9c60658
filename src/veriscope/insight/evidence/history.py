"""Whether the same alert has fired before, and whether it does so at this time."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from veriscope.insight.evidence.asking import WHERE, Asking, Case, NothingToSayError
from veriscope.query.promql.format import quote
from veriscope.signals import Grid

_STEP_MS: Final = 5 * 60_000
_HOUR_MS: Final = 3_600_000
_DAY_MS: Final = 24 * _HOUR_MS
_DAYS: Final = 7
_AROUND_MS: Final = 30 * 60_000
_OFTEN: Final = 2


def selector_of(case: Case) -> str:
    """Return matchers for the history of these alerts; raises where they have no name."""
    common = case.common
    if not (name := common.get("alertname")):
        raise NothingToSayError("the alerts have no name in common")
    where = [f"{each}={quote(common[each])}" for each in WHERE if common.get(each)]
    return ",".join([f"alertname={quote(name)}", *where])


def find_hints(case: Case, asking: Asking) -> Mapping[str, Any]:
    """Look at when the alert fired in the seven days before the onset, to five minutes."""
    selector = selector_of(case)
    end_ms = case.onset_ms - _STEP_MS
    grid = Grid(end_ms - _DAYS * _DAY_MS // _STEP_MS * _STEP_MS, end_ms, _STEP_MS)
    found = asking.over(f'group(ALERTS{{alertstate="firing",{selector}}})', grid)
    fired: NDArray[np.bool_] = np.logical_or.reduce(found.present, axis=0)
    return {"hints": tuple(_hints(fired, grid.times_ms(), case.onset_ms))}


def _hints(fired: NDArray[np.bool_], times_ms: NDArray[np.int64], onset_ms: int) -> list[str]:
    rises = np.flatnonzero(fired & ~np.concatenate([[False], fired[:-1]]))
    if not len(rises):
        return []
    starts_ms = times_ms[rises]
    last = datetime.fromtimestamp(int(starts_ms[-1]) / 1000, UTC)
    times = "once" if len(rises) == 1 else f"{len(rises)} times"
    hints = [f"fired {times} in the last 7 days, last at {last:%Y-%m-%d %H:%M} UTC"]
    off_ms = np.abs((starts_ms - onset_ms + _DAY_MS // 2) % _DAY_MS - _DAY_MS // 2)
    days = len(np.unique((onset_ms - starts_ms[off_ms <= _AROUND_MS] + _DAY_MS // 2) // _DAY_MS))
    if days >= _OFTEN:
        hints.append(f"began at this time of day on {days} of the last 7 days")
    week_ago = np.abs(times_ms - (onset_ms - _DAYS * _DAY_MS)) <= _AROUND_MS
    if fired[week_ago].any():
        hints.append("fired at this time a week ago, too")
    return hints
