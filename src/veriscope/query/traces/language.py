"""The fields of spans, and what a search of them means."""

from functools import lru_cache
from typing import Final

from veriscope.query.lucene import FieldKind, KnownField, Schema, plan
from veriscope.signals.predicates import Field, Predicate

_SERVICE: Final = KnownField.column(FieldKind.TEXT, "service_name")
_STATUS: Final = KnownField.column(
    FieldKind.CHOICE, "status_code", choices=("unset", "ok", "error")
)
_KINDS: Final = ("unspecified", "internal", "server", "client", "producer", "consumer")
_SCHEMA: Final = Schema(
    names={
        "service": _SERVICE,
        "service_name": _SERVICE,
        "service.name": _SERVICE,
        "name": KnownField.column(FieldKind.TEXT, "name"),
        "kind": KnownField.column(FieldKind.CHOICE, "kind", choices=_KINDS),
        "status": _STATUS,
        "status_code": _STATUS,
        "status_message": KnownField.column(FieldKind.WORDS, "status_message"),
        "duration": KnownField.column(FieldKind.DURATION, "duration_ns"),
        "trace_id": KnownField.column(FieldKind.ID, "trace_id", digits=32),
        "span_id": KnownField.column(FieldKind.ID, "span_id", digits=16),
        "parent_span_id": KnownField.column(FieldKind.ID, "parent_span_id", digits=16),
        "scope": KnownField.column(FieldKind.TEXT, "scope_name"),
    },
    unnamed=KnownField.column(FieldKind.WORDS, "name"),
)


@lru_cache(maxsize=1_000)
def parse(text: str) -> Predicate:
    """Return what *text*, in Lucene's syntax, looks for; raises `ParseError`."""
    return plan(text, _SCHEMA)


def group_field(name: str) -> tuple[Field, str]:
    """Return the field called *name* and the label that it becomes; see `Schema.group_field`."""
    return _SCHEMA.group_field(name)
