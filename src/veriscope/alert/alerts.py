"""The alerts that are known, merged as Alertmanager merges them, and kept over restarts."""

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import msgspec

from veriscope.alert.group import Alert, fingerprint_of
from veriscope.alert.state import Journal
from veriscope.signals import Clock, Labels, OverloadedError
from veriscope.signals.alerts import PostedAlert
from veriscope.signals.log import get_log

_log = get_log(__name__)
_KIND: Final = "alert"
_MOST: Final = 200_000


@dataclass(frozen=True, slots=True)
class StoredAlert:
    """An alert as it was last heard of; times are Unix milliseconds."""

    labels: Labels
    annotations: Labels
    starts_at_ms: int
    ends_at_ms: int
    """When it ended; in the future, when it ends unless it is heard of again."""
    updated_at_ms: int
    generator_url: str = ""
    times_out: bool = False
    """Whether the end is not the sender's word but `resolve_timeout` from when it was sent."""

    @property
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits that stand for the labels."""
        return fingerprint_of(self.labels)

    def resolved_at(self, now_ms: int) -> bool:
        """Tell whether it has ended by *now_ms*."""
        return self.ends_at_ms <= now_ms

    def notified(self, now_ms: int) -> Alert:
        """Return it as notifications say it: what still fires at *now_ms* has no end."""
        return Alert(
            self.labels,
            self.annotations,
            self.starts_at_ms,
            self.ends_at_ms if self.resolved_at(now_ms) else None,
            self.generator_url,
        )


class _Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An alert as it is stored; without an end, it fired when that was written."""

    labels: Labels
    annotations: Labels
    starts_at_ms: int
    ends_at_ms: int | None
    updated_at_ms: int
    generator_url: str
    times_out: bool


class Alerts:
    """
    Every alert, by fingerprint, until it is collected. Used from one event loop.

    What changes an alert is stored; that it still fires is not, so a restart takes the alerts
    that fired for firing, and gives them `resolve_timeout` to be heard of again.
    """

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock
        self._kept: dict[str, StoredAlert] = {}
        self._stored: dict[str, _Document] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def all(self) -> list[StoredAlert]:
        """Return every alert, those that have ended included."""
        return list(self._kept.values())

    def get(self, fingerprint: str) -> StoredAlert | None:
        """Return an alert, or None where it is not known."""
        return self._kept.get(fingerprint)

    def require_room(self, posted: Sequence[PostedAlert]) -> None:
        """Raise `OverloadedError` where *posted* would be more alerts than are kept."""
        if len(self._kept) + len(posted) <= _MOST:
            return
        new = {fingerprint_of(alert.labels) for alert in posted}.difference(self._kept)
        if len(self._kept) + len(new) > _MOST:
            raise OverloadedError(
                f"{_MOST:,} alerts are kept already; send fewer, such as by rules that aggregate",
                retry_after_s=60,
            )

    def put(self, posted: PostedAlert, resolve_timeout_ms: int) -> StoredAlert:
        """Take an alert, merge it with what is known of it, and return what that makes."""
        now_ms = self._clock.now_ms()
        alert = _received(posted, now_ms, resolve_timeout_ms)
        old = self._kept.get(alert.fingerprint)
        if old is not None and _overlap(alert, old):
            alert = _merge(old, alert, now_ms)
        self._kept[alert.fingerprint] = alert
        self.settle(alert, now_ms)
        return alert

    def settle(self, alert: StoredAlert, now_ms: int) -> None:
        """Have stored how *alert* stands at *now_ms*, unless that is stored already."""
        document = _Document(
            alert.labels,
            alert.annotations,
            alert.starts_at_ms,
            alert.ends_at_ms if alert.resolved_at(now_ms) else None,
            alert.updated_at_ms,
            alert.generator_url,
            alert.times_out,
        )
        fingerprint = alert.fingerprint
        before = self._stored.get(fingerprint)
        if before is None or _differ(before, document):
            self._stored[fingerprint] = document
            self._journal.put(_KIND, fingerprint, msgspec.json.encode(document))

    async def load(self, resolve_timeout_ms: int) -> None:
        """Read the alerts that were stored; raises what the store raises."""
        found = _read(await self._journal.all(_KIND))
        now_ms = self._clock.now_ms()
        for fingerprint, document in found.items():
            self._stored[fingerprint] = document
            ends_at_ms = document.ends_at_ms
            self._kept[fingerprint] = StoredAlert(
                document.labels,
                document.annotations,
                document.starts_at_ms,
                now_ms + resolve_timeout_ms if ends_at_ms is None else min(ends_at_ms, now_ms),
                min(document.updated_at_ms, now_ms),
                document.generator_url,
                document.times_out or ends_at_ms is None,
            )

    def collect(self, is_needed: Container[str]) -> list[StoredAlert]:
        """Forget the alerts that have ended, except those that are needed; return them."""
        now_ms = self._clock.now_ms()
        gone = [
            alert
            for fingerprint, alert in self._kept.items()
            if alert.resolved_at(now_ms) and fingerprint not in is_needed
        ]
        for alert in gone:
            del self._kept[alert.fingerprint]
            if self._stored.pop(alert.fingerprint, None) is not None:
                self._journal.delete(_KIND, alert.fingerprint)
        return gone

    def move(self, by_ms: int, changed: Callable[[StoredAlert, StoredAlert], None]) -> None:
        """
        Keep alerts as they are when the wall clock jumps by *by_ms*.

        What fired still has as long to go; what had ended has ended. *changed* is told of each
        alert, before and after.
        """
        now_ms = self._clock.now_ms()
        for fingerprint, alert in self._kept.items():
            if alert.resolved_at(now_ms - by_ms):
                moved = replace(alert, ends_at_ms=min(alert.ends_at_ms, now_ms))
            else:
                moved = replace(
                    alert,
                    starts_at_ms=alert.starts_at_ms + by_ms,
                    ends_at_ms=alert.ends_at_ms + by_ms,
                )
            moved = replace(moved, updated_at_ms=min(moved.updated_at_ms, now_ms))
            self._kept[fingerprint] = moved
            changed(alert, moved)


