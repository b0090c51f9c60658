"""The states of alerts: against a plain model, and at each edge."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veriscope.rules.alerting import RESOLVED_RETENTION_MS, AlertingRule, AlertState, Found
from veriscope.rules.errors import RuleError
from veriscope.signals import Labels, to_labels

MINUTE = 60_000


def named(name: str, value: float = 1.0) -> Found:
    """Return an element of that name."""
    return Found((("alertname", "A"), ("i", name)), (("summary", str(value)),), value)


def states(rule: AlertingRule) -> dict[str, tuple[str, int]]:
    """Return state and begin of each active alert."""
    return {dict(a.labels)["i"]: (str(a.state), a.active_at_ms) for a in rule.active}


def modelled(seen: list[tuple[int, bool]], hold_ms: int, keep_ms: int) -> tuple[str, int] | None:
    """Return what one alert is after it was *seen* or not at those times, from the definition."""
    since: int | None = None
    gone: int | None = None
    fires = False
    for time_ms, there in seen:
        if there:
            gone = None
            since = time_ms if since is None else since
            fires = fires or time_ms - since >= hold_ms
        elif since is not None:
            gone = time_ms if gone is None else gone
            if not fires or time_ms - gone >= keep_ms:
                since, gone, fires = None, None, False
    return None if since is None else ("firing" if fires else "pending", since)


@given(
    st.lists(st.tuples(st.integers(1, 5), st.frozensets(st.sampled_from("abc"))), max_size=30),
    st.integers(0, 6),
    st.integers(0, 6),
)
def test_alerts_are_what_their_definition_says(
    steps: list[tuple[int, frozenset[str]]], hold: int, keep: int
) -> None:
    """Whatever comes and goes, each on its own."""
    rule = AlertingRule(hold_ms=hold, keep_firing_ms=keep)
    time_ms = 0
    seen: dict[str, list[tuple[int, bool]]] = {name: [] for name in "abc"}
    for pause, names in steps:
        time_ms += pause
        rule.advance([named(name) for name in sorted(names)], time_ms)
        for name, history in seen.items():
            history.append((time_ms, name in names))
        expected = {name: modelled(history, hold, keep) for name, history in seen.items()}
        assert states(rule) == {name: found for name, found in expected.items() if found}


def test_an_active_alert_has_its_latest_value_and_annotations() -> None:
    """And its first begin."""
    rule = AlertingRule(hold_ms=MINUTE)
    rule.advance([named("x", 1.0)], 0)
    rule.advance([named("x", 2.0)], MINUTE)
    [alert] = rule.active
    assert (alert.value, alert.annotations) == (2.0, (("summary", "2.0"),))
    assert (alert.state, alert.active_at_ms, alert.fired_at_ms) == (AlertState.FIRING, 0, MINUTE)
    assert rule.state is AlertState.FIRING


def test_an_alert_that_has_ended_is_kept_for_a_quarter_of_an_hour() -> None:
    """With the time of its end; one that was pending is forgotten at once."""
    rule = AlertingRule(hold_ms=0)
    rule.advance([named("x")], 0)
    rule.advance([], MINUTE)
    [ended] = rule.alerts
    assert (ended.state, ended.resolved_at_ms) == (AlertState.INACTIVE, MINUTE)
    rule.advance([], MINUTE + RESOLVED_RETENTION_MS)
    assert len(rule.alerts) == 1
    rule.advance([], MINUTE + RESOLVED_RETENTION_MS + 1)
    assert rule.alerts == ()
    pending = AlertingRule(hold_ms=MINUTE)
    pending.advance([named("x")], 0)
    pending.advance([], 1)
    assert pending.alerts == ()


def test_two_alerts_of_the_same_labels_change_nothing() -> None:
    """The rule is at fault, not the alerts that there are."""
    rule = AlertingRule(hold_ms=0)
    rule.advance([named("x")], 0)
    with pytest.raises(RuleError, match="same labelset after applying alert labels"):
        rule.advance([named("y"), named("y")], 1)
    assert states(rule) == {"x": ("firing", 0)}


def test_past_the_limit_every_alert_is_forgotten() -> None:
    """As Prometheus documents it; what goes on for a while counts too."""
    rule = AlertingRule(hold_ms=0, keep_firing_ms=MINUTE, limit=2)
    rule.advance([named("x"), named("y")], 0)
    with pytest.raises(RuleError, match="exceeded limit of 2 with 3 alerts"):
        rule.advance([named("y"), named("z")], 1)
    assert rule.alerts == ()


def test_series_are_named_after_the_alert_and_its_state() -> None:
    """The same objects as long as the state stays."""
    rule = AlertingRule(hold_ms=2)
    rule.advance([named("x")], 0)
    [alert] = rule.active
    before: tuple[Labels, Labels] = alert.series
    labels = {"alertname": "A", "i": "x"}
    assert before == (
        to_labels({"__name__": "ALERTS", "alertstate": "pending", **labels}),
        to_labels({"__name__": "ALERTS_FOR_STATE", **labels}),
    )
    rule.advance([named("x")], 1)
    assert alert.series is before
    rule.advance([named("x")], 2)
    assert dict(alert.series[0])["alertstate"] == "firing"


def test_an_end_that_nobody_was_told_of_outlives_its_alert() -> None:
    """When the alert begins anew its end is still to be told."""
    rule = AlertingRule(hold_ms=0)
    rule.advance([named("x")], 0)
    rule.advance([], 1)
    rule.advance([named("x")], 2)
    [ended] = rule.leaving
    assert (ended.fired_at_ms, ended.resolved_at_ms) == (0, 1)
    assert [alert.fired_at_ms for alert in rule.alerts] == [2]
