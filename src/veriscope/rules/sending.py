"""Telling others of a group's alerts: what could not be told stays due."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final, NamedTuple, TypeAlias
from urllib.parse import quote_plus

import structlog

from veriscope.rules.alerting import RESOLVED_RETENTION_MS, Alert, AlertingRule, AlertState
from veriscope.signals.alerts import PostedAlert

_log = structlog.get_logger(__name__)

_ENDS_AFTER: Final = 4  # as Prometheus: an alert survives three failures of evaluation or sending
_FAREWELL_PAUSE_S: Final = 5.0

SendAlerts: TypeAlias = Callable[[Sequence[PostedAlert]], Awaitable[None]]
"""Takes alerts for good, or raises."""


def generator_url(external_url: str, expr: str) -> str:
    """Return where *expr* is shown, spelled as Prometheus spells it."""
    return f"{external_url}/graph?g0.expr={quote_plus(expr)}&g0.tab=1"


class _Told(NamedTuple):
    rule: AlertingRule
    alert: Alert
    time_ms: int


class Outbox:
    """
    Sends the alerts of one group, one batch at a time; use from one event loop.

    Without *send* nobody is told. What is offered while a batch is on its way goes with the next
    one. A firing alert is sent when it begins to fire and each *resend_ms* after that, one that
    has ended likewise for a quarter of an hour. What *send* fails to take is due again when its
    rule is next offered.
    """

    def __init__(self, send: SendAlerts | None, *, resend_ms: int, interval_ms: int) -> None:
        self._send = send
        self._resend_ms = resend_ms
        self._lasts_ms = _ENDS_AFTER * max(resend_ms, interval_ms)
        self._offered: dict[AlertingRule, tuple[str, int]] = {}
        self._pump: asyncio.Task[None] | None = None

    def offer(self, rule: AlertingRule, url: str, time_ms: int) -> None:
        """Send what is due of *rule*, evaluated at *time_ms*, whose expression is at *url*."""
        if self._send is None or not (rule.alerts or rule.leaving):
            return
        self._offered[rule] = (url, time_ms)
        if self._pump is None or self._pump.done():
            self._pump = asyncio.create_task(self._send_offered(self._send), name="alerts")

    async def settle(self, patience_s: float) -> None:
        """Wait until what was offered is sent or has failed, at most *patience_s* seconds."""
        if self._pump is not None:
            await asyncio.wait((self._pump,), timeout=patience_s)

    async def bid_farewell(self, rules: Iterable[tuple[AlertingRule, str]], time_ms: int) -> None:
        """Send the ends of the alerts of *rules*, which are no more; try until it is done."""
        left = list(rules)
        tries = RESOLVED_RETENTION_MS / 1000 / _FAREWELL_PAUSE_S
        while left and tries > 0:
            for rule, url in left:
                self.offer(rule, url, time_ms)
            if self._pump is not None:
                await asyncio.wait((self._pump,))
            left = [(rule, url) for rule, url in left if _has_untold(rule)]
            if left:
                await asyncio.sleep(_FAREWELL_PAUSE_S)
            tries -= 1

    def close(self) -> None:
        """Give up what is on its way."""
        if self._pump is not None:
            self._pump.cancel()

    async def _send_offered(self, send: SendAlerts) -> None:
        while self._offered:
            offered, self._offered = self._offered, {}
            told: list[_Told] = []
            posted: list[PostedAlert] = []
            for rule, (url, time_ms) in offered.items():
                for alert in self._due(rule, time_ms):
                    told.append(_Told(rule, alert, time_ms))
                    posted.append(self._posted(alert, url, time_ms))
            if not posted:
                continue
            try:
                await send(posted)
            except Exception as error:  # noqa: BLE001 - whatever it was, alerts are sent again
                _log.warning("alerts_not_sent", alerts=len(posted), error=str(error))
                return
            for each in told:
                each.alert.sent_at_ms = each.time_ms
                if each.alert in each.rule.leaving:
                    each.rule.leaving.remove(each.alert)

    def _due(self, rule: AlertingRule, time_ms: int) -> list[Alert]:
        rule.leaving = [
            alert
            for alert in rule.leaving
            if time_ms - (alert.resolved_at_ms or 0) <= RESOLVED_RETENTION_MS
        ]
        return rule.leaving + [alert for alert in rule.alerts if self._is_due(alert, time_ms)]

    def _is_due(self, alert: Alert, time_ms: int) -> bool:
        if alert.state is AlertState.PENDING:
            return False
        told = alert.sent_at_ms
        return told is None or alert.is_untold or told + self._resend_ms < time_ms

    def _posted(self, alert: Alert, url: str, time_ms: int) -> PostedAlert:
        ended = alert.resolved_at_ms
        return PostedAlert(
            labels=alert.labels,
            annotations=alert.annotations,
            starts_at_ms=alert.fired_at_ms,
            ends_at_ms=time_ms + self._lasts_ms if ended is None else ended,
            generator_url=url,
        )


def _has_untold(rule: AlertingRule) -> bool:
    return bool(rule.leaving) or any(alert.is_untold for alert in rule.alerts)