def _received(posted: PostedAlert, now_ms: int, resolve_timeout_ms: int) -> StoredAlert:
    """Fill in what the sender left open, as Alertmanager's API does."""
    starts_at_ms, ends_at_ms = posted.starts_at_ms, posted.ends_at_ms
    if starts_at_ms is None:
        starts_at_ms = now_ms if ends_at_ms is None else ends_at_ms
    return StoredAlert(
        posted.labels,
        posted.annotations,
        starts_at_ms,
        now_ms + resolve_timeout_ms if ends_at_ms is None else ends_at_ms,
        now_ms,
        posted.generator_url,
        ends_at_ms is None,
    )


def _overlap(new: StoredAlert, old: StoredAlert) -> bool:
    """Tell whether the new one begins or ends within the old one (`provider/mem/mem.go`)."""
    begins = old.starts_at_ms < new.starts_at_ms < old.ends_at_ms
    return begins or old.starts_at_ms < new.ends_at_ms < old.ends_at_ms


def _merge(old: StoredAlert, new: StoredAlert, now_ms: int) -> StoredAlert:
    """Return what both say together (`Alert.Merge` in Alertmanager's `types/types.go`)."""
    if new.updated_at_ms < old.updated_at_ms:
        old, new = new, old
    ends_at_ms = new.ends_at_ms
    if old.ends_at_ms > ends_at_ms:
        if new.resolved_at(now_ms):
            # Of two ends that have come, the later; of one that is still to come, the new word.
            ends_at_ms = old.ends_at_ms if old.resolved_at(now_ms) else ends_at_ms
        elif not old.times_out:
            ends_at_ms = old.ends_at_ms
    return replace(new, starts_at_ms=min(old.starts_at_ms, new.starts_at_ms), ends_at_ms=ends_at_ms)


def _differ(before: _Document, now: _Document) -> bool:
    """Tell whether more has changed than when it was heard of."""
    return msgspec.structs.replace(before, updated_at_ms=now.updated_at_ms) != now


def _read(documents: Mapping[str, bytes]) -> dict[str, _Document]:
    found = {}
    for fingerprint, body in documents.items():
        try:
            found[fingerprint] = msgspec.json.decode(body, type=_Document)
        except msgspec.DecodeError as error:
            _log.error("alert_not_readable", fingerprint=fingerprint, error=str(error))
    return found
