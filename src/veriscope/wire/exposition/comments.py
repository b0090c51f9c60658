"""Comment lines: `# HELP`, `# TYPE` and `# UNIT` become metadata."""

import re
from typing import Final

from veriscope.signals import MetricMetadata, MetricType
from veriscope.wire.exposition.columns import ExpositionError
from veriscope.wire.exposition.series import unescape

_COMMENT: Final = re.compile(
    rb"#[ \t]+(HELP|TYPE|UNIT)[ \t]+"
    rb'(?:"((?:[^"\\]|\\.)+)"|([a-zA-Z_:][a-zA-Z0-9_:]*))(?:[ \t](.*))?'
)
_KEYWORD: Final = re.compile(rb"#[ \t]+(HELP|TYPE|UNIT)(?:[ \t]|$)")
_TEXT_TYPES: Final = {
    b"counter": MetricType.COUNTER,
    b"gauge": MetricType.GAUGE,
    b"histogram": MetricType.HISTOGRAM,
    b"summary": MetricType.SUMMARY,
    b"untyped": MetricType.UNKNOWN,
    b"unknown": MetricType.UNKNOWN,
}
_OPENMETRICS_TYPES: Final = {item.value.encode(): item for item in MetricType}
_SUFFIXES: Final = {MetricType.COUNTER: "_total", MetricType.INFO: "_info"}


def parse_comments(
    comments: list[bytes], numbers: list[int], *, openmetrics: bool
) -> tuple[MetricMetadata, ...]:
    """
    Return the metadata of the families that *comments* describe, in order of appearance.

    *numbers* are the lines' numbers, for errors. OpenMetrics names a counter's family without
    `_total` (and an info's without `_info`); the metadata has the name that queries use.
    """
    families: dict[str, dict[bytes, bytes]] = {}
    for line, number in zip(comments, numbers, strict=True):
        try:
            _read(line, families, openmetrics=openmetrics)
        except ExpositionError as error:
            raise ExpositionError(str(error), line=number) from error
    return tuple(
        _to_metadata(name, facts, openmetrics=openmetrics) for name, facts in families.items()
    )


def _read(line: bytes, families: dict[str, dict[bytes, bytes]], *, openmetrics: bool) -> None:
    match = _COMMENT.fullmatch(line)
    if match is None:
        if openmetrics or _KEYWORD.match(line):
            raise ExpositionError(f"not a HELP, TYPE or UNIT line: {line[:60]!r}")
        return
    keyword, quoted, bare, text = match.groups()
    if keyword == b"UNIT" and not openmetrics:
        return
    name = unescape(bare if quoted is None else quoted)
    text = (text or b"") if keyword == b"HELP" else (text or b"").strip()
    types = _OPENMETRICS_TYPES if openmetrics else _TEXT_TYPES
    if keyword == b"TYPE" and text not in types:
        raise ExpositionError(f"{text[:40]!r} is not a metric type")
    if keyword == b"UNIT" and text and not name.endswith(f"_{unescape(text)}"):
        raise ExpositionError(f"unit {text[:40]!r} is not the suffix of {name!r}")
    if keyword == b"HELP":
        unescape(text)
    families.setdefault(name, {})[keyword] = text


def _to_metadata(name: str, facts: dict[bytes, bytes], *, openmetrics: bool) -> MetricMetadata:
    types = _OPENMETRICS_TYPES if openmetrics else _TEXT_TYPES
    kind = types[facts.get(b"TYPE", b"unknown")]
    suffix = _SUFFIXES.get(kind, "") if openmetrics else ""
    return MetricMetadata(
        name=name if name.endswith(suffix) else name + suffix,
        type=kind,
        help=unescape(facts.get(b"HELP", b"")),
        unit=unescape(facts.get(b"UNIT", b"")),
    )
