"""Lucene's query syntax: text to a predicate, given the fields that there are."""

from veriscope.query.lucene.fields import FieldKind, KnownField, Schema
from veriscope.query.lucene.planner import plan

__all__ = ["FieldKind", "KnownField", "Schema", "plan"]
