import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from veriscope import ObservabilityFramework
from veriscope.facade.framework import FrameworkOptions
from veriscope.instrument import delivery
from veriscope.signals import InvalidInputError, LimitExceededError, ManualClock

HIGH = {"cpu_usage": 95, "error_rate": 0.1, "queue": 1}
LOW = {"cpu_usage": 5, "error_rate": 0.0, "queue": 1}
CONDITION = "cpu_usage > 90 and (error_rate > 0.05 or queue > 10)"


def receivers(receiver: Any, *names: str) -> list[dict[str, Any]]:
    """Return receivers that post to the server *receiver*, each to its own path."""
    return [
        {"name": name, "webhook_configs": [{"url": f"{receiver.url}/{name}"}]} for name in names
    ]


def bodies(receiver: Any, count: int) -> list[Any]:
    """Return what came to *receiver*, once *count* messages have."""
    receiver.wait(count)
    return list(receiver.bodies)


@pytest.fixture
def clock() -> ManualClock:
    """Return a clock that stands still."""
    return ManualClock(1_700_000_000_000)


def make(
    clock: ManualClock, receivers: Any = None, options: FrameworkOptions | None = None
) -> ObservabilityFramework:
    """Return a framework of its own."""
    return ObservabilityFramework(
        "shop", receivers=receivers, clock=clock, registry=CollectorRegistry(), options=options
    )


def test_an_alert_has_the_documents_keys(clock: ManualClock) -> None:
    """What `create_alert` returns is what the document's code reads."""
    framework = make(clock)
    alert = framework.create_alert("HighLoad", CONDITION)
    assert framework.alerts == [alert]
    assert (alert["alert_name"], alert["condition"], alert["severity"], alert["status"]) == (
        "HighLoad",
        CONDITION,
        "warning",
        "active",
    )
    assert {"alert_id", "created_at"} <= set(alert)


