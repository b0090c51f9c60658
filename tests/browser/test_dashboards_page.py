import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from conftest import Reader

pytestmark = pytest.mark.browser

PATH = "/api/veriscope/v1/dashboards/machine"
BOARD = {
    "title": "Machine",
    "tags": ["host"],
    "panels": [
        {
            "title": "CPU",
            "unit": "ratio",
            "targets": [
                {
                    "expr": "avg by (mode) (rate(node_cpu_seconds_total[$__rate_interval]))",
                    "legend": "mode {{mode}}",
                }
            ],
        },
        {
            "title": "Load",
            "type": "stat",
            "targets": [{"expr": "vector(3)"}],
            "thresholds": [{"value": 0, "color": "good"}, {"value": 2, "color": "critical"}],
        },
        {
            "title": "Memory",
            "type": "gauge",
            "unit": "ratio",
            "targets": [{"expr": "vector(0.25)", "legend": "used"}],
        },
        {
            "title": "Order",
            "type": "bar",
            "targets": [
                {"expr": "vector(1)", "legend": "small"},
                {"expr": "vector(4)", "legend": "large"},
            ],
        },
        {"title": "Table", "type": "table", "targets": [{"expr": "node_load1"}]},
        {"title": "Notes", "type": "text", "text": "<b>plain</b>"},
        {"title": "Broken", "targets": [{"expr": "sum(("}]},
    ],
}


def put(url: str, document: Any) -> None:
    """Keep *document* on the server."""
    request = Request(url + PATH, json.dumps(document).encode(), method="PUT")
    urlopen(request, timeout=60).close()


@pytest.fixture
def board(server_url: str) -> Iterator[str]:
    """Keep a dashboard of every type of panel, and return its address."""
    put(server_url, BOARD)
    yield "/dashboards/machine"
    urlopen(Request(server_url + PATH, method="DELETE"), timeout=60).close()


def test_the_list_leads_to_a_dashboard(reader: "Reader", board: str) -> None:
    """A dashboard stands in the list with its tags; its title opens it."""
    reader.expected_failures.append("400 (Bad Request)")
    page = reader.open("/dashboards")
    row = page.get_by_role("row").filter(has_text="Machine")
    expect(row).to_contain_text("host")
    row.get_by_role("link", name="Machine").click()
    expect(page).to_have_url(reader.url + board)
    expect(page.get_by_role("heading", level=1)).to_have_text("Machine")


def test_every_type_of_panel_shows_its_value(reader: "Reader", board: str) -> None:
    """Charts draw, numbers stand in their units and colours, one wrong query harms no other."""
    reader.expected_failures.append("400 (Bad Request)")
    page = reader.open(f"{board}?range=5m")

    def panel(name: str) -> Any:
        return page.get_by_role("region", name=name, exact=True)

    expect(panel("CPU").locator("canvas")).to_be_visible()
    expect(panel("CPU").locator(".legend-name").filter(has_text="mode idle")).to_be_visible()
    expect(panel("Load").locator(".stat-value")).to_have_text("3")
    expect(panel("Load").locator(".stat")).to_have_attribute("style", "--value:var(--bad)")
    expect(panel("Memory").locator(".meter")).to_contain_text("25%")
    expect(panel("Order").locator(".meter-name")).to_have_text(["large", "small"])
    expect(panel("Table").locator("td").first).to_have_text("node_load1")
    expect(panel("Notes").locator("p").last).to_have_text("<b>plain</b>")
    expect(panel("Broken").get_by_role("alert")).to_contain_text("unclosed left parenthesis")


def test_a_changed_dashboard_shows_itself(reader: "Reader", board: str, server_url: str) -> None:
    """Whoever looks at a dashboard sees a change of it without reloading."""
    page = reader.open(f"{board}?refresh=2s")
    reader.expected_failures.append("400 (Bad Request)")
    expect(page.get_by_role("region", name="Notes", exact=True)).to_be_visible()
    put(server_url, {"title": "Changed", "panels": BOARD["panels"][:2]})
    expect(page.get_by_role("heading", level=1)).to_have_text("Changed")
    expect(page.get_by_role("region", name="Notes", exact=True)).to_have_count(0)


def test_a_panel_opens_on_explore(reader: "Reader", board: str) -> None:
    """The link of a panel asks the same over the same time."""
    reader.expected_failures.append("400 (Bad Request)")
    page = reader.open(f"{board}?range=15m")
    panel = page.get_by_role("region", name="CPU", exact=True)
    expect(panel.locator("canvas")).to_be_visible()
    panel.get_by_role("link", name="Explore: CPU").click()
    expect(page.locator(".cm-content")).to_have_text(
        "avg by (mode) (rate(node_cpu_seconds_total[1m]))"
    )
    assert "range=15m" in page.url


def test_a_missing_dashboard_says_so(reader: "Reader") -> None:
    """An address of nothing names what is not there."""
    reader.expected_failures.append("404 (Not Found)")
    page = reader.open("/dashboards/nothing")
    expect(page.locator(".problem")).to_contain_text('There is no dashboard "nothing".')
