import itertools
import json
import platform
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from urllib.request import urlopen

import pytest
from playwright.sync_api import Locator, Page, Route, expect

if TYPE_CHECKING:
    from conftest import Reader

pytestmark = pytest.mark.browser

NOTHING = "\N{EN DASH}"
HIDE = """hidden => {
    Object.defineProperty(document, "hidden", {get: () => hidden, configurable: true});
    document.dispatchEvent(new Event("visibilitychange"));
}"""
CLOCK_AND_CURVE = """[
    document.querySelector(".live").textContent,
    document.querySelector(".sparkline-line").getAttribute("d"),
]"""

LOOKS = [
    {"color_scheme": theme, "viewport": {"width": width, "height": 860}}
    for theme, width in itertools.product(("light", "dark"), (1280, 390))
]


def look_id(look: dict[str, Any]) -> str:
    """Name a look in the test's id."""
    return f"{look['color_scheme']}-{look['viewport']['width']}"


def ask(url: str, expr: str) -> list[dict[str, Any]]:
    """Return the vector that the API answers."""
    with urlopen(f"{url}/api/v1/query?query={quote(expr)}", timeout=10) as answer:
        result: list[dict[str, Any]] = json.load(answer)["data"]["result"]
        return result


def live_overview(reader: "Reader", path: str = "/") -> Page:
    """Open the overview and wait until it is live."""
    page = reader.open(path)
    expect(page.locator(".live")).to_have_attribute("data-state", "live")
    return page


def tile(page: Page, title: str) -> str:
    """Return the number on a tile once it has one."""
    value = page.locator(f'.tile[aria-label="{title}"] .tile-value')
    expect(value).not_to_have_text(NOTHING)
    return value.inner_text()


def card(page: Page, title: str) -> Locator:
    """Scroll to a card, which asks for nothing before it is seen."""
    found = page.locator(f'.section .card[aria-label="{title}"]')
    found.scroll_into_view_if_needed()
    return found


def test_the_page_names_this_host(reader: "Reader") -> None:
    """The title of page and tab is the name of the machine, and its kernel stands below."""
    page = live_overview(reader)
    expect(page.locator("h1")).to_have_text(platform.node())
    expect(page).to_have_title(f"{platform.node()} · Veriscope")
    expect(page.locator(".subtitle")).to_contain_text(platform.release())


def test_cpu_is_a_percentage(reader: "Reader") -> None:
    """The CPU tile, and the bar of each core, show a number between 0 and 100."""
    page = live_overview(reader)
    cores = card(page, "Per core").locator(".meter .number")
    expect(cores.first).to_be_visible()
    for text in [tile(page, "CPU"), *cores.all_inner_texts()]:
        assert text.endswith("%")
        assert 0 <= float(text.removesuffix("%")) <= 100


def test_memory_is_what_the_kernel_says(reader: "Reader") -> None:
    """The memory tile's total is MemTotal of /proc/meminfo to three digits."""
    page = live_overview(reader)
    tile(page, "Memory")
    note = page.locator('.tile[aria-label="Memory"] .tile-note').inner_text()
    shown = re.fullmatch(r"([\d.]+) (\w+) of ([\d.]+) GiB", note)
    assert shown is not None, note
    with open("/proc/meminfo", encoding="ascii") as meminfo:  # noqa: PTH123
        total_kib = int(meminfo.readline().split()[1])
    assert float(shown[3]) == pytest.approx(total_kib / 2**20, rel=0.005)


def test_charts_are_drawn_with_legends(reader: "Reader") -> None:
    """Each chart that is shown has a canvas with ink on it, and names its lines."""
    page = live_overview(reader)
    chart = card(page, "CPU by mode")
    expect(chart.locator("canvas")).to_be_visible()
    expect(chart.locator(".legend-name").first).to_have_text("user")
    for title in ("Memory", "Load", "Network received", "Network sent"):
        expect(card(page, title).locator("canvas")).to_be_visible()
        expect(card(page, title).locator(".legend-name").first).not_to_be_empty()
    ink = chart.locator("canvas").evaluate(
        "c => c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some(v => v > 0)"
    )
    assert ink


def test_numbers_follow_the_machine(reader: "Reader") -> None:
    """The clock of the last refresh and the past of the CPU go on within five seconds."""
    page = live_overview(reader)
    before = page.evaluate(CLOCK_AND_CURVE)
    page.wait_for_function(
        f"before => {CLOCK_AND_CURVE}.every((now, index) => now !== before[index])",
        arg=before,
        timeout=5000,
    )


def test_top_processes_are_listed(reader: "Reader") -> None:
    """The table names processes with their numbers, the busiest first."""
    page = live_overview(reader)
    rows = card(page, "Top processes").locator("tbody tr")
    expect(rows.first.locator("td")).to_have_count(4, timeout=15_000)
    name, pid, cpu, memory = rows.first.locator("td").all_inner_texts()
    assert name
    assert int(pid) > 0
    assert cpu.endswith("%") or cpu == NOTHING
    assert memory.endswith("B") or memory == NOTHING


