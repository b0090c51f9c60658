"""Searches of log records: figures, the last that match, and what they have in common."""

from typing import Any

from veriscope.signals import FetchLimits
from veriscope.signals.predicates import Predicate
from veriscope.signals.searches import Groups, PatternCount, Search, Tally
from veriscope.store.engine import Engine
from veriscope.store.logs import COLUMNS, to_documents
from veriscope.store.search_statements import (
    LOGS,
    last_statement,
    patterns_statement,
    tally_statement,
)
from veriscope.store.searching import ask, read_groups


class LogSearch:
    """Searches records. Safe to use from many threads; calls block; raises as `SeriesReader`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def tally(self, tally: Tally, limits: FetchLimits) -> Groups:
        """See `TallySource`; records have a count and nothing else."""
        statement = tally_statement(tally, LOGS, limits.max_series)
        return read_groups(ask(self._engine, statement, limits), len(tally.by), limits)

    def last(self, search: Search, limit: int, limits: FetchLimits) -> list[dict[str, Any]]:
        """Return the last *limit* records of *search*, newest first, as `LogReader.latest` does."""
        rows = ask(self._engine, last_statement(search, COLUMNS, limit), limits)
        return to_documents(self._engine, rows.to_pylist(), limits)

    def patterns(
        self,
        predicate: Predicate,
        *,
        start_ms: int,
        onset_ms: int,
        end_ms: int,
        limit: int,
        limits: FetchLimits,
    ) -> list[PatternCount]:
        """
        Return the *limit* patterns whose records became more frequent by most at *onset_ms*.

        The records are those of `(start_ms, end_ms]` that satisfy *predicate*.
        """
        statement = patterns_statement(Search(predicate, start_ms, end_ms), onset_ms, limit)
        return [PatternCount(**row) for row in ask(self._engine, statement, limits).to_pylist()]
