"""The route tree of Alertmanager's configuration file."""

import re
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from veriscope.alert.matchers import parse_matchers, require_regex, sort_key
from veriscope.signals import Duration, InvalidInputError, Matcher, MatchOp

GROUP_BY_ALL: Final = "..."
"""The entry of `group_by` that makes every set of labels a group of its own."""
_LABEL: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


class RouteConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One route; what is not given is that of the route above it."""

    receiver: str = ""
    """Who is told; the root route must have one."""
    group_by: tuple[str, ...] = ()
    """Labels by which alerts are grouped; `...` alone groups by all labels."""
    continue_: bool = msgspec.field(default=False, name="continue")
    """Whether the routes after this one are tried too when it matches."""
    match: dict[str, str] = {}
    """Labels and the values that they must have; the older spelling of `matchers`."""
    match_re: dict[str, str] = {}
    """Labels and the regular expressions that they must match; the older spelling too."""
    matchers: tuple[str, ...] = ()
    """Matchers such as `severity="critical"`, all of which an alert must fulfil."""
    group_wait: Duration | None = None
    """How long a new group waits for further alerts; 30s at the root."""
    group_interval: Duration | None = None
    """How long a group waits after a notification before its changes are sent; 5m at the root."""
    repeat_interval: Duration | None = None
    """After which time what still fires is sent again; 4h at the root."""
    mute_time_intervals: tuple[str, ...] = ()
    """Names of time intervals in which nothing is sent; not handed down."""
    active_time_intervals: tuple[str, ...] = ()
    """Names of the only time intervals in which anything is sent; not handed down."""
    routes: tuple["RouteConfig", ...] = ()
    """Routes below this one, tried in their order."""

    def __post_init__(self) -> None:
        _check_group_by(self.group_by)
        for name in ("group_interval", "repeat_interval"):
            if getattr(self, name) == 0:
                raise ValueError(f"{name} cannot be zero; give at least 1ms")
        list(self.all_matchers())

    def all_matchers(self) -> Iterator[Matcher]:
        """Give `match`, `match_re` and `matchers` together, in Alertmanager's order."""
        found = [
            *spelled_out(self.match, MatchOp.EQUAL),
            *spelled_out(self.match_re, MatchOp.REGEX),
            *(each for text in self.matchers for each in read_matchers(text)),
        ]
        yield from sorted(found, key=sort_key)


def spelled_out(pairs: dict[str, str], op: MatchOp) -> Iterator[Matcher]:
    """Give the matchers of a `match` or `match_re`. Raises `ValueError`."""
    for name, value in pairs.items():
        require_label(name)
        if op is MatchOp.EQUAL:
            yield Matcher(name, op, value)
            continue
        try:
            require_regex(Matcher(name, op, value))
        except InvalidInputError as error:
            raise ValueError(str(error)) from error
        # Spelled as Alertmanager keeps it, since the matcher is part of the group's key.
        yield Matcher(name, op, f"^(?:{value})$")


def read_matchers(text: str) -> tuple[Matcher, ...]:
    """Read one entry of a list of matchers. Raises `ValueError`, as msgspec wants it."""
    try:
        return parse_matchers(text)
    except InvalidInputError as error:
        raise ValueError(str(error)) from error


def require_label(name: str) -> None:
    """Raise `ValueError` where *name* cannot be a label's."""
    if not _LABEL.fullmatch(name):
        raise ValueError(
            f"{name!r} is not the name of a label; it has letters, digits and `_`, no digit first"
        )


def _check_group_by(names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name != GROUP_BY_ALL:
            require_label(name)
        if name in seen and name != GROUP_BY_ALL:
            raise ValueError(f"group_by has {name!r} twice; remove one")
        seen.add(name)
    if GROUP_BY_ALL in seen and len(seen) > 1:
        raise ValueError(f"group_by has `{GROUP_BY_ALL}`, which is all labels; remove the others")
