"""
Failures of the engine, told apart by what the caller can do.

VeriscopeError
├── InvalidInputError
│   ├── RefusedError            what was sent was refused (malformed, against a rule)
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
    """The data or the expression was refused; nothing of it was stored."""


class FetchTooLargeError(LimitExceededError):
    """A fetch would read more samples, or take more memory, than it is allowed."""


class FetchTimeoutError(TimedOutError):
    """A fetch took longer than it is allowed and was stopped."""


class DataDirectoryInUseError(UnavailableError):
    """Another process holds the data directory; an embedded store has one owner."""


class EngineError(UnavailableError):
    """The engine failed: a full disk, a lost connection, a fault of its own."""


_MARKED: Final = re.compile(r"\[\[(.+?)\]\]", re.DOTALL)
# What the engine, its server and the client wrap around the reason.
_HEAD: Final = re.compile(
    r"^(Received ClickHouse exception, code: \d+, server response: )?"
    r"((Poco::Exception\. )?(Code: \d+[.,] )?(DB::Exception: )?)*"
)
_TAIL: Final = re.compile(
    r"(: While executing|: In scope | \(in file/uri|:? ?\(at row \d+\)| \([A-Z_]{3,}\)| \(version "
    r"| \(for url ).*$",
    re.DOTALL,
)
_CONNECTION: Final = re.compile(r"^HTTPS?Connection(Pool)?\(host='(.+?)', port=(\d+)\): ")

# ClickHouse's src/Common/ErrorCodes.cpp
_THROW_IF: Final = 395
_TOO_MANY_PARTS: Final = 252
_BAD_REGEX: Final = 427
_MEMORY_LIMIT: Final = 241
_MALFORMED: Final = frozenset({32, 33, 436, 444})
_IMPOSSIBLE_LENGTH: Final = "passed to allocator"
_DATA: Final = frozenset({36, 38, 41, 53, 62, 69, 117, 131, 407})
_TOO_LARGE: Final = frozenset({158, _MEMORY_LIMIT, 307, 396})
_TIMEOUT: Final = frozenset({159, 160})


def translate(error: ClientError) -> VeriscopeError:
    """Return the failure of a query, which the engine's client met as *error*."""
    code, reason = _code(error), _reason(error)
    if code == _BAD_REGEX:
        return RefusedError(reason.split(". Look at", maxsplit=1)[0])
    if code in _DATA:
        return RefusedError(reason)
    if code in _TOO_LARGE:
        return FetchTooLargeError(f"{reason}; narrow the time range or the selector")
    if code in _TIMEOUT:
        return FetchTimeoutError(f"{reason}; narrow the time range or the selector")
    return EngineError(f"the storage engine failed: {reason}")


def translate_insert(error: ClientError) -> VeriscopeError:
    """Return the failure of an insert, which the engine's client met as *error*."""
    code, text = _code(error), str(error)
    if code == _THROW_IF and (marked := _MARKED.search(text)):
        return RefusedError(marked[1])
    if code == _TOO_MANY_PARTS and "partitions for single INSERT" in text:
        return RefusedError("times of more than 100 different weeks or days; send them in parts")
    if code in _MALFORMED or _IMPOSSIBLE_LENGTH in text:
        return RefusedError("the body is not a well-formed protobuf message of the right type")
    # The engine makes room for a string as long as the message says it is, before it reads it.
    # Its own limit on an insert is the body's fault; that of the whole process is not.
    if code == _MEMORY_LIMIT and "(total)" not in text:
        return RefusedError("the body is malformed, or needs too much memory; send it in parts")
    if code in _DATA:
        return RefusedError(_reason(error))
    return EngineError(f"the storage engine failed: {_reason(error)}")


def explain_connecting(error: ClientError) -> EngineError:
    """Return why the engine could not be opened."""
    return EngineError(f"cannot open the store: {_reason(error)}")


def _code(error: ClientError) -> int | None:
    code: int | None = getattr(error, "code", None)
    return code


def _reason(error: ClientError) -> str:
    """Return why, in one line and without what was wrapped around it."""
    # A connection's own failure rests under those of the client's retries.
    cause = getattr(error.__cause__, "reason", None) or error.__cause__
    if match := _CONNECTION.match(str(cause)):
        failure = str(cause)[match.end() :].removeprefix("Failed to establish a new connection: ")
        return f"no answer from ClickHouse at {match[2]}:{match[3]}: {failure}"
    return " ".join(_TAIL.sub("", _HEAD.sub("", str(error))).split())
