import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from urllib.request import Request, urlopen

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from conftest import Reader

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("alerts")]

LABELS = {"alertname": "DiskFull", "severity": "critical", "host": "db-1"}
OTHER = {"alertname": "QueueLong", "severity": "warning", "host": "web-1"}


def _post(url: str, path: str, document: object) -> None:
    request = Request(url + path, json.dumps(document).encode())
    request.add_header("Content-Type", "application/json")
    urlopen(request, timeout=60).close()


def _alert(labels: dict[str, str], **annotations: str) -> dict[str, Any]:
    return {"labels": labels, "annotations": annotations}


EVIDENCE = {
    "id": "e1",
    "gatheredAt": "2026-11-24T03:00:02Z",
    "startsAt": "2026-11-24T03:00:00Z",
    "groupLabels": {},
    "fingerprints": [],
    "viewUrl": "",
    "graphUrl": "",
    "runbookUrl": "",
    "values": [
        {
            "labels": {"host": "db-1"},
            "now": 12.5,
            "onset": "+Inf",
            "hourBefore": "NaN",
            "dayBefore": None,
            "weekBefore": 3,
        }
    ],
    "changed": [
        {
            "labels": {"__name__": "retries_total", "host": "db-1"},
            "score": 9,
            "before": 2,
            "after": 7,
            "isRate": True,
        }
    ],
    "traces": [
        {
            "traceId": "ab" * 16,
            "service": "store",
            "name": "GET /rows",
            "startMs": 1795489200000,
            "durationMs": 2500,
            "isError": True,
        }
    ],
    "logPatterns": [
        {
            "pattern": "refused after <*> ms",
            "service": "store",
            "count": 31,
            "perMinuteBefore": 0,
            "perMinuteSince": 15.5,
            "example": "refused after <b>7</b> ms",
        }
    ],
    "events": [
        {
            "id": "1",
            "time": "2026-11-24T02:59:00Z",
            "kind": "deploy",
            "title": "store 1.2.3",
            "text": "",
            "url": "javascript:alert(1)",
            "labels": {},
        }
    ],
    "host": [{"instance": "db-1", "name": "memory", "text": "91 %"}],
    "hints": ["fired at this hour on 4 of the last 7 days"],
    "missing": ["spans: too late"],
}


@pytest.fixture
def alerts(server_url: str) -> None:
    """Have two alerts fire, as another server would post them."""
    texts = {"summary": "{} is in trouble", "runbook_url": "javascript:alert(1)"}
    _post(
        server_url,
        "/api/v2/alerts",
        [
            _alert(each, **{name: text.format(each["host"]) for name, text in texts.items()})
            for each in (LABELS, OTHER)
        ],
    )


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
    page.goto(f"{reader.url}/alerts?filter=" + quote('host=~"db-.*"'))
    expect(rows).to_have_count(1)
    page.goto(f"{reader.url}/alerts?filter=" + quote('host=~"("'))
    expect(page.get_by_text("Not applied, as it is no matcher")).to_contain_text('host=~"("')
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
    preview = page.get_by_role("region", name="Preview")
    expect(preview).to_contain_text("Matches 1 of 2 alerts now")
    matchers.fill('host=~".*-1"')
    expect(preview).to_contain_text("Matches 2 of 2 alerts now")
    expect(preview).to_contain_text("That is everything")
    matchers.fill('host="db-1"')
    page.get_by_label("For", exact=True).fill("30m")
    page.get_by_label("Who are you?").fill("ada")
    page.get_by_label("Why?").fill("the disk is being replaced")
    page.get_by_role("button", name="Save silence").click()
    silence = page.get_by_role("article").filter(has_text="the disk is being replaced")
    expect(silence).to_contain_text('host="db-1"')
    expect(silence).to_contain_text("ada")
    expect(silence).to_contain_text("holds back 1 alert now")
    expect(silence).to_contain_text(re.compile(r"ends in (29|30) min"))
    page.get_by_role("link", name="Alerts", exact=True).last.click()
    row = page.get_by_role("article").filter(has_text="DiskFull")
    expect(row).to_contain_text("silenced by")
    page.go_back()
    silence.get_by_role("button", name="Expire").click()
    silence.get_by_role("button", name="Expire now?").click()
    expect(page.get_by_role("status")).to_contain_text("The silence has ended")
    expect(silence).to_have_count(0)


