"""How searches are run, and figures read."""

import pyarrow as pa

from veriscope.signals import FetchLimits
from veriscope.signals.searches import Groups
from veriscope.store.engine import Engine
from veriscope.store.errors import FetchTooLargeError
from veriscope.store.resources import settings_of
from veriscope.store.search_statements import SEARCH_SETTINGS
from veriscope.store.select import Statement


def ask(engine: Engine, statement: Statement, limits: FetchLimits) -> pa.Table:
    """Return the rows of *statement*, held to *limits*; raises as `Engine.query`."""
    settings = {**settings_of(limits), **SEARCH_SETTINGS}
    return engine.query(statement.sql, statement.parameters, settings, limits.cancel)


def read_groups(rows: pa.Table, fields: int, limits: FetchLimits) -> Groups:
    """Return *rows* of a tally by so many *fields*; raises `FetchTooLargeError`."""
    if rows.num_rows > limits.max_series:
        raise FetchTooLargeError(
            f"a search gives more than {limits.max_series:,} groups; group by fewer fields"
        )
    columns = [rows[f"key{place}"].to_pylist() for place in range(fields)]
    keys = tuple(zip(*columns, strict=True)) if columns else ((),) * rows.num_rows
    return Groups(keys, rows["value"].to_numpy())
