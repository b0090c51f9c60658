"""Reads the parameters of Prometheus' HTTP API, as it spells times, steps and limits."""

import math
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final
from urllib.parse import parse_qsl

from starlette.requests import Request

from veriscope.signals import Duration, Grid, InvalidInputError, LimitExceededError

MAX_POINTS: Final = 11_000
"""Steps that one range query may have: Prometheus' own bound on an answer's size."""

_TRUTH: Final = {"": False, "0": False, "false": False, "1": True, "true": True}
_MAX_LIMIT_DIGITS: Final = 18
_MAX_FORM_BYTES: Final = 1 << 20
_MAX_TIME_S: Final = 253_402_300_800  # the year 10000
_RFC3339: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")


class Parameters:
    """The query string and form of a request; a name may be given many times."""

    def __init__(self, values: Mapping[str, Sequence[str]]) -> None:
        self._values = values

    @classmethod
    async def of(cls, request: Request) -> "Parameters":
        """Read them from the URL and, for a POST, from the form in the body."""
        query: bytes = request.scope["query_string"]
        pairs = parse_qsl(query.decode(errors="replace"), keep_blank_values=True)
        if request.method == "POST":
            body = bytearray()
            async for chunk in request.stream():
                body += chunk
                if len(body) > _MAX_FORM_BYTES:
                    raise LimitExceededError(f"the form is larger than {_MAX_FORM_BYTES:,} bytes")
            try:
                form = parse_qsl(body.decode(), keep_blank_values=True)
            except ValueError as error:
                raise InvalidInputError(f"the form cannot be read: {error}") from error
            pairs = form + pairs  # what is in both counts as the form has it, as in Prometheus
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
        """Return the duration *name*, positive, in milliseconds; None where it is not given."""
        if not (value := self.text(name)):
            return None
        if (found_ms := parse_duration(name, value)) <= 0:
            raise InvalidInputError(f'invalid parameter "{name}": it must be positive')
        return found_ms

    def limit(self, name: str = "limit", default: int = 0) -> int:
        """Return the bound *name* on how much is answered; zero is none."""
        value = self.text(name) or str(default)
        if not value.isdecimal() or len(value) > _MAX_LIMIT_DIGITS:
            raise InvalidInputError(f'invalid parameter "{name}": {value!r} is not a number >= 0')
        return int(value)

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


def parse_time(name: str, text: str) -> int:
    """Return Unix milliseconds; raises `InvalidInputError` naming parameter *name*."""
    try:
        seconds = float(text)
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
        seconds = float(text)
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
