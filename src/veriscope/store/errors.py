"""
Failures of the engine, told apart by what the caller can do.

VeriscopeError
├── InvalidInputError
│   ├── RefusedError            the engine refused what was sent (malformed, against a rule)
│   └── LimitExceededError
│       └── FetchTooLargeError  a fetch reads or needs more than it may
├── UnavailableError
│   ├── DataDirectoryInUseError another process holds the data directory
│   └── EngineError             the engine failed for a reason that is not the caller's
└── TimedOutError
    └── FetchTimeoutError       a fetch took longer than it may
"""

import re
from typing import Final

from clickhouse_connect.driver.exceptions import Error as ClientError

from veriscope.signals import (
    InvalidInputError,
    LimitExceededError,
    TimedOutError,
    UnavailableError,
    VeriscopeError,
)


class RefusedError(InvalidInputError):
    """The engine refused the data or the expression; nothing of it was stored."""


class FetchTooLargeError(LimitExceededError):
    """A fetch would read more samples, or take more memory, than it is allowed."""


class FetchTimeoutError(TimedOutError):
    """A fetch took longer than it is allowed and was stopped."""


class DataDirectoryInUseError(UnavailableError):
    """Another process holds the data directory; an embedded store has one owner."""


class EngineError(UnavailableError):
    """The engine failed: a full disk, a lost connection, a fault of its own."""


_MARKED: Final = re.compile(r"\[\[(.+?)\]\]", re.DOTALL)
_CODE: Final = re.compile(r"^(?:Code: \d+\. )?(?:DB::Exception: )?(?:Code: \d+\. DB::Exception: )?")

# ClickHouse's src/Common/ErrorCodes.cpp
_THROW_IF: Final = 395
_TOO_MANY_PARTS: Final = 252
_BAD_REGEX: Final = 427
_CORRUPT_PROTOBUF: Final = 444
_DATA: Final = frozenset({33, 36, 38, 41, 53, 62, 69, 117, 131, 407})
_TOO_LARGE: Final = frozenset({158, 241, 307, 396})
_TIMEOUT: Final = frozenset({159, 160})


def translate(error: ClientError) -> VeriscopeError:
    """Return the failure of the engine's client *error* as one of this module."""
    code, text = getattr(error, "code", None), str(error)
    short = _CODE.sub("", text).split(": While executing")[0].split(" (in file/uri")[0]
    if (refusal := _refusal(code, text, short)) is not None:
        return RefusedError(refusal)
    if code in _TOO_LARGE:
        return FetchTooLargeError(f"{short}; narrow the time range or the selector")
    if code in _TIMEOUT:
        return FetchTimeoutError(f"{short}; narrow the time range or the selector")
    return EngineError(f"the storage engine failed: {short}")


def _refusal(code: int | None, text: str, short: str) -> str | None:
    if code == _THROW_IF and (marked := _MARKED.search(text)):
        return marked[1]
    if code == _TOO_MANY_PARTS and "partitions for single INSERT" in text:
        return "samples of more than 100 different weeks; send them in parts"
    if code == _CORRUPT_PROTOBUF:
        return "the body is not a well-formed protobuf message of the right type"
    if code == _BAD_REGEX:
        return short.split(". Look at", maxsplit=1)[0]
    return short if code in _DATA else None
