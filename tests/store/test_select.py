"""The SQL that fetches become."""

from collections.abc import Callable

import pytest

from veriscope.signals import (
    Matcher,
    MatchOp,
    RawFetch,
    SeriesFetch,
)
from veriscope.store.select import (
    Statement,
    count_metrics,
    count_span,
    select_histograms,
    select_labels,
    select_metric_histograms,
    select_metrics,
    select_raw,
    select_series,
    select_series_ids,
)

HOUR = (1_700_000_000_000, 1_700_003_600_000)
NAME = Matcher("__name__", MatchOp.EQUAL, "http_requests_total")
JOB = Matcher("job", MatchOp.REGEX, "api.*")

STATEMENTS = {
    "raw": select_raw(RawFetch((NAME, JOB), *HOUR)),
    "histograms": select_histograms(RawFetch((NAME, JOB), *HOUR)),
    "metric_histograms": select_metric_histograms(["a", "b"], HOUR[0]),
    "metrics": select_metrics(["a", "b"], HOUR[0]),
    "metric_labels": select_labels(["a", "b"], HOUR[0]),
    "metric_series": select_series_ids(["a", "b"], HOUR[0]),
    "metric_counts": count_metrics(["a", "b"]),
    "metric_span": count_span("a", *HOUR),
    "series": select_series(
        (
            SeriesFetch((NAME,), *HOUR),
            SeriesFetch((JOB,), *HOUR),
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
