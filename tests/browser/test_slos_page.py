"""The page of objectives, on what a server's own rules record."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from conftest import Reader

pytestmark = pytest.mark.browser

# One answer in fifty is bad, where one in a hundred may be: the budget is spent twice as fast as it
# lasts, over each window alike, so the ticket fires and the page does not.
SLOS = """
version: prometheus/v1
service: chat
slos:
  - name: answers
    objective: 99
    sli:
      events:
        error_query: 2 + 0 * count_over_time(vector(1)[{{.window}}:1m])
        total_query: 100 + 0 * count_over_time(vector(1)[{{.window}}:1m])
    alerting:
      name: AnswersBad
      page_alert: {labels: {severity: critical}}
      ticket_alert: {labels: {severity: warning}}
"""
CONFIG = """
global: {evaluation_interval: 1s}
rules: {meta: false}
slo_files: [slos.yml]
"""


@pytest.fixture
def promised(start_server: Callable[..., str], reader: "Reader", tmp_path: Path) -> "Reader":
    """Point the reader to a server with an objective whose budget is overspent."""
    (tmp_path / "slos.yml").write_text(SLOS)
    (tmp_path / "veriscope.yml").write_text(CONFIG)
    reader.url = start_server(tmp_path, "--config", str(tmp_path / "veriscope.yml"))
    return reader


def test_an_objective_shows_its_budget_and_its_alerts(promised: "Reader") -> None:
    """The list has what is left and how fast it goes; its page each window and the curve."""
    page = promised.open("/slos")
    card = page.get_by_role("region", name="chat answers")
    expect(card).to_contain_text("99 % over 30 days", timeout=30_000)
    expect(card).to_contain_text("\N{MINUS SIGN}100% of the error budget is left", timeout=30_000)
    twice = "\N{MULTIPLICATION SIGN}2"
    expect(card).to_contain_text(f"burn rate {twice} over 5m, {twice} over 1h, {twice} over 6h")
    expect(card.get_by_role("link", name="AnswersBad")).to_be_visible(timeout=30_000)
    card.get_by_role("link", name="chat · answers").click()
    assert page.url.endswith("/slos/chat-answers")
    expect(page.get_by_role("heading", level=1)).to_have_text("chat · answers")
    expect(page.get_by_text("budget spent", exact=True)).to_be_visible()
    expect(page.get_by_role("region", name="Error budget").get_by_role("img")).to_be_visible()
    rates = page.get_by_role("region", name="Burn rates").get_by_role("columnheader")
    expect(rates).to_have_text(["5m", "30m", "1h", "2h", "6h", "1d", "3d", "30d"])
    page.get_by_role("region", name="Alerts").get_by_role("link", name="AnswersBad").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("AnswersBad")


def test_without_objectives_the_page_says_how_to_write_one(reader: "Reader") -> None:
    """A server without any, and an address of none that exists."""
    page = reader.open("/slos")
    expect(page.get_by_role("heading", name="No objectives yet")).to_be_visible()
    page.goto(f"{reader.url}/slos/gone")
    expect(page.get_by_role("heading", name="No such objective")).to_be_visible()


@pytest.mark.parametrize("reader", [{"viewport": {"width": 390, "height": 844}}], indirect=True)
def test_an_objective_fits_a_phone(promised: "Reader") -> None:
    """Neither the list nor the page of one is wider."""
    page = promised.open("/slos")
    page.get_by_role("link", name=re.compile("chat")).click(timeout=30_000)
    expect(page.get_by_role("region", name="Burn rates")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
