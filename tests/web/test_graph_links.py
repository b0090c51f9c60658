"""Prometheus' links to graphs."""

from urllib.parse import parse_qs

import pytest

from veriscope.web.graph_links import explore_query


def test_the_expression_of_an_alert_is_shown() -> None:
    """The link that a rule puts into its alerts opens its expression in the table."""
    query = parse_qs(explore_query({"g0.expr": 'up{job="a b"} == 0', "g0.tab": "1"}))
    assert query == {"q": ['up{job="a b"} == 0'], "tab": ["table"]}


def test_range_and_end_are_kept() -> None:
    """A link to a moment shows that moment."""
    given = {"g0.expr": "up", "g0.range_input": "30m", "g0.end_input": "2026-01-02 03:04:05"}
    query = parse_qs(explore_query(given))
    assert query["from"] == ["2026-01-02T02:34:05.000Z"]
    assert query["to"] == ["2026-01-02T03:04:05.000Z"]
    assert parse_qs(explore_query({"g0.expr": "up", "g0.range_input": "2h"}))["range"] == ["2h"]


def test_several_panels_become_several_queries() -> None:
    """In their order, up to the first number that is not there."""
    query = parse_qs(explore_query({"g1.expr": "b", "g0.expr": "a", "g3.expr": "d"}))
    assert query == {"q": ["a", "b"]}


@pytest.mark.parametrize("text", ["long", "-1h", "'", "99999y"])
def test_what_cannot_be_read_is_left_to_the_page(text: str) -> None:
    """A strange link still shows the expression."""
    end = {"g0.end_input": "2026-01-02 03:04:05"}
    assert explore_query({"g0.expr": "a", "g0.range_input": text, **end}) == "q=a"
    assert explore_query({"g0.expr": "a", "g0.end_input": text}) == "q=a"
