"""
Searches of spans.

Each name is loaded when it is first used: who reads no search needs no parser of them.
"""

from typing import TYPE_CHECKING, Final

from veriscope.signals.lazy import lazy_names

if TYPE_CHECKING:
    from veriscope.query.lucene.durations import parse_duration_ns
    from veriscope.query.traces.language import group_field, parse

__all__ = ["group_field", "parse", "parse_duration_ns"]

_HOMES: Final = {
    "group_field": ".language",
    "parse": ".language",
    "parse_duration_ns": "veriscope.query.lucene.durations",
}

__getattr__ = lazy_names(__name__, _HOMES)