def test_the_server_says_what_a_silence_matches(reader: "Reader") -> None:
    """Its expressions are RE2, anchored; what it cannot read it says in its own words."""
    reader.expected_failures.append("400")
    page = reader.open("/alerts/silences/new")
    matchers = page.get_by_label("Matchers, one a line")
    preview = page.get_by_role("region", name="Preview")
    expect(preview).to_contain_text("Nothing is matched yet")
    matchers.fill('host=~"(?i)DB-\\d", severity!=warning')
    expect(preview).to_contain_text("Matches 1 of 2 alerts now")
    expect(preview.get_by_role("listitem")).to_contain_text("db-1")
    matchers.fill('host=~"db"')
    expect(preview).to_contain_text("Matches 0 of 2 alerts now")
    expect(preview).to_contain_text("what begins to fire later")
    matchers.fill('host=~"db(?=-1)"')
    expect(preview).to_contain_text("is not a regular expression")
    matchers.fill("host")
    expect(preview).to_contain_text("Not a matcher: host")


def test_a_silence_is_edited_and_made_again(reader: "Reader") -> None:
    """Its end is changed in place; once it has ended the form makes a new one of it."""
    end = "2100-01-01T00:00:00Z"
    matcher = {"name": "host", "value": "edit-me", "isRegex": False, "isEqual": True}
    said = {"comment": "to be edited", "createdBy": "ada", "matchers": [matcher]}
    _post(
        reader.url,
        "/api/v2/silences",
        {**said, "startsAt": "2026-01-01T00:00:00Z", "endsAt": end},
    )
    page = reader.open("/alerts/silences")
    silence = page.get_by_role("article").filter(has_text="to be edited")
    silence.get_by_role("link", name="Edit").click()
    address = page.url
    expect(page.get_by_label("Matchers, one a line")).to_have_value('host="edit-me"')
    expect(page.get_by_label("Who are you?")).to_have_value("ada")
    page.get_by_label("Until").fill("2099-01-01T00:00")
    page.get_by_label("Why?").fill("was edited")
    page.get_by_role("button", name="Save silence").click()
    changed = page.get_by_role("article").filter(has_text="was edited")
    changed.get_by_role("link", name="Edit").click()
    expect(page.get_by_label("Until")).to_have_value("2099-01-01T00:00")
    assert page.url == address, "an active silence with the same matchers keeps its id"
    page.go_back()
    changed.get_by_role("button", name="Expire").click()
    changed.get_by_role("button", name="Expire now?").click()
    page.get_by_role("link", name="expired").click()
    changed.get_by_role("link", name="Silence again").click()
    expect(page.get_by_label("For", exact=True)).to_have_value("2h")
    page.get_by_role("button", name="Save silence").click()
    expect(changed).to_contain_text(re.compile(r"ends in (1 h 59 min|2 h)"))
    changed.get_by_role("button", name="Expire").click()
    changed.get_by_role("button", name="Expire now?").click()
    expect(changed).to_have_count(0)


def test_an_end_before_the_start_is_not_saved(reader: "Reader") -> None:
    """The field says so, and a duration that is none as well."""
    page = reader.open("/alerts/silences/new?filter=host%3Dx")
    page.get_by_label("Who are you?").fill("ada")
    page.get_by_label("Why?").fill("never saved")
    page.get_by_label("Until").fill("2001-01-01T00:00")
    page.get_by_role("button", name="Save silence").click()
    fault = page.get_by_label("Until").evaluate("field => field.validationMessage")
    assert fault == "The end must come after the start."
    page.get_by_label("For", exact=True).fill("soon")
    page.get_by_role("button", name="Save silence").click()
    fault = page.get_by_label("For", exact=True).evaluate("field => field.validationMessage")
    assert fault == "Write a duration such as 2h or 30m."


