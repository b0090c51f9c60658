import json
import re
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from conftest import Reader

pytestmark = pytest.mark.browser

LABELS = {"alertname": "DiskFull", "severity": "critical", "host": "db-1"}
OTHER = {"alertname": "QueueLong", "severity": "warning", "host": "web-1"}


@pytest.fixture(autouse=True)
def alerts(server_url: str) -> None:
    """Have two alerts fire, as another server would post them."""
    body: list[dict[str, Any]] = [
        {
            "labels": labels,
            "annotations": {
                "summary": f"{labels['host']} is in trouble",
                "runbook_url": "javascript:alert(1)",
            },
        }
        for labels in (LABELS, OTHER)
    ]
    request = Request(server_url + "/api/v2/alerts", json.dumps(body).encode())
    request.add_header("Content-Type", "application/json")
    urlopen(request, timeout=60).close()


def test_the_worst_alert_stands_first(reader: "Reader") -> None:
    """What fires is counted and listed by severity, with its text, and links only to the web."""
    page = reader.open("/alerts")
    rows = page.get_by_role("article")
    expect(rows.nth(0).get_by_role("heading")).to_have_text("DiskFull")
    expect(rows.nth(0)).to_contain_text("db-1 is in trouble")
    expect(rows.nth(1).get_by_role("heading")).to_have_text("QueueLong")
    expect(page.get_by_role("link", name=re.compile("Firing"))).to_contain_text("2")
    expect(page).to_have_title(re.compile(r"^\(2\) Alerts"))
    expect(page.locator('a[href^="javascript"]')).to_have_count(0)


def test_labels_and_words_narrow_the_list(reader: "Reader") -> None:
    """A click on a label filters, the address holds it, and removing it shows all again."""
    page = reader.open("/alerts")
    rows = page.get_by_role("article")
    rows.filter(has_text="QueueLong").get_by_role("link", name="host=web-1").click()
    expect(rows).to_have_count(1)
    assert "filter=host" in page.url
    page.reload()
    expect(rows).to_have_count(1)
    page.get_by_role("link", name="Remove filter").click()
    expect(rows).to_have_count(2)
    page.get_by_role("searchbox").fill("db-1 trouble")
    expect(rows).to_have_count(1)
    page.get_by_role("searchbox").fill("nothing like it")
    expect(page.get_by_role("link", name="Show all")).to_be_visible()


def test_a_silence_is_made_from_an_alert_and_ended(reader: "Reader") -> None:
    """The form is filled in with the alert and previews it; the alert is marked until the end."""
    page = reader.open("/alerts")
    page.get_by_role("link", name="Silence DiskFull").click()
    matchers = page.get_by_label("Matchers, one a line")
    expect(matchers).to_have_value('alertname="DiskFull"\nhost="db-1"\nseverity="critical"')
    expect(page.get_by_role("region", name="Preview")).to_contain_text("Matches 1 of 2 alerts now")
    matchers.fill('host=~".*-1"')
    expect(page.get_by_role("region", name="Preview")).to_contain_text("Matches 2 of 2 alerts now")
    matchers.fill('host="db-1"')
    page.get_by_label("For", exact=True).fill("30m")
    page.get_by_label("Who are you?").fill("ada")
    page.get_by_label("Why?").fill("the disk is being replaced")
    page.get_by_role("button", name="Save silence").click()
    silence = page.get_by_role("article").filter(has_text="the disk is being replaced")
    expect(silence).to_contain_text('host="db-1"')
    expect(silence).to_contain_text("ada")
    expect(silence).to_contain_text("1 alert matches now")
    expect(silence).to_contain_text(re.compile(r"ends in (29|30) min"))
    page.get_by_role("link", name="Alerts", exact=True).last.click()
    row = page.get_by_role("article").filter(has_text="DiskFull")
    expect(row).to_contain_text("silenced by")
    page.go_back()
    silence.get_by_role("button", name="Expire").click()
    silence.get_by_role("button", name="Expire now?").click()
    expect(page.get_by_role("status")).to_contain_text("The silence has ended")
    expect(silence).to_have_count(0)


def test_an_alert_has_a_page_of_its_own(reader: "Reader") -> None:
    """Its name leads there; the address alone finds it again, and says when it is over."""
    page = reader.open("/alerts")
    page.get_by_role("link", name="DiskFull", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("DiskFull")
    expect(page.get_by_text("db-1 is in trouble")).to_be_visible()
    expect(page.get_by_role("link", name="Silence this")).to_be_visible()
    page.goto(f"{reader.url}/alerts/alert/NoSuchAlert")
    expect(page.get_by_text("Not active now")).to_be_visible()


def test_rules_say_how_they_do(reader: "Reader") -> None:
    """The server's own rules stand there with their health."""
    page = reader.open("/alerts/rules")
    group = page.get_by_role("region", name="Rule group veriscope.meta")
    expect(group.get_by_text("ok", exact=True).first).to_be_visible(timeout=40_000)


def test_without_receivers_the_page_says_what_to_do(reader: "Reader") -> None:
    """Nobody is told, and the page says how that is changed."""
    page = reader.open("/alerts/receivers")
    expect(page.get_by_role("heading", name="Nobody is told")).to_be_visible()


@pytest.mark.parametrize("reader", [{"viewport": {"width": 390, "height": 844}}], indirect=True)
@pytest.mark.parametrize("path", ["", "/rules", "/silences/new", "/receivers"])
def test_nothing_is_wider_than_a_phone(reader: "Reader", path: str) -> None:
    """Each page fits, and so do the places at its foot."""
    page = reader.open(f"/alerts{path}")
    expect(page.get_by_role("heading").first).to_be_attached()
    expect(page.get_by_role("button", name=re.compile("Theme"))).to_be_in_viewport(ratio=1)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
