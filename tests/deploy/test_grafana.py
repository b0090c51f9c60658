"""The Grafana dashboards: built from code, and asking for what exists."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from deploy.grafana import DASHBOARDS
from deploy.grafana.board import to_json
from veriscope.query.promql import parse

FOLDER = Path(__file__).parents[2] / "deploy" / "grafana" / "dashboards"
DOCUMENTED = {
    name
    for page in (Path(__file__).parents[2] / "docs").glob("*.md")
    for name in re.findall(r"`(\w+)", page.read_text())
}
PANELS = [
    pytest.param(panel, id=f"{file.stem}: {panel['title']}")
    for file in sorted(FOLDER.glob("*.json"))
    for panel in json.loads(file.read_text())["panels"]
]
# The guide's panels, in words that our titles hold.
GUIDE = {
    "genrf-system-health": [
        "Circuit generation rate", "Success rate", "Average generation time", "SPICE success rate",
        "CPU and GPU utilization", "Memory usage",
    ],
    "genrf-performance": [
        "Generation time", "Model inference latency", "SPICE convergence rate",
        "Optimization steps", "Queue depth", "Processing time",
    ],
    "genrf-business": [
        "Active users and sessions", "Popular circuit types", "Popular frequencies",
        "Export formats", "User satisfaction", "Feature adoption",
    ],
    "genrf-errors": [
        "Errors by component", "Top error messages", "technology", "frequency", "Recovery",
        "Alerts that fire",
    ],
}  # fmt: skip


def expressions(panel: Any) -> list[str]:
    """Return the queries of *panel* with Grafana's variables filled in."""
    found = []
    for target in panel["targets"]:
        expr = target["expr"].replace("$__rate_interval", "1m").replace("$__range", "1h")
        found.append(re.sub(r"\$(instance|model|job)\b", ".*", expr))
    return found


@pytest.mark.parametrize("uid", DASHBOARDS)
def test_the_file_is_what_the_code_builds(uid: str) -> None:
    """Nobody edited the JSON; `python -m deploy.grafana` writes it anew."""
    assert (FOLDER / f"{uid}.json").read_text() == to_json(uid, DASHBOARDS[uid]())


def test_every_file_has_its_code() -> None:
    """No dashboard is left over."""
    assert {file.stem for file in FOLDER.iterdir()} == set(DASHBOARDS)


@pytest.mark.parametrize("uid", GUIDE)
def test_the_guide_s_panels_are_there(uid: str) -> None:
    """Each panel that the guide lists has its place."""
    titles = [
        panel["title"] for panel in json.loads((FOLDER / f"{uid}.json").read_text())["panels"]
    ]
    for wanted in GUIDE[uid]:
        assert any(wanted in title for title in titles), wanted


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_s_queries_are_promql(panel: Any) -> None:
    """Our own engine, which follows Prometheus, can read each query."""
    assert expressions(panel)
    for expr in expressions(panel):
        parse(expr)


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_asks_for_metrics_that_exist(panel: Any) -> None:
    """Each metric is one that the documents of this project list."""
    for expr in expressions(panel):
        for name in re.findall(r"\b[a-z][a-z0-9_]+_[a-z0-9_]+\b(?=[{\[)\s]|$)", bare(expr)):
            family = re.sub(r"_(bucket|sum|count)$", "", name)
            assert {name, family} & DOCUMENTED, name


def bare(expr: str) -> str:
    """Return *expr* without its strings, groupings and functions."""
    expr = re.sub(r'"[^"]*"', '""', expr)
    expr = re.sub(r"\b(by|without)\s*\([^)]*\)", "", expr)
    return re.sub(r"\b\w+\(", "(", expr)


@pytest.mark.parametrize("panel", PANELS)
def test_panels_stay_on_the_grid(panel: Any) -> None:
    """A panel lies within the 24 columns."""
    place = panel["gridPos"]
    assert place["x"] + place["w"] <= 24
