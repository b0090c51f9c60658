"""Times as Alertmanager's API reads and writes them."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from veriscope.signals import InvalidInputError

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_FORM: Final = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d([.,]\d{1,9})?)?(Z|[+-]\d\d:\d\d)?", re.ASCII
)


def parse_moment(text: str) -> int | None:
    """
    Return Unix milliseconds, rounded down; None for an empty text and for Go's time of never.

    A time without zone is UTC. Raises `InvalidInputError`.
    """
    if not text:
        return None
    if not _FORM.fullmatch(text):
        raise _unreadable(text)
    try:
        # Python reads at most six digits of a second's fraction, and rounds nothing.
        moment = datetime.fromisoformat(text.replace(",", "."))
    except ValueError as error:
        raise _unreadable(text) from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return None if moment.year == 1 else (moment - _EPOCH) // _MILLISECOND


def spell(time_ms: int) -> str:
    """Return Unix milliseconds as `2006-01-02T15:04:05.000Z`."""
    moment = _EPOCH + timedelta(milliseconds=time_ms)
    return f"{moment.replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"


def _unreadable(text: str) -> InvalidInputError:
    return InvalidInputError(
        f'cannot read the time "{text[:80]}"; write it as 2006-01-02T15:04:05.000Z'
    )
