"""Durations, sizes and secrets as Prometheus' configuration files spell them."""

import re
from typing import Any, Final

from veriscope.signals.errors import InvalidInputError

UNIT_MS: Final = {
    "y": 31_536_000_000,
    "w": 604_800_000,
    "d": 86_400_000,
    "h": 3_600_000,
    "m": 60_000,
    "s": 1_000,
    "ms": 1,
}
"""Milliseconds by unit, the longest first."""

_DURATION: Final = re.compile(
    r"(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?"
)
_SIZE: Final = re.compile(r"(\d+)\s*(B|[KMGTPE]i?B?)?", re.IGNORECASE)
_POWER: Final = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4, "P": 5, "E": 6}


class Duration(int):
    """A length of time in milliseconds, written `1h30m`, `15s`, `250ms`."""

    @classmethod
    def parse(cls, text: str) -> "Duration":
        """Read Prometheus' spelling; raises `InvalidInputError` on any other."""
        if text == "0":
            return cls(0)
        match = _DURATION.fullmatch(text)
        if not text or match is None:
            raise InvalidInputError(
                f"{text!r} is not a duration; write it as 15s, 1m30s, 250ms or 30d"
            )
        return cls(
            sum(
                int(count) * unit
                for count, unit in zip(match.groups(), UNIT_MS.values(), strict=True)
                if count
            )
        )

    @property
    def seconds(self) -> float:
        """The duration in seconds."""
        return self / 1000

    def __str__(self) -> str:
        """
        Spell the duration as `parse` reads it.

        Years and weeks only where nothing is left over: 30d is easier to read than 4w2d. Source:
        Prometheus, common/model/time.go.
        """
        if not self:
            return "0s"
        rest, parts = int(self), []
        for unit, ms in UNIT_MS.items():
            if unit in ("y", "w") and rest % ms:
                continue
            count, rest = divmod(rest, ms)
            if count:
                parts.append(f"{count}{unit}")
        return "".join(parts)


class ByteSize(int):
    """A number of bytes, written `512KB`, `10MB`, `1GiB`; every unit is a power of 1024."""

    @classmethod
    def parse(cls, text: str) -> "ByteSize":
        """Read Prometheus' spelling; raises `InvalidInputError` on any other."""
        match = _SIZE.fullmatch(text.strip())
        if match is None:
            raise InvalidInputError(f"{text!r} is not a size; write it as 512KB, 10MB or 1GiB")
        letter = (match[2] or "").upper().rstrip("B").rstrip("I")
        return cls(int(match[1]) * 1024 ** _POWER[letter])


class Secret(str):
    """A string that shows itself as `<secret>`; `reveal` gives the text."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<secret>"

    def __str__(self) -> str:
        """Hide the text, also in f-strings and logs."""
        return "<secret>"

    def __format__(self, spec: str) -> str:
        return format("<secret>", spec)

    def reveal(self) -> str:
        """Return the text itself."""
        return "".join(self)


def require_at_least(options: object, least: int, *names: str) -> None:
    """Raise `ValueError` where one of the fields *names* of *options* is less than *least*."""
    for name in names:
        if (found := getattr(options, name)) < least:
            raise ValueError(f"{name} is {found}; it must be at least {type(found)(least)}")


def decode_unit(wanted: type, found: Any) -> Any:
    """
    Build the types of this module from configuration values (msgspec's `dec_hook`).

    Raises `ValueError`, which msgspec turns into an error that says where the value stands.
    """
    try:
        if wanted is Duration and isinstance(found, str):
            return Duration.parse(found)
        if wanted is ByteSize and isinstance(found, str | int):
            return ByteSize.parse(str(found))
    except InvalidInputError as error:
        raise ValueError(str(error)) from error
    if wanted is Secret and isinstance(found, str):
        return Secret(found)
    raise ValueError(f"cannot read {found!r} as a {wanted.__name__.lower()}")
