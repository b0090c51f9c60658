"""Alerts as clients post them: read, and judged as Alertmanager judges them."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from veriscope.signals import InvalidInputError, Labels, LimitExceededError, to_labels
from veriscope.signals.alerts import PostedAlert
from veriscope.web.alertmanager.posted import unreadable
from veriscope.web.alertmanager.refusals import ILL_FORMED, REQUIRED, misdescribed
from veriscope.web.alertmanager.times import parse_moment

_MAX_ALERTS: Final = 50_000
_MAX_LABELS: Final = 200
_MAX_ALERT_BYTES: Final = 64 << 10
_URI: Final = re.compile(
    r"(?:[a-zA-Z][a-zA-Z0-9+.-]*:(?://(?:[^\[\]/?#\s]*@)?(?:\[[^\[\]/?#\s]*\]|[^\[\]/?#\s])*)?|/)"
    r"(?:[^\x00-\x1f\x7f%?#]|%[0-9a-fA-F]{2})*(?:[?#][^\x00-\x1f\x7f]*)?"
)


class _Body(msgspec.Struct, rename="camel", kw_only=True):
    """An alert as clients post it; unknown keys say nothing."""

    labels: dict[str, str | None] | None = None
    annotations: dict[str, str | None] | None = None
    starts_at: str | None = None
    ends_at: str | None = None
    generator_url: str | None = msgspec.field(default=None, name="generatorURL")


DECODER: Final = msgspec.json.Decoder(list[_Body] | None)
"""Of a request's body."""


def read_alerts(bodies: Sequence[_Body] | None) -> list[PostedAlert]:
    """Return the alerts; raises where one is not as the API's description has it."""
    bodies = bodies or ()
    if len(bodies) > _MAX_ALERTS:
        raise LimitExceededError(
            f"{len(bodies):,} alerts in one request, {_MAX_ALERTS:,} allowed; send them in several"
        )
    for place, body in enumerate(bodies):
        _check_description(place, body)
    return [_read(body) for body in bodies]


def _check_description(place: int, body: _Body) -> None:
    if body.labels is None:
        raise misdescribed(f"{place}.labels in body is required", REQUIRED)
    if body.generator_url and not _URI.fullmatch(body.generator_url):
        raise misdescribed(
            f'{place}.generatorURL in body must be of type uri: "{body.generator_url}"', ILL_FORMED
        )


def _read(body: _Body) -> PostedAlert:
    try:
        return PostedAlert(
            _pairs(body.labels),
            _pairs(body.annotations),
            parse_moment(body.starts_at or ""),
            parse_moment(body.ends_at or ""),
            body.generator_url or "",
        )
    except InvalidInputError as error:
        raise unreadable("alerts", error) from error


def _pairs(given: Mapping[str, str | None] | None) -> Labels:
    return to_labels({name: value or "" for name, value in (given or {}).items()})


def fault_of(alert: PostedAlert, latest_ms: int) -> str:
    """Say what is wrong with *alert*, empty for nothing; without an end it ends at *latest_ms*."""
    ends_ms = latest_ms if alert.ends_at_ms is None else alert.ends_at_ms
    if alert.starts_at_ms is not None and alert.starts_at_ms > ends_ms:
        return "start time must be before end time"
    if not alert.labels:
        return "at least one label pair required"
    if not alert.labels[0][0]:
        return 'invalid label set: invalid name ""'
    if alert.annotations and not alert.annotations[0][0]:
        return 'invalid annotations: invalid name ""'
    return _excess_of((*alert.labels, *alert.annotations))


def _excess_of(pairs: Labels) -> str:
    """Say which limit labels and annotations pass, empty for none."""
    if len(pairs) > _MAX_LABELS:
        return f"{len(pairs):,} labels and annotations, {_MAX_LABELS} allowed; send fewer"
    size = sum(len(name.encode()) + len(value.encode()) for name, value in pairs)
    if size > _MAX_ALERT_BYTES:
        return f"{size:,} bytes of labels and annotations, {_MAX_ALERT_BYTES:,} allowed; send less"
    return ""
