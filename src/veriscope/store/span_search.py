"""Searches of spans: figures, and examples of traces."""

from veriscope.signals import FetchLimits
from veriscope.signals.evidence import TraceExample
from veriscope.signals.searches import Groups, Search, Tally
from veriscope.store.engine import Engine
from veriscope.store.resources import to_hex
from veriscope.store.search_statements import SPANS, examples_statement, tally_statement
from veriscope.store.searching import ask, read_groups


class SpanSearch:
    """Searches spans. Safe to use from many threads; calls block; raises as `SeriesReader`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def tally(self, tally: Tally, limits: FetchLimits) -> Groups:
        """See `TallySource`."""
        statement = tally_statement(tally, SPANS, limits.max_series)
        return read_groups(ask(self._engine, statement, limits), len(tally.by), limits)

    def examples(self, search: Search, limit: int, limits: FetchLimits) -> list[TraceExample]:
        """Return *limit* traces that *search* finds spans of, by the slowest of each."""
        rows = ask(self._engine, examples_statement(search, limit), limits).to_pylist()
        return [
            TraceExample(
                trace_id=to_hex(row["trace_id"]),
                service=row["service"],
                name=row["name"],
                start_ms=row["start_ms"],
                duration_ms=row["duration_ms"],
                is_error=bool(row["is_error"]),
            )
            for row in rows
        ]
