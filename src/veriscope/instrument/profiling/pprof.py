"""Profiles in pprof's format: gzipped protobuf, as `google/pprof/proto/profile.proto` says."""

import gzip
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from veriscope.wire.protobuf_fields import delimited, varint

_WORD: Final = (1 << 64) - 1


class ValueType(NamedTuple):
    """What a value of each sample measures, and its unit."""

    type: str
    unit: str


class StackFrame(NamedTuple):
    """A function on a stack."""

    function: str
    file: str
    line: int
    """Line on which the function begins."""


class StackSample(NamedTuple):
    """The values of one distinct stack."""

    frames: Sequence[StackFrame]
    """The leaf first."""
    values: Sequence[int]
    labels: Sequence[tuple[str, str]]


def encode(
    types: Sequence[ValueType],
    samples: Iterable[StackSample],
    *,
    time_ns: int,
    duration_ns: int,
    period_ns: int,
    comments: Sequence[str] = (),
) -> bytes:
    """
    Return a profile of *samples*, whose values are in the order of *types*.

    *period_ns* is the time between two samples. The last type is the one that pprof shows.
    """
    tables = _Tables()
    body = bytearray()
    for kind in types:
        body += delimited(1, tables.value_type(kind))
    for sample in samples:
        body += delimited(2, tables.sample(sample))
    body += tables.locations
    body += tables.functions
    tail = _number(9, time_ns) + _number(10, duration_ns)
    tail += delimited(11, tables.value_type(types[-1])) + _number(12, period_ns)
    tail += b"".join(_number(13, tables.string(comment)) for comment in comments)
    # Strings last: every other part adds to them. Fields may come in any order.
    strings = b"".join(delimited(6, text.encode(errors="replace")) for text in tables.strings)
    return gzip.compress(bytes(body) + tail + strings, compresslevel=6, mtime=0)


class _Tables:
    """Strings, functions and locations, each written once and then known by number."""

    def __init__(self) -> None:
        self.strings: dict[str, int] = {"": 0}
        self.locations = bytearray()
        self.functions = bytearray()
        self._frames: dict[StackFrame, int] = {}

    def string(self, text: str) -> int:
        return self.strings.setdefault(text, len(self.strings))

    def value_type(self, kind: ValueType) -> bytes:
        return _number(1, self.string(kind.type)) + _number(2, self.string(kind.unit))

    def sample(self, sample: StackSample) -> bytes:
        encoded = _packed(1, [self._location(frame) for frame in sample.frames])
        encoded += _packed(2, sample.values)
        for key, value in sample.labels:
            encoded += delimited(3, _number(1, self.string(key)) + _number(2, self.string(value)))
        return encoded

    def _location(self, frame: StackFrame) -> int:
        """Return the number of *frame*'s location; its function has the same one."""
        known = self._frames.get(frame)
        if known is not None:
            return known
        number = self._frames[frame] = len(self._frames) + 1
        name = self.string(frame.function)
        self.functions += delimited(
            5,
            _number(1, number)
            + _number(2, name)
            + _number(3, name)
            + _number(4, self.string(frame.file))
            + _number(5, frame.line),
        )
        line = _number(1, number) + _number(2, frame.line)
        self.locations += delimited(4, _number(1, number) + delimited(4, line))
        return number


def _number(field: int, value: int) -> bytes:
    return varint(field << 3) + _signed(value)


def _packed(field: int, values: Iterable[int]) -> bytes:
    return delimited(field, b"".join(map(_signed, values)))


def _signed(value: int) -> bytes:
    return varint(value & _WORD)  # a negative int64 is its two's complement
