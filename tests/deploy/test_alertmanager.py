"""Who is told of genRF's alerts, checked by Alertmanager's own tool."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from veriscope.alert.config import load_alerting_config
from veriscope.alert.group import Alert, AlertGroup, alert_labels
from veriscope.alert.notify.outcome import Outcome
from veriscope.alert.notify.receivers import build_notifiers
from veriscope.alert.routing import build_routes
from veriscope.signals import ManualClock, to_labels
from veriscope.templates.alertmanager import NotificationTemplates

FILE = Path(__file__).parents[2] / "deploy" / "alertmanager" / "genrf.yml"
SEVERITIES = pytest.mark.parametrize(
    ("severity", "receiver"), [("critical", "on-call"), ("warning", "team")]
)


@pytest.fixture(scope="module")
def amtool() -> str:
    """Return Alertmanager's tool."""
    found = shutil.which("amtool")
    if found is None:
        pytest.skip("NO ROUTE WAS CHECKED BY AMTOOL: install Debian's `prometheus-alertmanager`")
    return found


@pytest.mark.peer
def test_amtool_takes_the_file(amtool: str) -> None:
    """It is one that Alertmanager loads."""
    done = subprocess.run(
        [amtool, "check-config", str(FILE)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.peer
@SEVERITIES
def test_amtool_finds_the_receiver(amtool: str, severity: str, receiver: str) -> None:
    """Alertmanager would tell the same people."""
    command = [amtool, "config", "routes", "test", "--config.file", str(FILE)]
    done = subprocess.run(
        [*command, f"severity={severity}"], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [receiver]


@SEVERITIES
def test_what_is_critical_wakes_somebody(severity: str, receiver: str) -> None:
    """Everything else waits in the team's channel and mail."""
    route = load_alerting_config(FILE).route
    assert route is not None
    (found,) = build_routes(route).find(to_labels({"severity": severity}))
    assert found.receiver == receiver


def test_messages_say_what_is_wrong(receiver: Any, tmp_path: Path) -> None:
    """PagerDuty and Slack get the alert's own words; the secrets come from files."""
    secrets = {"pagerduty": "key-of-the-service\n", "slack": f"{receiver.url}/slack\n"}
    (tmp_path / "secrets").mkdir()
    for name, secret in secrets.items():
        (tmp_path / "secrets" / name).write_text(secret)
    text = FILE.read_text()
    (tmp_path / "genrf.yml").write_text(
        text.replace("global:\n", f"global:\n  pagerduty_url: {receiver.url}\n")
    )
    config = load_alerting_config(tmp_path / "genrf.yml")
    clock, registry = ManualClock(0), CollectorRegistry()
    templates = NotificationTemplates((), "http://veriscope.example", clock=clock)
    for each in config.receivers:
        notifiers = build_notifiers(each, config.global_, clock, templates, registry)
        (web,) = (notifier for notifier in notifiers if notifier.integration != "email")
        assert web.notify(group_of(each.name)) == Outcome.delivered()
    page, message = receiver.bodies
    assert page["routing_key"] == "key-of-the-service"
    assert page["payload"]["severity"] == "critical"
    assert page["payload"]["summary"] == "HighErrorRate: High circuit generation error rate"
    assert message["channel"] == "#genrf-alerts"
    (shown,) = message["attachments"]
    assert shown["title"] == "FIRING HighErrorRate"
    assert shown["text"] == "High circuit generation error rate: Error rate is 20%\n"


def group_of(receiver: str) -> AlertGroup:
    """Return a group of one alert that fires."""
    labels = alert_labels("HighErrorRate", {"severity": "critical"})
    annotations = {
        "summary": "High circuit generation error rate",
        "description": "Error rate is 20%",
    }
    alert = Alert(labels, to_labels(annotations), starts_at_ms=0)
    return AlertGroup(receiver, (alert,), to_labels({"alertname": "HighErrorRate"}))
