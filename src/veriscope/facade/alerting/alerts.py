"""The alerts of a framework: their state between checks, and who is told when it changes."""

import json
import logging
import math
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from veriscope.alert import Alert, AlertGroup, SerialWorker
from veriscope.alert.group import alert_labels
from veriscope.facade.alerting.evaluation import NOT_YET_ASKED, AlertCondition, read_condition
from veriscope.facade.alerting.receivers import Receivers
from veriscope.facade.local_time import local_now
from veriscope.instrument.forking import ForkLock
from veriscope.signals import Clock, InvalidInputError, LimitExceededError, to_labels

_NOTHING: Final[Mapping[str, str]] = {}


@dataclass(slots=True)
class _State:
    """What is known of one alert between two checks; monotonic seconds, Unix milliseconds."""

    alert: dict[str, Any]
    text: str
    condition: AlertCondition | None
    fault: str = ""
    pending_since_s: float | None = None
    firing_since_ms: int | None = None
    notified_s: float = -math.inf
    told_unknown: bool = False


class AlertBook:
    """
    The alerts that were created, checked against metrics on demand.

    *send* is called with the document's `alert_data` when an alert begins to fire or is due again.

    `alerts` is the document's list of dictionaries. An alert whose `status` is not `active` is
    skipped; if it fired it has ended, as has one that was removed. A change of `condition` in
    the dictionary counts from the next check.
    """

    def __init__(
        self,
        service_name: str,
        receivers: Receivers,
        *,
        clock: Clock,
        logger: logging.Logger,
        max_alerts: int,
        repeat_interval_s: float,
        send: Callable[[dict[str, Any]], None],
    ) -> None:
        self.alerts: list[dict[str, Any]] = []
        self._service_name = service_name
        self._receivers = receivers
        self._clock = clock
        self._logger = logger
        self._max_alerts = max_alerts
        self._repeat_interval_s = repeat_interval_s
        self._send = send
        self._begun: list[dict[str, Any]] = []
        self._worker = SerialWorker("conditions", max_alerts)
        self._states: dict[str, _State] = {}
        self._lock = ForkLock()

    def create(
        self,
        name: str,
        condition: str,
        severity: str,
        *,
        language: str = "auto",
        for_s: float = 0.0,
        labels: Mapping[str, str] = _NOTHING,
        annotations: Mapping[str, str] = _NOTHING,
        receiver: str | None = None,
    ) -> dict[str, Any]:
        """Add an alert; raises `InvalidInputError` where it cannot be meant so."""
        if for_s < 0:
            raise InvalidInputError(f"for_s is {for_s}; it must be 0 or more")
        if receiver is not None:
            self._receivers.require(receiver)
        compiled = read_condition(condition, language, self._worker)
        alert: dict[str, Any] = {
            "alert_id": str(uuid.uuid4()),
            "alert_name": name,
            "condition": condition,
            "severity": severity,
            "created_at": local_now().isoformat(),
            "status": "active",
            "language": language,
            "for_s": for_s,
            "labels": dict(labels),
            "annotations": dict(annotations),
            "receiver": receiver,
            "state": "inactive",
            "reason": "",
        }
        with self._lock:
            if len(self.alerts) >= self._max_alerts:
                raise LimitExceededError(
                    f"there are {self._max_alerts} alerts already; raise max_alerts or remove some"
                )
            self.alerts.append(alert)
            self._states[alert["alert_id"]] = _State(alert, condition, compiled)
        return alert

    def check(self, metrics: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the alerts that fire, and tell the receivers about those that changed."""
        with self._lock:
            alerts = list(self.alerts)
            for alert in alerts:
                _fill(alert)
            active = {a["alert_id"]: a for a in alerts if a["status"] == "active"}
            for state in [s for key, s in self._states.items() if key not in active]:
                self._resolve(state.alert, state, metrics)
            known = {alert["alert_id"] for alert in alerts}
            self._states = {key: state for key, state in self._states.items() if key in known}
            firing = [alert for alert in active.values() if self._check(alert, metrics)]
            begun, self._begun = self._begun, []
        # Without the lock: what sends may be the application's own, and come back here.
        for data in begun:
            try:
                self._send(data)
            except Exception:
                self._logger.exception("Alert %s could not be sent", data["alert_name"])
        return firing

    def notify(self, alert_id: str) -> None:
        """Hand the alert to its receivers, as it stands."""
        with self._lock:
            state = self._states.get(alert_id)
            if state is not None and state.firing_since_ms is not None:
                self._tell_receivers(state, None)

    def _check(self, alert: dict[str, Any], metrics: Mapping[str, Any]) -> bool:
        """Move *alert* on; True where it fires."""
        state = self._state_of(alert)
        if state.condition is None:
            self._set(alert, "unknown", state.fault)
            self._tell_unknown(alert, state, state.fault)
            return False
        verdict = state.condition.evaluate(metrics)
        if verdict.holds is None:
            # What cannot be told neither begins nor ends an alert.
            if verdict is not NOT_YET_ASKED:
                self._tell_unknown(alert, state, verdict.reason)
            self._set(alert, "unknown", verdict.reason)
            return False
        state.told_unknown = False
        if not verdict.holds:
            self._resolve(alert, state, metrics)
            return False
        return self._hold(alert, state, metrics)

    def _hold(self, alert: dict[str, Any], state: _State, metrics: Mapping[str, Any]) -> bool:
        now_s = self._clock.monotonic_s()
        if state.pending_since_s is None:
            state.pending_since_s = now_s
        if state.firing_since_ms is None and now_s - state.pending_since_s < alert.get("for_s", 0):
            self._set(alert, "pending")
            return False
        self._set(alert, "firing")
        is_new = state.firing_since_ms is None
        if state.firing_since_ms is None:
            state.firing_since_ms = self._clock.now_ms()
            alert["triggered_at"] = local_now().isoformat()
        if is_new or now_s - state.notified_s >= self._repeat_interval_s:
            state.notified_s = now_s
            self._announce(alert, state, metrics, None)
        return True

    def _resolve(self, alert: dict[str, Any], state: _State, metrics: Mapping[str, Any]) -> None:
        state.pending_since_s = None
        self._set(alert, "inactive")
        if state.firing_since_ms is not None:
            alert["resolved_at"] = local_now().isoformat()
            self._announce(alert, state, metrics, self._clock.now_ms())
            state.firing_since_ms = None

    def _announce(
        self,
        alert: dict[str, Any],
        state: _State,
        metrics: Mapping[str, Any],
        ends_at_ms: int | None,
    ) -> None:
        data = {
            "alert_id": alert["alert_id"],
            "alert_name": alert["alert_name"],
            "severity": alert["severity"],
            "triggered_at": alert.get("triggered_at"),
            "metrics": dict(metrics),
        }
        if ends_at_ms is None:
            self._logger.warning("Alert triggered: %s", _json(data))
            self._begun.append(data)
        else:
            self._logger.info("Alert resolved: %s", _json(data))
            self._tell_receivers(state, ends_at_ms)

    def _tell_receivers(self, state: _State, ends_at_ms: int | None) -> None:
        alert = state.alert
        self._receivers.put(
            AlertGroup(
                receiver="",
                alerts=(self._alert(alert, state.firing_since_ms or 0, ends_at_ms),),
                group_labels=to_labels({"alertname": str(alert["alert_name"])}),
            ),
            alert.get("receiver"),
        )

    def _alert(self, alert: dict[str, Any], since_ms: int, ends_at_ms: int | None) -> Alert:
        labels = {str(key): str(text) for key, text in alert.get("labels", {}).items()}
        notes = {str(key): str(text) for key, text in alert.get("annotations", {}).items()}
        return Alert(
            labels=alert_labels(
                str(alert["alert_name"]),
                {"service": self._service_name, "severity": str(alert["severity"]), **labels},
            ),
            annotations=to_labels({"condition": str(alert["condition"]), **notes}),
            starts_at_ms=since_ms,
            ends_at_ms=ends_at_ms,
        )

    def _state_of(self, alert: dict[str, Any]) -> _State:
        """Return what is known of *alert*, reading its condition where that is new."""
        state = self._states.get(alert["alert_id"])
        text = str(alert["condition"])
        if state is None:
            state = self._states[alert["alert_id"]] = _State(alert, "", None)
        state.alert = alert  # a copy may have taken its place in the list
        if state.text != text or (state.condition is None and not state.fault):
            state.text, state.fault, state.condition = text, "", None
            try:
                state.condition = read_condition(text, alert.get("language", "auto"), self._worker)
            except InvalidInputError as error:
                state.fault = str(error)
        return state

    def _tell_unknown(self, alert: dict[str, Any], state: _State, reason: str) -> None:
        if not state.told_unknown:
            state.told_unknown = True
            self._logger.warning("Alert %s cannot be checked: %s", alert["alert_name"], reason)

    def _set(self, alert: dict[str, Any], state: str, reason: str = "") -> None:
        alert["state"], alert["reason"] = state, reason


def _fill(alert: dict[str, Any]) -> None:
    """Give an alert that was put into the list by hand what it lacks."""
    if "alert_id" not in alert:
        alert["alert_id"] = str(uuid.uuid4())
    defaults = {"alert_name": "unnamed", "condition": "", "severity": "warning", "status": "active"}
    for key, value in defaults.items():
        alert.setdefault(key, value)


def _json(data: Mapping[str, Any]) -> str:
    try:
        return json.dumps(data, default=str)
    except (TypeError, ValueError, RecursionError):
        return repr(data)
