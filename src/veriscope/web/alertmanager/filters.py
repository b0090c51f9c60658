"""What a question for alerts or silences selects."""

from collections.abc import Callable, Sequence
from typing import Final

import re2

from veriscope.alert.dispatch.views import AlertState, AlertView
from veriscope.alert.matchers import Matching, parse_matcher
from veriscope.signals import Matcher
from veriscope.web.alertmanager.refusals import RefusedError
from veriscope.web.parameters import Parameters

# What the library that Alertmanager reads parameters with takes for true; all else is false.
_TRUE: Final = frozenset(
    {"", "true", "1", "yes", "ok", "y", "on", "selected", "checked", "t", "enabled"}
)


def alert_filter(given: Parameters) -> Callable[[AlertView], bool]:
    """Return what tells whether an alert is asked for, whoever its receivers are."""
    matching = Matching(parse_filters(given))
    active, silenced, inhibited, unprocessed = (
        given.text(name).lower() in _TRUE
        for name in ("active", "silenced", "inhibited", "unprocessed")
    )

    def wanted(view: AlertView) -> bool:
        status = view.status
        if (
            (not active and status.state is AlertState.ACTIVE)
            or (not unprocessed and status.state is AlertState.UNPROCESSED)
            or (not silenced and status.silenced_by)
            or (not inhibited and status.inhibited_by)
        ):
            return False
        return matching.matches(dict(view.alert.labels))

    return wanted


def parse_filters(given: Parameters) -> Sequence[Matcher]:
    """Return the matchers of each `filter`."""
    return [parse_matcher(text) for text in given.all("filter")]


def receiver_filter(given: Parameters) -> Callable[[Sequence[str]], bool]:
    """Return what tells whether the expression `receiver` matches the whole of one of the names."""
    if not (pattern := given.text("receiver")):
        return lambda _: True
    options = re2.Options()
    options.log_errors = False
    try:
        compiled = re2.compile(f"^(?:{pattern})$", options)
    except re2.error as error:
        raise RefusedError(
            400, f"failed to parse receiver param: {error.args[0].decode()}: `{pattern}`"
        ) from error
    return lambda names: any(compiled.search(name) for name in names)