def test_an_alert_has_a_page_of_its_own(reader: "Reader") -> None:
    """Its name leads there; the address alone finds it again, and says when it is over."""
    page = reader.open("/alerts")
    page.get_by_role("link", name="DiskFull", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("DiskFull")
    expect(page.get_by_text("db-1 is in trouble")).to_be_visible()
    expect(page.get_by_role("link", name="Silence this")).to_be_visible()
    page.goto(f"{reader.url}/alerts/alert/NoSuchAlert")
    expect(page.get_by_text("Not active now")).to_be_visible()


def test_evidence_is_shown_whole(reader: "Reader") -> None:
    """Each part stands there with what is odd in it, as text, and says what is missing."""
    path = "**/api/veriscope/v1/evidence*"
    answer = {"status": "success", "data": [EVIDENCE]}
    reader.context.route(path, lambda route: route.fulfill(json=answer))
    page = reader.open("/alerts/alert/DiskFull")
    cells = page.get_by_role("region", name="Its values").get_by_role("cell")
    dash = "\N{EN DASH}"
    expect(cells).to_have_text(["host=db-1", "12.5", "+Inf", dash, dash, "3"])
    changed = page.get_by_role("region", name="What else changed")
    expect(changed).to_contain_text("\N{MULTIPLICATION SIGN}3.5")
    series = changed.get_by_role("link", name="retries_total")
    query = quote('rate(retries_total{host="db-1"}[5m])', safe="")
    expect(series).to_have_attribute("href", re.compile(re.escape(f"/explore?q={query}&from=")))
    logs = page.get_by_role("region", name="Log records")
    expect(logs).to_contain_text("refused after <b>7</b> ms")
    expect(page.get_by_role("region", name="Traces")).to_contain_text("2.5 s")
    expect(page.get_by_role("region", name="What happened")).to_contain_text("store 1.2.3")
    expect(page.get_by_role("region", name="The host")).to_contain_text("91 %")
    expect(page.get_by_text("fired at this hour on 4 of the last 7 days")).to_be_visible()
    expect(page.get_by_role("region", name="Not there")).to_contain_text("spans: too late")
    expect(page.locator('a[href^="javascript"]')).to_have_count(0)


def test_ten_thousand_alerts_are_read_in_pieces(reader: "Reader") -> None:
    """The list begins with what they are called, shows a hundred, and more when asked."""
    posted = [_alert({"alertname": "HostDown", "nr": str(nr)}) for nr in range(10_000)]
    _post(reader.url, "/api/v2/alerts", posted)
    page = reader.open("/alerts")
    rows = page.get_by_role("article")
    expect(page.get_by_role("link", name="Firing")).to_contain_text("10,002")
    expect(rows).to_have_count(100)
    expect(page.get_by_role("status")).to_have_text("100 of 10,002 shown")
    page.get_by_role("list", name="By name").get_by_role("link", name="HostDown 10000").click()
    expect(page.get_by_role("status")).to_have_text("100 of 10,000 shown")
    page.get_by_role("button", name="Show 100 more").click()
    expect(rows).to_have_count(200)
    page.get_by_role("searchbox").fill("7654")
    expect(rows).to_have_count(1)
    over = {"startsAt": "2026-01-01T00:00:00Z", "endsAt": "2026-01-01T00:00:01Z"}
    _post(reader.url, "/api/v2/alerts", [{**each, **over} for each in posted])
    expect(rows).to_have_count(0, timeout=20_000)


def test_the_keyboard_narrows_the_list(reader: "Reader") -> None:
    """Who presses Enter on a label stays there: the list is narrowed in its place."""
    page = reader.open("/alerts")
    label = page.get_by_role("article").get_by_role("link", name="host=db-1")
    label.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("article")).to_have_count(1)
    expect(label).to_be_focused()
    page.keyboard.press("Shift+Tab")
    expect(page.get_by_role("link", name="DiskFull", exact=True)).to_be_focused()


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