def test_the_store_reports_its_health(reader: "Reader") -> None:
    """Rows, size and query latency of the store are numbers, of the order the API gives."""
    page = live_overview(reader)
    figures = card(page, "Store").locator(".figures > div")
    expect(figures.filter(has_text="On disk").locator("dd")).to_contain_text("iB", timeout=30_000)
    expect(figures.filter(has_text="Query p99").locator("dd")).to_contain_text("s", timeout=30_000)
    shown = figures.filter(has_text="Rows").locator("dd").inner_text()
    rows = float(ask(reader.url, 'sum(veriscope_store_rows{job="veriscope"})')[0]["value"][1])
    scale = {"k": 1e3, "M": 1e6}.get(shown[-1], 1)
    assert float(shown.rstrip("kM")) * scale == pytest.approx(rows, rel=0.5)


def test_the_window_is_part_of_the_address(reader: "Reader") -> None:
    """Choosing an hour shows it, survives a reload, and is undone by going back."""
    page = live_overview(reader)
    hour = page.get_by_role("button", name="1h", exact=True)
    hour.click()
    expect(page).to_have_url(re.compile(r"\?range=1h$"))
    expect(hour).to_have_attribute("aria-pressed", "true")
    page.reload()
    expect(hour).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".live")).to_have_attribute("data-state", "live")
    page.go_back()
    expect(page.get_by_role("button", name="5m", exact=True)).to_have_attribute(
        "aria-pressed", "true"
    )


@pytest.mark.parametrize("reader", LOOKS, indirect=True, ids=look_id)
@pytest.mark.parametrize("path", ["/", "/explore?q=node_load1"])
def test_nothing_sticks_out(reader: "Reader", path: str) -> None:
    """In both themes, on a desk and on a phone, nothing makes the page scroll sideways."""
    page = live_overview(reader) if path == "/" else reader.open(path)
    expect(page.locator("canvas").first).to_be_visible()
    wide, room = page.evaluate(
        "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    assert wide <= room


@pytest.mark.parametrize("reader", [{"color_scheme": "dark"}], indirect=True)
def test_the_theme_follows_the_system_until_one_is_chosen(reader: "Reader") -> None:
    """A dark system gives a dark page; a chosen theme is remembered."""
    page = live_overview(reader)
    root, toggle = page.locator("html"), page.locator(".theme-toggle")
    expect(root).to_have_attribute("data-theme", "dark")
    page.emulate_media(color_scheme="light")
    expect(root).to_have_attribute("data-theme", "light")
    toggle.click()
    toggle.click()
    expect(toggle).to_have_accessible_name("Theme: Dark")
    expect(root).to_have_attribute("data-theme", "dark")
    page.reload()
    expect(root).to_have_attribute("data-theme", "dark")


def test_a_server_that_is_gone_is_named_and_found_again(reader: "Reader") -> None:
    """While the server is away the page says so and keeps its numbers, then goes on by itself."""
    reader.expected_failures.append("Failed to load resource")
    page = live_overview(reader)
    before = tile(page, "CPU")
    reader.context.set_offline(True)
    expect(page.get_by_role("alert")).to_contain_text("does not answer")
    assert tile(page, "CPU").endswith("%"), before
    reader.context.set_offline(False)
    expect(page.get_by_role("alert")).to_be_hidden()
    expect(page.locator(".live")).to_have_attribute("data-state", "live")


def test_a_slow_first_answer_is_waited_for_in_words(reader: "Reader") -> None:
    """The first answer after an installation takes seconds; an empty page would look broken."""
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    reader.context.route("**/api/v1/query*", hold, times=1)
    page = reader.open()
    expect(page.get_by_role("heading", name="Loading…")).to_be_visible()
    held[0].continue_()
    expect(page.locator(".live")).to_have_attribute("data-state", "live")
    expect(page.get_by_role("heading", name="Loading…")).to_be_hidden()


def test_a_hidden_tab_asks_for_nothing(reader: "Reader") -> None:
    """Live refresh pauses while the tab is hidden, and goes on when it is seen again."""
    page = live_overview(reader)
    page.evaluate(HIDE, True)
    expect(page.locator(".live")).to_have_text("Paused")
    page.wait_for_load_state("networkidle")
    asked = len(reader.requests)
    page.wait_for_timeout(3000)  # longer than one refresh: silence is what is promised
    assert len(reader.requests) == asked
    page.evaluate(HIDE, False)
    expect(page.locator(".live")).to_have_attribute("data-state", "live")


def test_the_keyboard_reaches_everything(reader: "Reader") -> None:
    """Tab leads from the skip link over the places to the time windows."""
    page = live_overview(reader)
    reached = []
    for _ in range(12):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.textContent.trim()"))
    assert reached[0] == "Skip to content"
    assert {"Overview", "Explore", "5m", "6h"} <= set(reached)


def test_a_chart_leads_to_its_queries(reader: "Reader") -> None:
    """The link of a chart opens Explore with the chart's own queries over the same time."""
    page = live_overview(reader)
    load = card(page, "Load")
    expect(load.locator("canvas")).to_be_visible()
    load.hover()
    load.get_by_role("link").click()
    expect(page.locator(".cm-content")).to_contain_text(f'instance="{platform.node()}"')
    expect(page.locator(".span-select")).to_have_value("300")
    expect(page.locator(".legend-item")).to_have_count(3)
