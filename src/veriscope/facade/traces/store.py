"""The traces that a framework keeps in memory: bounded, oldest out first."""

from collections import Counter
from collections.abc import Callable
from itertools import islice
from typing import Final

from veriscope.facade.traces.trace import Span
from veriscope.instrument.forking import ForkLock

# How many of the oldest traces are looked at for one that has ended before one that has not
# is given up.
_LOOKED_AT: Final = 64


class TraceStore:
    """
    Spans by id, and finished spans by trace, as plain dictionaries that anybody may read.

    At most *max_spans* finished and as many unfinished spans are kept. For a new one the
    oldest trace goes, one without unfinished spans if there is such; what goes is passed, as a
    number of spans, to *on_drop*.
    """

    def __init__(self, max_spans: int, on_drop: Callable[[int], None]) -> None:
        self.traces: dict[str, list[Span]] = {}
        self.spans: dict[str, Span] = {}
        self._max_spans = max_spans
        self._on_drop = on_drop
        self._finished = 0
        self._open: dict[str, Span] = {}
        self._open_of: Counter[str] = Counter()
        self._lock = ForkLock()

    def start(self, span: Span) -> None:
        """Keep *span*, which runs."""
        with self._lock:
            self.spans[span.span_id] = self._open[span.span_id] = span
            self._open_of[span.trace_id] += 1
            if len(self._open) > self._max_spans:
                oldest = next(iter(self._open.values()))
                self._close(oldest)
                self.spans.pop(oldest.span_id, None)
                self._on_drop(1)

    def finish(self, span: Span) -> None:
        """Keep *span*, which has ended, in its trace."""
        with self._lock:
            self._close(span)
            if self._finished >= self._max_spans:
                self._evict(keep=span.trace_id)
            if self._finished >= self._max_spans:  # this one trace fills everything
                self.spans.pop(span.span_id, None)
                self._on_drop(1)
                return
            self.spans[span.span_id] = span
            self.traces.setdefault(span.trace_id, []).append(span)
            self._finished += 1

    def of_trace(self, trace_id: str) -> tuple[list[Span], bool]:
        """Return the finished spans of a trace, and whether none of its spans still runs."""
        with self._lock:
            return list(self.traces.get(trace_id, ())), trace_id not in self._open_of

    def _close(self, span: Span) -> None:
        if self._open.pop(span.span_id, None) is not None:
            self._open_of[span.trace_id] -= 1
            if self._open_of[span.trace_id] <= 0:
                del self._open_of[span.trace_id]

    def _evict(self, keep: str) -> None:
        oldest = None
        for trace in islice(self.traces, _LOOKED_AT):
            if trace == keep:
                continue
            if trace not in self._open_of:
                oldest = trace
                break
            oldest = oldest or trace
        if oldest is None:
            return
        gone = self.traces.pop(oldest)
        for span in gone:
            self.spans.pop(span.span_id, None)
        self._finished -= len(gone)
        self._on_drop(len(gone))
