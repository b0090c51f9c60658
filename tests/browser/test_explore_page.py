import json
import re
from typing import TYPE_CHECKING
from urllib.error import HTTPError
from urllib.parse import parse_qs, quote, urlsplit
from urllib.request import urlopen

import pytest
from playwright.sync_api import Page, Route, expect

if TYPE_CHECKING:
    from conftest import Reader

pytestmark = pytest.mark.browser

CPU = "sum by (mode) (rate(node_cpu_seconds_total[15s]))"


def write(page: Page, text: str, row: int = 0) -> None:
    """Put *text* in place of what the editor holds."""
    editor = page.locator(".cm-content").nth(row)
    editor.click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(text)


def status(page: Page, row: int = 0) -> str:
    """Return how the query went once it was answered."""
    box = page.locator(".row-status").nth(row)
    expect(box).to_contain_text("series")
    return box.inner_text()


def test_a_query_becomes_a_graph(reader: "Reader") -> None:
    """Enter draws the typed expression, lists its series, and says how many and how long."""
    page = reader.open("/explore")
    expect(page.locator(".result-hint")).to_be_visible()
    write(page, CPU)
    page.keyboard.press("Enter")
    expect(page.locator(".graph canvas")).to_be_visible()
    expect(page.locator(".legend-name").filter(has_text='mode="idle"')).to_be_visible()
    said = re.fullmatch(r"(\d+) series · [\d.]+ (ms|s)", status(page))
    assert said is not None
    assert int(said[1]) == page.locator(".legend-item").count()
    assert CPU[:20] in page.title()


def test_the_editor_completes_metric_names(reader: "Reader") -> None:
    """Typing the start of a name offers the metrics of this server, and Enter takes one."""
    page = reader.open("/explore")
    page.locator(".cm-content").click()
    page.keyboard.type("node_memory_MemTot", delay=30)
    expect(page.locator(".cm-tooltip-autocomplete li").first).to_contain_text("MemTotal_bytes")
    page.wait_for_timeout(150)  # the editor ignores Enter just after the list has opened
    page.keyboard.press("Enter")
    expect(page.locator(".cm-content")).to_have_text("node_memory_MemTotal_bytes")


def test_late_completions_do_not_open(reader: "Reader") -> None:
    """What was looked up before the reader went elsewhere covers nothing there."""
    page = reader.open("/explore")
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/api/v1/metadata*", hold)
    page.locator(".cm-content").click()
    with page.expect_request("**/api/v1/metadata*"):
        page.keyboard.type("node_lo", delay=30)
    page.get_by_role("heading", name="Explore").click()
    with page.expect_response("**/api/v1/metadata*"):
        for route in held:
            route.continue_()
    page.wait_for_timeout(300)
    expect(page.locator(".cm-tooltip-autocomplete")).to_have_count(0)


def test_a_mistake_shows_what_the_server_says(reader: "Reader") -> None:
    """The message under a wrong expression is the API's own, word for word."""
    reader.expected_failures.append("status of 400")
    wrong = "sum(rate(node_load1[5m])"
    with pytest.raises(HTTPError) as refused:
        urlopen(f"{reader.url}/api/v1/query?query={quote(wrong)}", timeout=10)
    message = json.load(refused.value)["error"]
    page = reader.open(f"/explore?q={quote(wrong)}")
    expect(page.locator(".message-error")).to_have_text(message)
    expect(page.locator(".graph-note")).to_have_text("")
    write(page, "node_load1")
    page.keyboard.press("Enter")
    expect(page.locator(".message-error")).to_have_count(0)


def test_the_table_shows_every_digit(reader: "Reader") -> None:
    """The table's value is the API's, and its columns are the labels."""
    with urlopen(
        f"{reader.url}/api/v1/query?query=node_memory_MemTotal_bytes", timeout=10
    ) as answer:
        sample = json.load(answer)["data"]["result"][0]
    page = reader.open("/explore?q=node_memory_MemTotal_bytes")
    page.get_by_role("tab", name="Table").click()
    cells = page.locator(".results tbody td")
    expect(cells.last).to_have_text(str(int(float(sample["value"][1]))))
    heads = page.locator(".results th").all_inner_texts()
    assert heads == ["metric", *sorted(set(sample["metric"]) - {"__name__"}), "value"]


