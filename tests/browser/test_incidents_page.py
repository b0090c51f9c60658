"""The pages of incidents: what people do about alerts that began together."""

import json
import re
from typing import TYPE_CHECKING
from urllib.request import Request, urlopen

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from conftest import Reader

pytestmark = pytest.mark.browser

OVER = {"startsAt": "2026-01-01T00:00:00Z", "endsAt": "2026-01-01T00:00:01Z"}


def _post(url: str, alert: dict[str, object]) -> None:
    request = Request(url + "/api/v2/alerts", json.dumps([alert]).encode())
    request.add_header("Content-Type", "application/json")
    urlopen(request, timeout=60).close()


def _alert(name: str) -> dict[str, object]:
    """Return an alert that shares nothing with another, so that it is an incident by itself."""
    labels = {"alertname": name, "host": f"host-of-{name}", "severity": "critical"}
    return {"labels": labels, "annotations": {"summary": "it is in trouble"}}


def test_an_incident_is_taken_talked_about_and_ended(reader: "Reader") -> None:
    """Each deed stands in the timeline with who did it; the browser remembers who that is."""
    alert = _alert("PumpStopped")
    _post(reader.url, alert)
    page = reader.open("/incidents?state=open")
    row = page.get_by_role("article").filter(has_text="PumpStopped")
    expect(row).to_contain_text("1 of 1 alert firing", timeout=20_000)
    expect(page).to_have_title(re.compile(r"^\(\d+\) Incidents"))
    row.get_by_role("link").click()
    assert re.search(r"/incidents/INC-\d+$", page.url)
    timeline = page.get_by_role("region", name="Timeline")
    status = page.get_by_role("status")
    page.get_by_label("Who are you?").fill("ada")
    page.get_by_role("button", name="Acknowledge").click()
    expect(status).to_have_text("Acknowledged.")
    expect(page.get_by_text(re.compile("acknowledged .* by ada"))).to_be_visible()
    page.get_by_label("Assign to").fill("grace")
    page.get_by_role("button", name="Assign").click()
    expect(status).to_have_text("Assigned.")
    expect(page.get_by_text("assigned to grace").first).to_be_visible()
    page.get_by_label("What is to be said?").fill("the valve was shut")
    page.get_by_role("button", name="Comment").click()
    expect(timeline).to_contain_text("the valve was shut")
    expect(page.get_by_label("What is to be said?")).to_have_value("")
    _post(reader.url, {**alert, **OVER})
    page.get_by_role("button", name="Resolve").click()
    expect(status).to_have_text("Resolved.")
    expect(page.get_by_role("button", name="Reopen")).to_be_visible()
    page.reload()
    expect(page.get_by_label("Who are you?")).to_have_value("ada")
    page.get_by_role("button", name="Reopen").click()
    expect(status).to_have_text("Open again.")
    page.get_by_role("button", name="Resolve").click()
    expect(status).to_have_text("Resolved.")
    page.get_by_role("link", name="Incidents", exact=True).last.click()
    page.get_by_role("link", name="Resolved").click()
    expect(page.get_by_role("article").filter(has_text="PumpStopped")).to_be_visible()
    page.get_by_role("searchbox").fill("nothing like it")
    expect(page.get_by_role("heading", name="Nothing matches")).to_be_visible()


def test_what_is_missing_for_a_deed_is_said(reader: "Reader") -> None:
    """Nobody acts without a name, comments without a word or assigns to nobody."""
    alert = _alert("FanStopped")
    _post(reader.url, alert)
    page = reader.open("/incidents")
    page.get_by_role("article").filter(has_text="FanStopped").get_by_role("link").click()
    page.get_by_role("button", name="Acknowledge").click()
    assert page.get_by_label("Who are you?").evaluate("field => !field.validity.valid")
    page.get_by_label("Who are you?").fill("ada")
    page.get_by_role("button", name="Comment").click()
    said = page.get_by_label("What is to be said?").evaluate("field => field.validationMessage")
    assert said == "Write what is to be said."
    page.get_by_role("button", name="Assign").click()
    said = page.get_by_label("Assign to").evaluate("field => field.validationMessage")
    assert said == "Write who is to have it."
    _post(reader.url, {**alert, **OVER})


def test_an_alert_and_its_incident_lead_to_each_other(reader: "Reader") -> None:
    """The alert's page names the incident, whose page lists the alert."""
    alert = _alert("DoorOpen")
    _post(reader.url, alert)
    page = reader.open("/alerts/alert/DoorOpen")
    page.get_by_role("link", name=re.compile(r"^INC-\d+$")).click(timeout=20_000)
    expect(page.get_by_role("heading", level=1)).to_contain_text("DoorOpen")
    page.get_by_role("region", name="Alerts").get_by_role("link", name="DoorOpen").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("DoorOpen")
    _post(reader.url, {**alert, **OVER})


@pytest.mark.parametrize("reader", [{"viewport": {"width": 390, "height": 844}}], indirect=True)
def test_incidents_fit_a_phone(reader: "Reader") -> None:
    """Neither the list nor the page of one is wider."""
    alert = _alert("LampBroken")
    _post(reader.url, alert)
    page = reader.open("/incidents")
    link = page.get_by_role("article").filter(has_text="LampBroken").get_by_role("link")
    expect(link).to_be_visible(timeout=20_000)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    link.click()
    expect(page.get_by_role("button", name="Acknowledge")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    _post(reader.url, {**alert, **OVER})
