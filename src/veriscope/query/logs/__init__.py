"""
Searches of log records.

Each name is loaded when it is first used: who reads no search needs no parser of them.
"""

from typing import TYPE_CHECKING, Final

from veriscope.signals.lazy import lazy_names

if TYPE_CHECKING:
    from veriscope.query.logs.language import group_field, parse

__all__ = ["group_field", "parse"]

_HOMES: Final = {"group_field": ".language", "parse": ".language"}

__getattr__ = lazy_names(__name__, _HOMES)
