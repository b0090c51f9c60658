"""
For how long alerts have been active, read back after a restart.

Source: Prometheus, rules/group.go, RestoreForState.
"""

from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

import numpy as np

from veriscope.rules.alerting import ALERT_NAME, ALERTS_FOR_STATE, Alert, AlertingRule, AlertState
from veriscope.rules.files import RuleOptions
from veriscope.signals import (
    METRIC_NAME,
    Labels,
    Matcher,
    MatchOp,
    RaggedSamples,
    RawFetch,
    is_stale,
)

Restore: TypeAlias = Callable[[RawFetch], Awaitable[RaggedSamples]]
"""Answers a fetch of raw samples, stale markers included; raises `VeriscopeError`."""

_AFTER: Final = 2  # evaluations: the first may find little scraped and nothing recorded


async def restore(
    rule: AlertingRule, name: str, time_ms: int, *, read: Restore, options: RuleOptions
) -> None:
    """
    Take up again what was pending or firing before the restart, once enough is known of *rule*.

    An alert that had fired fires on. One that was pending has as much time left as it had when
    the server went down, and at least `for_grace_period`, unless its whole `for` is shorter: then
    it begins anew. What was down for longer than `for_outage_tolerance` begins anew too.
    """
    if rule.restored or rule.evaluations < _AFTER:
        return
    if rule.hold_ms and (pending := [a for a in rule.active if a.state is AlertState.PENDING]):
        last = _last_samples(
            await read(
                RawFetch(
                    (
                        Matcher(METRIC_NAME, MatchOp.EQUAL, ALERTS_FOR_STATE),
                        Matcher(ALERT_NAME, MatchOp.EQUAL, name),
                    ),
                    time_ms - options.for_outage_tolerance,
                    time_ms,
                )
            )
        )
        for alert in pending:
            _, series = alert.series
            if series in last:
                _take_up(alert, last[series], rule.hold_ms, time_ms, options.for_grace_period)
    rule.restored = True


def _take_up(
    alert: Alert, last: tuple[int, float], hold_ms: int, now_ms: int, grace_ms: int
) -> None:
    down_ms, active_at_ms = last[0], int(last[1]) * 1000
    left_ms = hold_ms - (down_ms - active_at_ms)
    if left_ms <= 0:
        alert.active_at_ms, alert.fired_at_ms = active_at_ms, now_ms
        alert.state = AlertState.FIRING
    elif hold_ms < grace_ms:
        return
    elif left_ms < grace_ms:
        alert.active_at_ms = now_ms + grace_ms - hold_ms
    else:
        alert.active_at_ms = active_at_ms + now_ms - down_ms


def _last_samples(samples: RaggedSamples) -> dict[Labels, tuple[int, float]]:
    """Return time and value of the last sample of each series, less those that have ended."""
    rows = samples.joined()
    filled = np.flatnonzero(rows.stops > rows.starts)
    last = rows.stops[filled] - 1
    alive = ~is_stale(rows.values[last])
    return {
        samples.labels[row]: (int(rows.timestamps_ms[place]), float(rows.values[place]))
        for row, place in zip(filled[alive], last[alive], strict=True)
    }
