"""What a probe is asked to do, checked when it is written down and not when it runs."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any, Final

import msgspec
import re2
from yarl import URL

from veriscope.signals import InvalidInputError

_TOKEN: Final = re2.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_STATUS: Final = re2.compile(r"([1-5])xx|([1-5]\d\d)(?:-([1-5]\d\d))?")
_MISSING: Final = object()


class IpProtocol(StrEnum):
    """The versions of IP that a probe may use; `ANY` tries addresses as the resolver orders."""

    ANY = "any"
    IPV4 = "4"
    IPV6 = "6"


@dataclass(frozen=True)
class BodyCheck:
    """
    Conditions on a body: all of them must hold.

    Regular expressions are RE2 and match anywhere. *json_equals* maps a path such as
    `checks.database` or `items.0.id` to the value that must stand there.
    Raises `InvalidInputError` for an expression that RE2 does not take.
    """

    matches: Sequence[str] = ()
    not_matches: Sequence[str] = ()
    json_equals: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _ = self._expressions

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to check."""
        return not (self.matches or self.not_matches or self.json_equals)

    def fault(self, body: bytes) -> str:
        """Return what is wrong with *body*, or `""`."""
        for wanted, text, expression in self._expressions:
            if bool(expression.search(body)) is not wanted:
                return f"the body {'does not match' if wanted else 'matches'} {text!r}"
        return self._json_fault(body) if self.json_equals else ""

    @cached_property
    def _expressions(self) -> tuple[tuple[bool, str, Any], ...]:
        wanted = [(True, text) for text in self.matches]
        unwanted = [(False, text) for text in self.not_matches]
        return tuple((want, text, _compile(text)) for want, text in [*wanted, *unwanted])

    def _json_fault(self, body: bytes) -> str:
        try:
            document = msgspec.json.decode(body)
        except (msgspec.DecodeError, RecursionError) as error:
            return f"the body is not JSON: {error}"
        for path, expected in self.json_equals.items():
            found = _lookup(document, path)
            if found is _MISSING:
                return f"the body has no {path}"
            # bool is an int to Python, not to JSON.
            if found != expected or isinstance(found, bool) is not isinstance(expected, bool):
                return f"{path} is {found!r:.80}, not {expected!r}"
        return ""


@dataclass(frozen=True)
class ProbeTarget:
    """
    One endpoint and what is expected of it.

    Raises `InvalidInputError` for what cannot be probed.
    """

    url: str
    """`http://` or `https://`; a user and password in it become basic authentication."""
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    timeout_s: float = 5.0
    """Of one attempt, from the resolution of the name to the last byte, redirects included."""
    retries: int = 0
    """Further attempts after one that failed."""
    retry_wait_s: float = 0.2
    """Pause before each further attempt."""
    expected_status: Sequence[int | str] = ("2xx", "3xx")
    """Codes (`200`), classes (`"2xx"`) and ranges (`"200-299"`)."""
    follow_redirects: bool = True
    max_redirects: int = 10
    max_body_bytes: int = 1 << 20
    """A larger body is a failure, and is not read further."""
    body_check: BodyCheck = field(default_factory=BodyCheck)
    ip_protocol: IpProtocol = IpProtocol.ANY
    verify_tls: bool = True
    ca_file: str = ""
    """Authorities (PEM) instead of the machine's own."""
    server_name: str = ""
    """The name that the certificate must have, where it is not the URL's host."""
    keep_body: bool = False
    """Whether the result holds the body."""

    def __post_init__(self) -> None:
        if self.parsed_url.scheme not in ("http", "https") or not self.parsed_url.host:
            raise InvalidInputError(f"{self.shown_url!r} is not an http:// or https:// URL")
        if not _TOKEN.fullmatch(self.method):
            raise InvalidInputError(f"{self.method!r} is not an HTTP method")
        for name, value in self.headers.items():
            if not _TOKEN.fullmatch(name) or {"\r", "\n", "\0"} & set(value):
                raise InvalidInputError(f"header {name!r} cannot be sent as it is")
        if not 0 < self.timeout_s < math.inf or self.max_body_bytes < 0:
            raise InvalidInputError("timeout_s must be positive, max_body_bytes not negative")
        if min(self.retries, self.max_redirects, self.retry_wait_s) < 0:
            raise InvalidInputError("retries, retry_wait_s and max_redirects cannot be negative")
        _ = self._status_ranges

    @cached_property
    def parsed_url(self) -> URL:
        """The URL with its credentials."""
        try:
            return URL(self.url)
        except ValueError as error:
            raise InvalidInputError(f"not a URL: {error}") from error

    @cached_property
    def shown_url(self) -> str:
        """The URL without credentials and fragment."""
        return shown(self.parsed_url)

    def expects(self, status: int) -> bool:
        """Tell whether *status* is an expected one."""
        return any(first <= status <= last for first, last in self._status_ranges)

    @cached_property
    def _status_ranges(self) -> tuple[tuple[int, int], ...]:
        return tuple(_status_range(str(status)) for status in self.expected_status)


def shown(url: URL) -> str:
    """Return *url* without what must not be shown: user, password and fragment."""
    return str(url.with_user(None).with_fragment(None)) if url.absolute else str(url)


def _compile(text: str) -> Any:
    try:
        return re2.compile(text.encode())
    except re2.error as error:
        raise InvalidInputError(f"{text!r} is not an RE2 expression: {error}") from error


def _status_range(text: str) -> tuple[int, int]:
    match = _STATUS.fullmatch(text)
    if match is None:
        raise InvalidInputError(f"{text!r} is not a status; write 200, 2xx or 200-299")
    if match[1]:
        first = int(match[1]) * 100
        return first, first + 99
    return int(match[2]), int(match[3] or match[2])


def _lookup(document: Any, path: str) -> Any:
    found = document
    for part in path.split("."):
        if isinstance(found, dict) and part in found:
            found = found[part]
        elif (
            isinstance(found, list) and part.isascii() and part.isdigit() and int(part) < len(found)
        ):
            found = found[int(part)]
        else:
            return _MISSING
    return found