def test_an_address_shows_the_same_to_everyone(reader: "Reader") -> None:
    """Whatever was chosen is in the address, which opens to the same page elsewhere."""
    page = reader.open("/explore")
    write(page, "node_load1")
    page.get_by_role("heading", name="Explore").click()  # closes the list of completions
    expect(page.locator(".cm-tooltip-autocomplete")).to_have_count(0)
    page.get_by_role("button", name="Add query").click()
    write(page, "node_load5", row=1)
    page.keyboard.press("Enter")
    page.get_by_label("Time range").select_option("900")
    page.get_by_label("Resolution").fill("30s")
    page.get_by_label("Resolution").press("Enter")
    page.get_by_label("Refresh").select_option("5")
    page.get_by_role("tab", name="Table").click()
    expect(page).to_have_url(re.compile("tab=table"))
    query = parse_qs(urlsplit(page.url).query)
    assert query == {
        "q": ["node_load1", "node_load5"],
        "range": ["15m"],
        "step": ["30s"],
        "refresh": ["5s"],
        "tab": ["table"],
    }
    other = reader.open(page.url.removeprefix(reader.url))
    expect(other.locator(".cm-content")).to_have_text(["node_load1", "node_load5"])
    expect(other.get_by_label("Time range")).to_have_value("900")
    expect(other.get_by_label("Resolution")).to_have_value("30s")
    expect(other.get_by_label("Refresh")).to_have_value("5")
    expect(other.locator(".results table")).to_have_count(2)


def test_back_and_forward_walk_through_questions(reader: "Reader") -> None:
    """The browser's back button brings the earlier question back, and forward the later."""
    page = reader.open("/explore?q=node_load1")
    status(page)
    write(page, "node_load5")
    page.keyboard.press("Enter")
    expect(page.locator(".legend-name")).to_contain_text("node_load5")
    page.go_back()
    expect(page.locator(".cm-content")).to_have_text("node_load1")
    expect(page.locator(".legend-name")).to_contain_text("node_load1")
    page.go_forward()
    expect(page.locator(".cm-content")).to_have_text("node_load5")


def test_dragging_over_the_graph_zooms_in(reader: "Reader") -> None:
    """A drag fixes the range to what was marked; going back undoes it."""
    page = reader.open("/explore?q=node_load1&range=5m")
    status(page)
    box = page.locator(".graph .u-over").bounding_box()
    assert box is not None
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * 0.5, y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.9, y, steps=5)
    page.mouse.up()
    expect(page).to_have_url(re.compile("from=.*&to="))
    expect(page.get_by_label("From")).to_be_visible()
    page.go_back()
    expect(page.get_by_label("Time range")).to_have_value("300")


def test_the_legend_hides_and_singles_out(reader: "Reader") -> None:
    """A click hides a series; with Shift all others are hidden."""
    page = reader.open(f"/explore?q={quote(CPU)}&range=5m")
    status(page)
    items = page.locator(".legend-item")
    shown = page.locator('.legend-item[aria-pressed="true"]')
    count = items.count()
    items.first.click()
    expect(shown).to_have_count(count - 1)
    items.nth(1).click(modifiers=["Shift"])
    expect(shown).to_have_count(1)


@pytest.mark.parametrize(
    "reader", [{"viewport": {"width": 390, "height": 860}}], indirect=True, ids=["phone"]
)
def test_the_legend_shows_whole_names(reader: "Reader") -> None:
    """Series of one metric often differ in their last label only, also on a phone."""
    page = reader.open("/explore?q=veriscope_http_request_duration_seconds_bucket&range=5m")
    status(page)
    name = page.locator(".legend-name").first
    expect(name).to_contain_text('le="')
    assert name.evaluate("name => name.scrollWidth <= name.clientWidth")


def test_hovering_reads_the_values(reader: "Reader") -> None:
    """The tooltip shows the time and the values under the cursor."""
    page = reader.open("/explore?q=vector(42)&range=5m")
    status(page)
    page.locator(".graph .u-over").hover()
    expect(page.locator(".tooltip .number")).to_have_text("42")
    expect(page.locator(".tooltip-time")).to_contain_text(re.compile(r"\d\d:\d\d:\d\d"))


def test_a_crowd_of_series_is_cut_and_counted(reader: "Reader") -> None:
    """Past a hundred series the graph draws a hundred and says how many there are."""
    crowd = quote('{__name__=~"node_.*"}')
    page = reader.open(f"/explore?q={crowd}&range=5m&step=30s")
    total = int(status(page).split()[0])
    assert total > 100
    expect(page.locator(".graph-note")).to_have_text(f"Showing 100 of {total} series.")
    expect(page.locator(".legend-item")).to_have_count(100)


def test_rows_come_and_go(reader: "Reader") -> None:
    """A query can be added and removed; the others stay."""
    page = reader.open("/explore?q=node_load1&q=node_load5&q=node_load15")
    expect(page.locator(".legend-item")).to_have_count(3)
    page.get_by_role("button", name="Remove query B").click()
    expect(page.locator(".cm-content")).to_have_text(["node_load1", "node_load15"])
    expect(page.locator(".legend-item")).to_have_count(2)


def test_refresh_moves_the_graph_on(reader: "Reader") -> None:
    """With a refresh interval the answer is asked for again by itself."""
    page = reader.open("/explore?q=node_load1&refresh=2s&tab=table")
    status(page)
    with page.expect_request(lambda request: "/api/v1/query" in request.url, timeout=5000):
        pass
