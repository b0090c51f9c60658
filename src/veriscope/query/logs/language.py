"""The fields of log records, and what a search of them means."""

from functools import lru_cache
from typing import Final

from veriscope.query.lucene import FieldKind, KnownField, Schema, plan
from veriscope.signals.predicates import Field, Predicate

_SERVICE: Final = KnownField.column(FieldKind.TEXT, "service_name")
_LEVEL: Final = KnownField.column(FieldKind.LEVEL, "severity_number")
_BODY: Final = KnownField.column(FieldKind.WORDS, "body")
_SCHEMA: Final = Schema(
    names={
        "service": _SERVICE,
        "service_name": _SERVICE,
        "service.name": _SERVICE,
        "level": _LEVEL,
        "severity": _LEVEL,
        "severity_number": KnownField.column(FieldKind.NUMBER, "severity_number"),
        "severity_text": KnownField.column(FieldKind.TEXT, "severity_text"),
        "body": _BODY,
        "message": _BODY,
        "event_name": KnownField.column(FieldKind.TEXT, "event_name"),
        "trace_id": KnownField.column(FieldKind.ID, "trace_id", digits=32),
        "span_id": KnownField.column(FieldKind.ID, "span_id", digits=16),
        "scope": KnownField.column(FieldKind.TEXT, "scope_name"),
    },
    unnamed=_BODY,
)


@lru_cache(maxsize=1_000)
def parse(text: str) -> Predicate:
    """Return what *text*, in Lucene's syntax, looks for; raises `ParseError`."""
    return plan(text, _SCHEMA)


def group_field(name: str) -> tuple[Field, str]:
    """Return the field called *name* and the label that it becomes; see `Schema.group_field`."""
    return _SCHEMA.group_field(name)
