"""The SQL that fetches become."""

from collections.abc import Callable

import pytest

from veriscope.signals import (
    Aggregation,
    Grid,
    GridFetch,
    GridFunction,
    Matcher,
    MatchOp,
    RawFetch,
    Reduction,
    SeriesFetch,
)
from veriscope.store.select import Statement, select_grid, select_raw, select_series

GRID = Grid(1_700_000_000_000, 1_700_003_600_000, 15_000)
NAME = Matcher("__name__", MatchOp.EQUAL, "http_requests_total")
JOB = Matcher("job", MatchOp.REGEX, "api.*")

STATEMENTS = {
    "grid_rate_by_name": select_grid(GridFetch((NAME,), GRID, 300_000, GridFunction.RATE)),
    "grid_latest_by_label": select_grid(GridFetch((NAME, JOB), GRID, 300_000, GridFunction.LATEST)),
    "grid_without_name": select_grid(GridFetch((JOB,), GRID, 300_000, GridFunction.MAX)),
    "grid_sum_by": select_grid(
        GridFetch(
            (NAME, JOB),
            GRID,
            300_000,
            GridFunction.RATE,
            Aggregation(Reduction.SUM, ("instance", "job")),
        )
    ),
    "grid_max_without": select_grid(
        GridFetch(
            (NAME,),
            GRID,
            300_000,
            GridFunction.LATEST,
            Aggregation(Reduction.MAX, ("instance",), without=True),
        )
    ),
    "raw": select_raw(RawFetch((NAME, JOB), GRID.start_ms, GRID.end_ms)),
    "series": select_series(
        (
            SeriesFetch((NAME,), GRID.start_ms, GRID.end_ms),
            SeriesFetch((JOB,), GRID.start_ms, GRID.end_ms),
        ),
        "DISTINCT id",
    ),
}


@pytest.mark.parametrize("name", STATEMENTS)
def test_sql_of_fetches_is_known(name: str, golden: Callable[[str, str], None]) -> None:
    """A change of any statement is seen in review."""
    golden(f"metrics/{name}.sql", _spelled(STATEMENTS[name]))


def test_values_are_bound_and_never_part_of_the_text() -> None:
    """A label value cannot become SQL."""
    hostile = "x' OR 1 = 1 --"
    statement = select_raw(RawFetch((Matcher(hostile, MatchOp.EQUAL, hostile),), 0, 1))
    assert hostile not in statement.sql
    assert list(statement.parameters.values()).count(hostile) == 2


def _spelled(statement: Statement) -> str:
    bound = "\n".join(f"-- {name} = {value!r}" for name, value in statement.parameters.items())
    return f"{statement.sql}\n{bound}\n"