def test_every_check_returns_what_fires(
    clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    """The list is that of now, as in the document; the log has the beginning once."""
    framework = make(clock)
    alert = framework.create_alert("HighLoad", CONDITION)
    assert framework.check_alerts(LOW) == []
    assert framework.check_alerts(HIGH) == framework.check_alerts(HIGH) == [alert]
    assert caplog.text.count("Alert triggered:") == 1
    assert framework.check_alerts(LOW) == []
    assert alert["state"] == "inactive"


def test_receivers_are_told_of_beginning_and_end_only(receiver: Any, clock: ManualClock) -> None:
    """Ten checks of a burning service are one message, and one more when it is over."""
    framework = make(clock, receivers(receiver, "team"))
    framework.create_alert(
        "HighLoad", CONDITION, "critical", labels={"zone": "a"}, annotations={"summary": "hot"}
    )
    for _ in range(10):
        framework.check_alerts(HIGH)
    clock.advance(ms=60_000)
    framework.check_alerts(LOW)
    first, second = bodies(receiver, 2)
    assert framework.flush(60)
    assert len(receiver.bodies) == 2
    alert = first["alerts"][0]
    assert alert["labels"] == {
        "alertname": "HighLoad",
        "service": "shop",
        "severity": "critical",
        "zone": "a",
    }
    assert alert["annotations"] == {"condition": CONDITION, "summary": "hot"}
    assert (first["status"], second["status"]) == ("firing", "resolved")
    assert second["alerts"][0]["endsAt"] == "2023-11-14T22:14:20Z"


def test_a_long_alert_is_repeated(receiver: Any, clock: ManualClock) -> None:
    """After `repeat_interval_s` the receivers hear of it again."""
    framework = make(clock, receivers(receiver, "team"), FrameworkOptions(repeat_interval_s=60))
    framework.create_alert("HighLoad", CONDITION)
    for _ in range(4):
        framework.check_alerts(HIGH)
        clock.advance(ms=30_000)
    receiver.wait(2)
    assert framework.flush(60)
    assert len(receiver.bodies) == 2


def test_one_receiver_can_be_chosen(receiver: Any, clock: ManualClock) -> None:
    """An alert for the pager leaves the chat alone; a receiver that is none is refused."""
    framework = make(clock, receivers(receiver, "chat", "pager"))
    framework.create_alert("Down", "up == 0", receiver="pager")
    framework.check_alerts({"up": 0})
    assert [body["receiver"] for body in bodies(receiver, 1)] == ["pager"]
    assert framework.flush(60)
    assert len(receiver.bodies) == 1
    with pytest.raises(InvalidInputError, match="known: chat, pager"):
        framework.create_alert("Down", "up == 0", receiver="fax")


def test_an_alert_waits_for_its_hold_time(clock: ManualClock) -> None:
    """Held for a minute it is pending until then, and a dip begins the minute anew."""
    framework = make(clock)
    alert = framework.create_alert("HighLoad", CONDITION, for_s=60)
    for seconds, metrics, state in (
        (0, HIGH, "pending"),
        (59, HIGH, "pending"),
        (0, LOW, "inactive"),
        (2, HIGH, "pending"),
        (60, HIGH, "firing"),
    ):
        clock.advance(ms=seconds * 1000)
        assert framework.check_alerts(metrics) == ([alert] if state == "firing" else [])
        assert alert["state"] == state


def test_what_is_not_known_neither_fires_nor_ends_an_alert(
    clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    """A metric that is missing for a while is said once, and is no all-clear."""
    framework = make(clock)
    alert = framework.create_alert("HighLoad", CONDITION)
    framework.check_alerts(HIGH)
    for _ in range(3):
        assert framework.check_alerts({}) == []
    assert (alert["state"], alert["reason"]) == ("unknown", "metric 'cpu_usage' is missing")
    assert caplog.text.count("cannot be checked") == 1
    assert framework.check_alerts(HIGH) == [alert]
    assert caplog.text.count("Alert triggered:") == 1


def test_a_condition_is_judged_when_it_is_created(clock: ManualClock) -> None:
    """A typing error is an error now, with its place, not a silent alert for ever."""
    framework = make(clock)
    with pytest.raises(InvalidInputError, match="column 7"):
        framework.create_alert("Bad", "cpu > >")
    with pytest.raises(InvalidInputError, match="is no function"):
        framework.create_alert("Evil", "__import__('os')")
    with pytest.raises(InvalidInputError, match="language"):
        framework.create_alert("Bad", "cpu > 1", language="perl")
    with pytest.raises(InvalidInputError, match="for_s"):
        framework.create_alert("Bad", "cpu > 1", for_s=-1)
    with pytest.raises(InvalidInputError, match="not PromQL"):
        framework.create_alert("Bad", "rate(x[)", language="promql")
    assert framework.alerts == []


def test_metric_names_inside_other_names_are_not_confused(clock: ManualClock) -> None:
    """The document replaced `cpu` in `cpu_usage`; a name here is a whole name."""
    framework = make(clock)
    alert = framework.create_alert("HighLoad", "cpu_usage > 90")
    assert framework.check_alerts({"cpu": 1, "usage": 2, "cpu_usage": 91}) == [alert]


def test_alerts_can_be_switched_off_changed_and_put_in_by_hand(clock: ManualClock) -> None:
    """The list is the document's: its dictionaries may be edited."""
    framework = make(clock)
    alert = framework.create_alert("HighLoad", "cpu > 90")
    alert["status"] = "disabled"
    assert framework.check_alerts({"cpu": 95}) == []
    alert |= {"status": "active", "condition": "cpu > 99"}
    assert framework.check_alerts({"cpu": 95}) == []
    framework.alerts.append({"alert_name": "raw", "condition": "cpu > 90"})
    assert [each["alert_name"] for each in framework.check_alerts({"cpu": 95})] == ["raw"]
    framework.alerts[:] = [{"condition": "cpu >"}]
    assert framework.check_alerts({"cpu": 95}) == []
    assert "not the end" in framework.alerts[0]["reason"]


def test_an_alert_that_is_taken_away_has_ended(receiver: Any, clock: ManualClock) -> None:
    """Whoever was told of its beginning hears that nobody watches it any more."""
    framework = make(clock, receivers(receiver, "team"))
    for name in ("off", "gone"):
        framework.create_alert(name, "cpu > 90")
    framework.check_alerts({"cpu": 95})
    framework.alerts[0]["status"] = "disabled"
    del framework.alerts[1]
    for _ in range(3):
        assert framework.check_alerts({"cpu": 95}) == []
    ended = {body["groupLabels"]["alertname"]: body["status"] for body in bodies(receiver, 4)}
    assert ended == {"off": "resolved", "gone": "resolved"}
    assert framework.flush(60)
    assert len(receiver.bodies) == 4


def test_without_metrics_the_latest_logged_ones_count(clock: ManualClock) -> None:
    """`log_metric` and `create_alert` are enough for a self-watching service."""
    framework = make(clock)
    alert = framework.create_alert("HighLoad", "cpu > 90")
    framework.log_metric("cpu", 99)
    assert framework.check_alerts() == [alert]


def test_the_number_of_alerts_is_bounded(clock: ManualClock) -> None:
    """A loop that creates alerts does not fill the memory."""
    framework = make(clock, options=FrameworkOptions(max_alerts=2))
    framework.create_alert("a", "x > 1")
    framework.create_alert("b", "x > 1")
    with pytest.raises(LimitExceededError, match="max_alerts"):
        framework.create_alert("c", "x > 1")


def test_wrong_receivers_are_refused_at_construction(clock: ManualClock) -> None:
    """A framework with receivers that cannot work is not made."""
    with pytest.raises(InvalidInputError, match="`webhok`"):
        make(clock, [{"name": "a", "webhok": []}])


@pytest.fixture
def configured() -> Iterator[None]:
    """Put the process' settings back after the test."""
    yield
    delivery.shutdown()
    delivery.configure()


@pytest.mark.usefixtures("configured")
def test_receivers_of_the_process_are_used(
    receiver: Any, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    """What `veriscope.configure` was given counts for every framework, and may change."""
    framework = make(clock)
    delivery.configure(receivers=receivers(receiver, "shared"))
    framework.create_alert("Down", "up == 0")
    framework.check_alerts({"up": 0})
    assert bodies(receiver, 1)[0]["receiver"] == "shared"
    delivery.configure(receivers=[{"nonsense": 1}])
    framework.check_alerts({"up": 1})
    assert "Alert triggered" in caplog.text


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_notifies_for_itself(receiver: Any, clock: ManualClock) -> None:
    """A pre-forking server's workers check and tell as their parent does."""
    framework = make(clock, receivers(receiver, "team"))
    framework.create_alert("Down", "up == 0")
    framework.check_alerts({"up": 0})
    receiver.wait(1)
    child = os.fork()
    if child == 0:
        framework.check_alerts({"up": 1})
        os._exit(0 if framework.flush(60) else 1)
    _, status = os.waitpid(child, 0)
    assert status == 0
    assert [body["status"] for body in bodies(receiver, 2)] == ["firing", "resolved"]


@pytest.mark.usefixtures("configured")
def test_promql_without_a_server_is_unknown(clock: ManualClock) -> None:
    """A PromQL condition is accepted, asked in the background, and says why it knows nothing."""
    delivery.configure()
    framework = make(clock)
    alert = framework.create_alert("Burn", 'rate(errors_total{job="x"}[5m]) > 1')
    assert framework._alerts._worker.flush(60)
    assert framework.check_alerts({}) == []
    assert alert["reason"] == "no server is configured for a PromQL condition"


@pytest.mark.usefixtures("configured")
def test_a_server_evaluates_promql_and_shows_dashboards(
    run_server: Any, tmp_path: Path, clock: ManualClock
) -> None:
    """With a real server: a logged metric fires an alert in PromQL, and a dashboard is there."""
    server = run_server(tmp_path)
    exporter = delivery.configure(server.url, service_name="shop")
    assert exporter is not None
    framework = make(clock)
    framework.log_metric("orders_waiting", 12, {"zone": "a"})
    assert exporter.flush(60)
    firing = framework.create_alert("Waiting", 'promql: orders_waiting{zone="a"} > 10')
    quiet = framework.create_alert("Quiet", "orders_waiting{zone='a'} > 100")
    assert framework._alerts._worker.flush(60)
    assert framework.check_alerts({}) == [firing]
    assert (quiet["state"], quiet["reason"]) == ("inactive", "")
    dashboard = framework.create_dashboard("Orders", [{"metric": "orders_waiting"}])
    assert framework.flush(60)
    shown = server.get(f"/api/veriscope/v1/dashboards/{dashboard['dashboard_id']}")["data"]
    assert shown["title"] == "Orders"
    expr = shown["panels"][0]["targets"][0]["expr"]
    assert [series["value"][1] for series in server.query(expr)] == ["12"]
