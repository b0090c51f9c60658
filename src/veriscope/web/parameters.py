"""Reads the parameters of Prometheus' HTTP API, as it spells times, steps and limits."""

import math
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import Message
from typing import Final
from urllib.parse import parse_qsl

from starlette.requests import Request

from veriscope.signals import Duration, Grid, InvalidInputError, LimitExceededError

MAX_POINTS: Final = 11_000
"""Steps that one range query may have: Prometheus' own bound on an answer's size."""

_TRUTH: Final = {"": False, "0": False, "false": False, "1": True, "true": True}
_MAX_LIMIT_DIGITS: Final = 18
_WITH_FORM: Final = ("POST", "PUT")
_MAX_FORM_BYTES: Final = 1 << 20
_MAX_TIME_S: Final = 253_402_300_800  # the year 10000
_RFC3339: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")


class Parameters:
    """The query string and form of a request; a name may be given many times."""

    def __init__(self, values: Mapping[str, Sequence[str]]) -> None:
        self._values = values

    @classmethod
    async def of(cls, request: Request) -> "Parameters":
        """Read them from the URL and, for a POST or PUT, from the form in the body."""
        query: bytes = request.scope["query_string"]
        pairs = _pairs(query)
        if request.method in _WITH_FORM:
            body = bytearray()
            async for chunk in request.stream():
                body += chunk
                if len(body) > _MAX_FORM_BYTES:
                    raise LimitExceededError(f"the form is larger than {_MAX_FORM_BYTES:,} bytes")
            # What is in both counts as the form has it, as in Prometheus.
            pairs = _form_pairs(request.headers.get("content-type", ""), bytes(body)) + pairs
        values: dict[str, list[str]] = {}
        for name, value in pairs:
            values.setdefault(name, []).append(value)
        return cls(values)

    def all(self, name: str) -> Sequence[str]:
        """Return every value of *name*."""
        return self._values.get(name, ())

    def text(self, name: str, default: str = "") -> str:
        """Return the first value of *name*."""
        return next(iter(self.all(name)), default)

    def required(self, name: str) -> str:
        """Return the first value of *name*; raises `InvalidInputError` where there is none."""
        if not (value := self.text(name)):
            raise InvalidInputError(f'invalid parameter "{name}": it is missing')
        return value

    def time_ms(self, name: str, default_ms: int) -> int:
        """Return a time in Unix milliseconds, given as RFC 3339 or as Unix seconds."""
        value = self.text(name)
        return parse_time(name, value) if value else default_ms

    def duration_ms(self, name: str) -> int | None:
        """Return the duration *name* in milliseconds; None where it is not given."""
        value = self.text(name)
        return parse_duration(name, value) if value else None

    def limit(self, name: str = "limit", default: int = 0) -> int:
        """Return the bound *name* on how much is answered; zero is none."""
        return _whole_number(name, self.text(name) or str(default))

    def bound(self, name: str) -> int | None:
        """Return the bound *name*, which may be zero; None where it is not given or negative."""
        value = self.text(name)
        found = _whole_number(name, value.removeprefix("-")) if value else 0
        return found if value and not value.startswith("-") else None

    def flag(self, name: str) -> bool:
        """Return the truth value *name*, false where it is not given."""
        value = self.text(name).lower()
        if value not in _TRUTH:
            raise InvalidInputError(f'invalid parameter "{name}": {value!r} is not true or false')
        return _TRUTH[value]

    def grid(self) -> Grid:
        """Return the grid of `start`, `end` and `step`."""
        start_ms = parse_time("start", self.required("start"))
        end_ms = parse_time("end", self.required("end"))
        step_ms = parse_duration("step", self.required("step"))
        if end_ms < start_ms:
            raise InvalidInputError(
                'invalid parameter "end": end timestamp must not be before start time'
            )
        if step_ms <= 0:
            raise InvalidInputError(
                'invalid parameter "step": zero or negative query resolution step widths are not'
                " accepted. Try a positive integer"
            )
        grid = Grid(start_ms, end_ms, step_ms)
        if len(grid) - 1 > MAX_POINTS:
            raise InvalidInputError(
                "exceeded maximum resolution of 11,000 points per timeseries."
                " Try decreasing the query resolution (?step=XX)"
            )
        return grid


def _pairs(text: bytes) -> list[tuple[str, str]]:
    """Return the names and values of a query string or form; raises `InvalidInputError`."""
    try:
        return parse_qsl(text.decode(), keep_blank_values=True, errors="strict")
    except UnicodeDecodeError as error:
        raise InvalidInputError(f"a parameter is not valid UTF-8: {error}") from error


def _form_pairs(content_type: str, body: bytes) -> list[tuple[str, str]]:
    """Return the same of a request's *body*, none where its type is no form."""
    header = Message()
    header["Content-Type"] = content_type
    match header.get_content_type() if content_type else "":
        case "application/x-www-form-urlencoded":
            return _pairs(body)
        case "multipart/form-data":
            return _multipart_pairs(content_type, body)
    return []


def _multipart_pairs(content_type: str, body: bytes) -> list[tuple[str, str]]:
    whole = message_from_bytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body)
    pairs: list[tuple[str, str]] = []
    for part in whole.walk():
        name, content = (
            part.get_param("name", header="content-disposition"),
            part.get_payload(decode=True),
        )
        if isinstance(name, str) and isinstance(content, bytes):
            try:
                pairs.append((name, content.decode()))
            except UnicodeDecodeError as error:
                raise InvalidInputError(f"a parameter is not valid UTF-8: {error}") from error
    return pairs


def _whole_number(name: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or len(text) > _MAX_LIMIT_DIGITS:
        raise InvalidInputError(f'invalid parameter "{name}": {text!r} is not a number >= 0')
    return int(text)


def _number(text: str) -> float:
    """Return *text* as a number; raises `ValueError`, also where only Python would read it."""
    if not text.isascii() or text != text.strip():
        raise ValueError(text)
    return float(text)


def parse_time(name: str, text: str) -> int:
    """Return Unix milliseconds; raises `InvalidInputError` naming parameter *name*."""
    try:
        seconds = _number(text)
    except ValueError:
        if _RFC3339.fullmatch(text):
            # The 45th of a month, or a time zone that leads out of the calendar.
            with suppress(ValueError, OverflowError):
                moment = datetime.fromisoformat(text.upper())
                return round(moment.astimezone(UTC).timestamp() * 1000)
    else:
        if math.isfinite(seconds) and abs(seconds) < _MAX_TIME_S:
            return round(seconds * 1000)
    raise InvalidInputError(
        f'invalid parameter "{name}": cannot parse "{text}" to a valid timestamp'
    )


def parse_duration(name: str, text: str) -> int:
    """Return milliseconds; raises `InvalidInputError` naming parameter *name*."""
    try:
        seconds = _number(text)
    except ValueError:
        try:
            seconds = Duration.parse(text).seconds
        except (InvalidInputError, OverflowError) as error:
            raise InvalidInputError(
                f'invalid parameter "{name}": cannot parse "{text}" to a valid duration'
            ) from error
    if not math.isfinite(seconds) or abs(seconds) >= _MAX_TIME_S:
        raise InvalidInputError(f'invalid parameter "{name}": "{text}" is out of range')
    return round(seconds * 1000)
