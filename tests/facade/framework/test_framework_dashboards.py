from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from veriscope import ObservabilityFramework
from veriscope.facade.framework.dashboards import to_document
from veriscope.web.dashboards import Draft


def panels(*widgets: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the panels that *widgets* become, after the server has judged them."""
    dashboard = ObservabilityFramework("shop").create_dashboard("d", widgets)
    document = to_document(dashboard, "shop")
    msgspec.convert(document, Draft)
    return list(document["panels"])


def test_a_dashboard_has_the_documents_keys() -> None:
    """What `create_dashboard` returns is what the document's code reads."""
    framework = ObservabilityFramework("shop")
    widgets = [{"type": "gauge", "metric": "cpu"}]
    dashboard = framework.create_dashboard("Load", widgets)
    assert set(dashboard) == {
        "dashboard_id",
        "dashboard_name",
        "widgets",
        "created_at",
        "updated_at",
    }
    assert framework.dashboards == {dashboard["dashboard_id"]: dashboard}
    assert dashboard["widgets"] == widgets


def test_metrics_become_queries_of_this_service() -> None:
    """A widget's metric is asked for under the name and labels that it is sent with."""
    (panel,) = panels(
        {"type": "line_chart", "title": "CPU", "metric": "cpu usage", "tags": {"zone": 'a"b'}}
    )
    assert panel["type"] == "timeseries"
    assert panel["targets"][0]["expr"] == 'cpu_usage{service="shop",zone="a\\"b"}'


@pytest.mark.parametrize(
    ("widget", "kind", "expressions"),
    [
        ({"type": "graph", "query": "rate(a[5m])"}, "timeseries", ["rate(a[5m])"]),
        ({"type": "number", "expr": "sum(a)"}, "stat", ["sum(a)"]),
        ({"type": "bar-chart", "queries": ["a", "b"]}, "bar", ["a", "b"]),
        ({"type": "gauge", "metrics": ["1st"]}, "gauge", ['_1st{service="shop"}']),
        ({"type": "hologram", "expr": "a"}, "timeseries", ["a"]),
        ({"type": "hologram"}, "text", []),
        ({"type": "markdown", "content": "hi"}, "text", []),
        ({}, "timeseries", []),
    ],
)
def test_kinds_and_queries_are_mapped(
    widget: dict[str, Any], kind: str, expressions: list[str]
) -> None:
    """Whatever a widget is called, it is shown as the nearest thing there is."""
    (panel,) = panels(widget)
    assert (panel["type"], [target["expr"] for target in panel["targets"]]) == (kind, expressions)


def test_looks_are_kept_where_the_server_knows_them() -> None:
    """Units, limits, thresholds and places come through, and two panels fit in a row."""
    first, second, third = panels(
        {"metric": "a", "unit": "%", "min": 0, "max": 100, "thresholds": {"red": 90, "yellow": 70}},
        {"metric": "b", "unit": "parsec", "thresholds": [{"value": 1, "color": "green"}, "odd"]},
        {"metric": "c", "position": {"x": 6, "y": 2, "w": 40, "h": 3}},
    )
    assert (first["unit"], first["min"], first["max"]) == ("percent", 0, 100)
    assert first["thresholds"] == [
        {"value": 90, "color": "critical"},
        {"value": 70, "color": "warning"},
    ]
    assert (second["unit"], second["thresholds"]) == ("", [{"value": 1, "color": "good"}])
    assert (first["gridPos"]["x"], second["gridPos"]["x"]) == (0, 12)
    assert third["gridPos"] == {"x": 6, "y": 2, "w": 24, "h": 3}


ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)
KEYS = ["type", "title", "metric", "metrics", "expr", "query", "queries", "tags", "unit", "min"]
KEYS += ["max", "thresholds", "gridPos", "position", "text", "content", "legend", "name"]


@given(st.lists(st.dictionaries(st.sampled_from(KEYS), ANYTHING, max_size=6), max_size=4))
def test_the_server_takes_whatever_widgets_there_are(widgets: list[dict[str, Any]]) -> None:
    """No widget, however odd, keeps a dashboard from being shown."""
    panels(*widgets)
