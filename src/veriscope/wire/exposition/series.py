"""The series part of a line: `name{label="value", …}`, also with quoted UTF-8 names."""

import re
from typing import Final

from veriscope.signals import METRIC_NAME
from veriscope.wire.exposition.columns import ExposedLabels, ExpositionError
from veriscope.wire.exposition.numbers import canonical_bound

_NAME: Final = re.compile(rb"[a-zA-Z_:][a-zA-Z0-9_:]*")
_ITEM: Final = re.compile(
    rb'[ \t]*(?:([a-zA-Z_][a-zA-Z0-9_]*)|"((?:[^"\\\n]|\\.)*)")[ \t]*'
    rb'(?:=[ \t]*"((?:[^"\\\n]|\\.)*)"[ \t]*)?(,|(?=\}))'
)
_CLOSE: Final = re.compile(rb"[ \t]*\}")
_ESCAPE: Final = re.compile(r'\\([\\"n])')
_PLAIN: Final = {"\\": "\\", '"': '"', "n": "\n"}
_BOUND_LABELS: Final = {b"histogram": "le", b"gaugehistogram": "le", b"summary": "quantile"}


def unescape(text: bytes) -> str:
    r"""Decode UTF-8 and the escapes `\\`, `\"` and `\n`; any other escape stays as it is."""
    try:
        decoded = text.decode()
    except UnicodeDecodeError as error:
        raise ExpositionError(f"not UTF-8: {text[:60]!r}") from error
    if "\\" not in decoded:
        return decoded
    return _ESCAPE.sub(lambda match: _PLAIN[match[1]], decoded)


def split_series(line: bytes) -> int:
    """Return where the series part of *line* ends; its grammar is checked on the way."""
    return _scan(line)[1]


def parse_series(text: bytes, family_type: bytes = b"") -> ExposedLabels:
    """
    Return the labels that *text*, the whole series part of a line, spells.

    *family_type* is the last `# TYPE`: `le` of histograms and `quantile` of summaries are
    written in one canonical way (`1` becomes `1.0`), as Prometheus 3 does.
    """
    pairs, end = _scan(text)
    if end != len(text):
        raise ExpositionError(f"unexpected {text[end : end + 20]!r} after the series")
    names = [name for name, _ in pairs]
    if METRIC_NAME not in names:
        raise ExpositionError("a metric name was expected")
    if len(set(names)) != len(names):
        raise ExpositionError(f"a label name is given twice in {text[:80]!r}")
    bound = _BOUND_LABELS.get(family_type)
    if bound in names:
        pairs = [(name, _canonical(value) if name == bound else value) for name, value in pairs]
    return tuple(sorted(pairs))


def skip_labels(text: bytes) -> int:
    """Return where the `{…}` that *text* starts with ends, as exemplars have it."""
    return _scan_braces(text, 1)[1]


def _scan(text: bytes) -> tuple[list[tuple[str, str]], int]:
    name = _NAME.match(text)
    pairs = [(METRIC_NAME, name[0].decode())] if name else []
    end = name.end() if name else 0
    brace = end
    while text[brace : brace + 1] in (b" ", b"\t"):
        brace += 1
    if text[brace : brace + 1] != b"{":
        if not name:
            raise ExpositionError(f"a metric name was expected, not {text[:20]!r}")
        return pairs, end
    more, end = _scan_braces(text, brace + 1)
    return pairs + more, end


def _scan_braces(text: bytes, position: int) -> tuple[list[tuple[str, str]], int]:
    """Read label pairs from *position*, just after `{`, up to and with `}`."""
    pairs: list[tuple[str, str]] = []
    while (close := _CLOSE.match(text, position)) is None:
        item = _ITEM.match(text, position)
        if item is None:
            raise ExpositionError(
                f"a label or a closing brace was expected at {text[position : position + 30]!r}"
            )
        pairs.append(_to_pair(item))
        position = item.end()
    return pairs, close.end()


def _to_pair(item: re.Match[bytes]) -> tuple[str, str]:
    bare, quoted, value, _ = item.groups()
    if value is None:
        if quoted is None or not quoted:
            raise ExpositionError(f"label {item[0].strip()!r} has no value")
        return METRIC_NAME, unescape(quoted)
    name = bare.decode() if quoted is None else unescape(quoted)
    if not name:
        raise ExpositionError("a label name is empty")
    return name, unescape(value)


def _canonical(text: str) -> str:
    try:
        return canonical_bound(float(text))
    except ValueError:
        return text
