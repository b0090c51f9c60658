"""The few kinds of panels that the dashboards are made of, and how a dashboard is put together."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    dashboard,
    prometheus,
    stat,
    table,
    timeseries,
)
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import LegendDisplayMode, LegendPlacement, StackingMode
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DataSourceRef,
    GridPos,
    VariableOption,
    VariableRefresh,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

_SOURCE: Final = DataSourceRef(type_val="prometheus", uid="${datasource}")
_COLUMNS: Final = 24
_HEIGHT: Final = 8

Builder = Any  # The SDK's panel builders share no base class.


@dataclass(frozen=True, slots=True)
class Board:
    """A dashboard: rows of panels, each row as wide as the page; variables by name and query."""

    title: str
    tags: Sequence[str]
    rows: Sequence[Sequence[Builder]]
    variables: Sequence[tuple[str, str]] = ()


def lines(
    title: str,
    unit: str,
    *targets: tuple[str, str],
    stacked: bool = False,
    top: float | None = None,
) -> Builder:
    """Return a chart over time; *targets* are expressions and legends."""
    panel = (
        timeseries.Panel()
        .title(title)
        .unit(unit)
        .min(0)
        .fill_opacity(30 if stacked else 8)
        .legend(
            common.VizLegendOptions()
            .display_mode(LegendDisplayMode.LIST)
            .placement(LegendPlacement.BOTTOM)
            .show_legend(True)
        )
    )
    if stacked:
        panel.stacking(common.StackingConfig().mode(StackingMode.NORMAL))
    if top is not None:
        panel.max(top)
    return _asking(panel, targets)


def number(title: str, unit: str, expr: str) -> Builder:
    """Return one value, large."""
    return _asking(stat.Panel().title(title).unit(unit).no_value("-"), [(expr, "")])


def bars(title: str, unit: str, expr: str, legend: str) -> Builder:
    """Return values beside each other, the newest of each series."""
    panel = bargauge.Panel().title(title).unit(unit).min(0)
    return panel.datasource(_SOURCE).with_target(_query(expr, legend, "A").instant())


def rows_of(title: str, expr: str) -> Builder:
    """Return labels and values as a table."""
    panel = table.Panel().title(title).datasource(_SOURCE)
    return panel.with_target(_query(expr, "", "A").instant().format(PromQueryFormat.TABLE))


def to_json(uid: str, board: Board) -> str:
    """Return the dashboard as the JSON that Grafana imports and provisions."""
    builder = (
        dashboard.Dashboard(board.title)
        .uid(uid)
        .tags([*board.tags, "veriscope"])
        .timezone("browser")
        .time("now-1h", "now")
        .refresh("10s")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .editable()
        .with_variable(
            dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus")
        )
    )
    for name, query in board.variables:
        builder.with_variable(_variable(name, query))
    for row, panels in enumerate(board.rows):
        width = _COLUMNS // len(panels)
        for place, panel in enumerate(panels):
            position = GridPos(x=place * width, y=row * _HEIGHT, w=width, h=_HEIGHT)
            builder.with_panel(panel.grid_pos(position))
    return json.dumps(builder.build(), cls=JSONEncoder, indent=2, sort_keys=True) + "\n"


def _variable(name: str, query: str) -> Builder:
    return (
        dashboard.QueryVariable(name)
        .query(query)
        .datasource(_SOURCE)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .include_all(True)
        .all_value(".*")
        .multi(True)
        .current(VariableOption(selected=True, text="All", value="$__all"))
    )


def _asking(panel: Builder, targets: Sequence[tuple[str, str]]) -> Builder:
    panel.datasource(_SOURCE)
    for place, (expr, legend) in enumerate(targets):
        panel.with_target(_query(expr, legend, chr(ord("A") + place)))
    return panel


def _query(expr: str, legend: str, ref: str) -> Builder:
    return prometheus.Dataquery().expr(expr).legend_format(legend or "__auto").ref_id(ref)
