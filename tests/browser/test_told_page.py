"""The pages of a server that has rules and receivers of its own."""

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from conftest import Reader

pytestmark = pytest.mark.browser

RULES = """
groups:
  - name: chat
    interval: 1s
    rules:
      - alert: ErrorsLogged
        logs: {query: "level:error", by: [service]}
        threshold: "> 0"
        annotations: {summary: "{{ $labels.service }} logs errors"}
      - alert: Two
        expr: label_replace(vector(2), "host", "db-1", "", "") > 1
        for: 1h
      - alert: Never
        expr: vector(0) > 1
      - alert: Broken
        expr: vector(1) + on () (vector(1) or label_replace(vector(1), "a", "b", "", ""))
"""
CONFIG = """
rules: {{meta: false}}
rule_files: [rules.yml]
global: {{external_labels: {{cluster: east}}}}
route: {{receiver: team, group_by: [alertname], group_wait: 0s}}
receivers:
  - name: team
    webhook_configs: [{{url: "{url}"}}]
"""


@pytest.fixture
def told(
    start_server: Callable[..., str], reader: "Reader", receiver: Any, tmp_path: Path
) -> "Reader":
    """Point the reader to a server with rules, whose one receiver refuses three notifications."""
    receiver.statuses = [400] * 3
    (tmp_path / "rules.yml").write_text(RULES)
    (tmp_path / "veriscope.yml").write_text(CONFIG.format(url=receiver.url))
    reader.url = start_server(tmp_path, "--config", str(tmp_path / "veriscope.yml"))
    return reader


def _post(url: str, path: str, document: object) -> None:
    request = Request(url + path, json.dumps(document).encode())
    request.add_header("Content-Type", "application/json")
    urlopen(request, timeout=60).close()


def test_what_could_not_be_delivered_is_tried_again_or_deleted(
    told: "Reader", receiver: Any
) -> None:
    """A refusal stands there with its reason, until it is delivered or given up for good."""
    _post(told.url, "/api/v2/alerts", [{"labels": {"alertname": name}} for name in ("A", "B")])
    receiver.wait(2)
    page = told.open("/alerts/receivers")
    team = page.get_by_role("region", name="team")
    expect(team).to_contain_text("failing, 2 in a row", timeout=20_000)
    expect(team).to_contain_text("nothing delivered since the start")
    letters = page.get_by_role("region", name="Dead letters")
    first = letters.get_by_role("article").filter(has_text='alertname="A"')
    expect(first).to_contain_text("Refused: HTTP 400")
    first.get_by_role("button", name="Try again").click()
    expect(letters.get_by_role("status")).to_have_text(
        "It was refused again; the reason stands below."
    )
    first.get_by_role("button", name="Try again").click()
    expect(letters.get_by_role("status")).to_have_text("Delivered.")
    expect(first).to_have_count(0)
    expect(team).to_contain_text("delivers")
    second = letters.get_by_role("article")
    second.get_by_role("button", name="Delete").click()
    second.get_by_role("button", name="Delete for good?").click()
    expect(letters.get_by_role("status")).to_have_text("Deleted.")
    expect(letters).to_contain_text("Nothing: every notification was delivered")


def test_alerts_of_rules_are_shown_with_what_they_were_found_on(told: "Reader") -> None:
    """A search shows its text and where the records are; an expression its chart."""
    record = {
        "timeUnixNano": str(time.time_ns()),
        "severityNumber": 17,
        "body": {"stringValue": "refused"},
    }
    service = {"key": "service.name", "value": {"stringValue": "chat"}}
    logs = {"resource": {"attributes": [service]}, "scopeLogs": [{"logRecords": [record]}]}
    _post(told.url, "/v1/logs", {"resourceLogs": [logs]})
    page = told.open("/alerts")
    row = page.get_by_role("article").filter(has_text="chat logs errors")
    expect(row).to_contain_text("cluster=east", timeout=20_000)
    expect(page.get_by_text("1 rule cannot be evaluated")).to_be_visible(timeout=20_000)
    row.get_by_role("link", name="ErrorsLogged", exact=True).click()
    expression = page.get_by_role("region", name="Expression")
    expect(expression).to_contain_text("level:error | count by (service) > 0")
    records = expression.get_by_role("link", name="Last log records of chat")
    answer = urlopen(told.url + str(records.get_attribute("href")), timeout=60)
    with answer:
        assert b"refused" in answer.read()
    page.goto(f"{told.url}/alerts")
    page.get_by_role("link", name="Two", exact=True).click()
    expect(expression.get_by_role("img")).to_be_visible()
    expect(expression).to_contain_text("> 1")
    expect(page.get_by_text(re.compile("pending for .* since"))).to_be_visible()


def test_rules_that_fail_say_why(told: "Reader") -> None:
    """Each rule has its state and health; a search does not lead to where PromQL is asked."""
    page = told.open("/alerts/rules")
    rules = page.get_by_role("region", name="Rule group chat").get_by_role("row")
    expect(rules.filter(has_text="Broken")).to_contain_text("failing", timeout=20_000)
    expect(rules.filter(has_text="Broken")).to_contain_text("many-to-many")
    expect(rules.filter(has_text="Never")).to_contain_text("inactive")
    logs = rules.filter(has_text="ErrorsLogged")
    expect(logs).to_contain_text("logs[5m] level:error")
    expect(logs.get_by_role("link")).to_have_count(1)
    page.goto(f"{told.url}/alerts?state=inactive")
    page.get_by_role("link", name="Never").click()
    expect(page.get_by_text("It is over, or has not happened yet")).to_be_visible()


def test_an_alert_has_its_evidence(told: "Reader", receiver: Any) -> None:
    """What was seen at the onset stands below the chart; an alert nobody was told of has none."""
    event = {"kind": "deploy", "title": "chat 1.2.3", "url": "https://ci.example/7"}
    _post(told.url, "/api/veriscope/v1/events", event)
    _post(told.url, "/api/v2/alerts", [{"labels": {"alertname": "A"}}])
    receiver.wait(1)
    page = told.open("/alerts/alert/A")
    evidence = page.get_by_role("region", name="Evidence", exact=True)
    deploy = evidence.get_by_role("link", name="chat 1.2.3")
    expect(deploy).to_have_attribute("href", "https://ci.example/7", timeout=20_000)
    page.goto(f"{told.url}/alerts/alert/Two")
    expect(page.get_by_role("heading", name="Two")).to_be_visible()
    expect(evidence).to_be_hidden()
