"""The two text formats: Prometheus text (0.0.4 and 1.0.0) and OpenMetrics text."""

import re
from typing import Final

from veriscope.wire.exposition.columns import (
    Exposition,
    ExpositionError,
    SeriesTable,
    to_exposition,
)
from veriscope.wire.exposition.comments import parse_comments
from veriscope.wire.exposition.numbers import (
    seconds_to_timestamp_ms,
    to_float,
    to_timestamp_ms,
)
from veriscope.wire.exposition.series import parse_series, skip_labels, split_series

_PLAIN_VALUE: Final = re.compile(rb" [+-]?[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?")
"""A value that `float` reads as Go does, in both formats; others take the careful way."""


def parse_text(body: bytes, table: SeriesTable) -> Exposition:
    """
    Read Prometheus text, adding the series that are new to *table*.

    Source: prometheus.io/docs/instrumenting/exposition_formats. Raises `ExpositionError` with
    the line's number.
    """
    return _TextParse(table, openmetrics=False).run(body.split(b"\n"))


def parse_openmetrics(body: bytes, table: SeriesTable) -> Exposition:
    """
    Read OpenMetrics text, adding the series that are new to *table*.

    Exemplars are checked and left out. Source: the OpenMetrics 1.0 specification. Raises
    `ExpositionError` with the line's number, also where `# EOF` is missing or not last.
    """
    lines = body.split(b"\n")
    if lines and not lines[-1]:
        lines.pop()
    if not lines or lines[-1] != b"# EOF":
        raise ExpositionError("the last line must be '# EOF'", line=max(len(lines), 1))
    lines.pop()
    return _TextParse(table, openmetrics=True).run(lines)


class _TextParse:
    """One pass over the lines of one body."""

    def __init__(self, table: SeriesTable, *, openmetrics: bool) -> None:
        self._table = table
        self._openmetrics = openmetrics
        self._series: list[int] = []
        self._values: list[float] = []
        self._timestamps_ms: dict[int, int] = {}
        self._comments: list[bytes] = []
        self._comment_lines: list[int] = []
        self._type_line = b""

    def run(self, lines: list[bytes]) -> Exposition:
        ids, series, values = self._table.ids, self._series, self._values
        is_plain = _PLAIN_VALUE.fullmatch
        number = 0
        try:
            for number, line in enumerate(lines, 1):
                # The common case, a known series followed by a value alone, stays in this loop.
                end = line.rfind(b"}") + 1 or line.find(b" ")
                identifier = ids.get(line[:end]) if end > 0 else None
                if identifier is None:
                    self._read(line, number)
                    continue
                rest = line[end:]
                if is_plain(rest):
                    values.append(float(rest))
                    series.append(identifier)
                else:
                    self._add(identifier, rest)
        except ExpositionError as error:
            raise ExpositionError(str(error), line=number) from error
        self._read_metadata()
        return to_exposition(series, values, self._timestamps_ms, self._table.metadata)

    def _read(self, line: bytes, number: int) -> None:
        stripped = line if self._openmetrics else line.strip(b" \t\r")
        if stripped[:1] == b"#":
            self._keep_comment(stripped, number)
        elif stripped or self._openmetrics:
            self._read_new(stripped)

    def _keep_comment(self, line: bytes, number: int) -> None:
        self._comments.append(line)
        self._comment_lines.append(number)
        if line.startswith(b"# TYPE"):
            self._type_line = line

    def _read_new(self, line: bytes) -> None:
        """Read a line whose series is new, or hidden from `_read` by an exemplar."""
        end = split_series(line)
        key = line[:end]
        identifier = self._table.ids.get(key)
        if identifier is None:
            family_type = self._type_line.rpartition(b" ")[2]
            identifier = self._table.add(key, parse_series(key, family_type))
        self._add(identifier, line[end:])

    def _add(self, identifier: int, rest: bytes) -> None:
        fields = self._fields(rest)
        if len(fields) == 2:  # noqa: PLR2004 a value and a timestamp
            to_ms = seconds_to_timestamp_ms if self._openmetrics else to_timestamp_ms
            self._timestamps_ms[len(self._values)] = to_ms(fields[1])
        self._values.append(to_float(fields[0]))
        self._series.append(identifier)

    def _fields(self, rest: bytes) -> list[bytes]:
        """Return the value and, where there is one, the timestamp."""
        if not self._openmetrics:
            fields = rest.split()
        else:
            sample, mark, exemplar = rest.partition(b" # ")
            if mark:
                _check_exemplar(exemplar)
            fields = sample[1:].split(b" ") if sample[:1] == b" " else []
        if len(fields) not in (1, 2):
            raise ExpositionError(f"a value was expected, not {rest[:40]!r}")
        return fields

    def _read_metadata(self) -> None:
        """Read the comments only when they differ from the last body's: they seldom do."""
        if self._comments == self._table.comments:
            return
        self._table.metadata = parse_comments(
            self._comments, self._comment_lines, openmetrics=self._openmetrics
        )
        self._table.comments = self._comments


def _check_exemplar(text: bytes) -> None:
    """Raise unless *text* is `{labels} value [timestamp]`."""
    if text[:1] != b"{":
        raise ExpositionError(f"an exemplar starts with a brace, not {text[:20]!r}")
    end = skip_labels(text)
    fields = text[end + 1 :].split(b" ") if text[end : end + 1] == b" " else []
    if len(fields) not in (1, 2):
        raise ExpositionError(f"an exemplar's value was expected, not {text[end:][:40]!r}")
    to_float(fields[0])
    if len(fields) == 2:  # noqa: PLR2004 a value and a timestamp
        seconds_to_timestamp_ms(fields[1])
