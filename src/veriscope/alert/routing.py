"""Routing: which routes, and so which receivers and groups, an alert belongs to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from veriscope.alert.config.routes import GROUP_BY_ALL, RouteConfig
from veriscope.alert.matchers import Matching
from veriscope.signals import Duration, Labels, Matcher, keep

_GROUP_WAIT: Final = Duration.parse("30s")
_GROUP_INTERVAL: Final = Duration.parse("5m")
_REPEAT_INTERVAL: Final = Duration.parse("4h")


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """A node of the tree, with what it inherits filled in; each is its own identity."""

    key: str
    """The matchers from the root to here, as they begin Alertmanager's `groupKey`."""
    receiver: str
    group_by: frozenset[str]
    group_by_all: bool
    group_wait_s: float
    group_interval_s: float
    repeat_interval_s: float
    mute_time_intervals: tuple[str, ...]
    active_time_intervals: tuple[str, ...]
    continues: bool
    matchers: tuple[Matcher, ...]
    routes: tuple["Route", ...]
    _matching: Matching = field(repr=False)

    def find(self, labels: Labels) -> list["Route"]:
        """
        Return the routes for an alert with *labels*, of this one and those below it.

        The deepest that match, in the order of the file; after one that matches the next of its
        level are tried only where it says `continue`. None where this one does not match.
        """
        return self._find(dict(labels))

    def _find(self, labels: Mapping[str, str]) -> list["Route"]:
        if not self._matching.matches(labels):
            return []
        found: list[Route] = []
        for route in self.routes:
            deeper = route._find(labels)  # noqa: SLF001 - of the same class
            found += deeper
            if deeper and not route.continues:
                break
        return found or [self]

    def group_labels(self, labels: Labels) -> Labels:
        """Return those of *labels* that name the group of the alert in this route."""
        return labels if self.group_by_all else keep(labels, self.group_by)


def build_routes(config: RouteConfig) -> Route:
    """Return the root of the tree that *config* describes."""
    return _build(config, None)


def _build(config: RouteConfig, above: "_Inherited | None") -> Route:
    above = above or _Inherited()
    matchers = tuple(config.all_matchers())
    spelled = "{" + ",".join(map(str, matchers)) + "}"
    here = _Inherited(
        key=f"{above.key}/{spelled}" if above.key else spelled,
        receiver=config.receiver or above.receiver,
        group_by=config.group_by or above.group_by,
        group_wait=_given(config.group_wait, above.group_wait),
        group_interval=_given(config.group_interval, above.group_interval),
        repeat_interval=_given(config.repeat_interval, above.repeat_interval),
    )
    return Route(
        key=here.key,
        receiver=here.receiver,
        group_by=frozenset(here.group_by) - {GROUP_BY_ALL},
        group_by_all=GROUP_BY_ALL in here.group_by,
        group_wait_s=here.group_wait.seconds,
        group_interval_s=here.group_interval.seconds,
        repeat_interval_s=here.repeat_interval.seconds,
        mute_time_intervals=config.mute_time_intervals,
        active_time_intervals=config.active_time_intervals,
        continues=config.continue_,
        matchers=matchers,
        routes=tuple(_build(each, here) for each in config.routes),
        _matching=Matching(matchers),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Inherited:
    """What a route hands down to those below it."""

    key: str = ""
    receiver: str = ""
    group_by: tuple[str, ...] = ()
    group_wait: Duration = _GROUP_WAIT
    group_interval: Duration = _GROUP_INTERVAL
    repeat_interval: Duration = _REPEAT_INTERVAL


def _given(value: Duration | None, otherwise: Duration) -> Duration:
    return otherwise if value is None else value
