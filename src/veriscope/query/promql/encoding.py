"""Answers as JSON, written once where they are small and may be asked again."""

from collections.abc import Iterator

from veriscope.query.promql import answer
from veriscope.query.promql.cache import KEPT_TEXT_BYTES
from veriscope.query.promql.result import QueryResult


def encode(result: QueryResult) -> Iterator[bytes]:
    """Yield *result* as `answer.encode` does, from memory where it was written before."""
    if result.kept_text:
        yield from result.kept_text
        return
    written: list[bytes] = []
    size = 0
    for chunk in answer.encode(result):
        size += len(chunk)
        if size <= KEPT_TEXT_BYTES:
            written.append(bytes(chunk))
        yield chunk
    if size <= KEPT_TEXT_BYTES:
        result.kept_text[:] = [b"".join(written)]
