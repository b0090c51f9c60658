"""What each integration was last told about each group, as Alertmanager's `nflog` keeps it."""

from collections.abc import Collection
from typing import Final

import msgspec

from veriscope.alert.state import Journal
from veriscope.signals import Clock
from veriscope.signals.log import get_log

_log = get_log(__name__)
_KIND: Final = "notification"
_RETENTION_MS: Final = 120 * 3600 * 1000


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One notification that was delivered; alerts by their fingerprints."""

    firing: frozenset[str]
    resolved: frozenset[str]
    at_ms: int
    """When, in Unix milliseconds."""
    expires_ms: int
    """From when on it may be forgotten."""


class NotificationLog:
    """The last notification by integration and group, kept over restarts; in memory first."""

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock
        self._entries: dict[str, Entry] = {}

    def __len__(self) -> int:
        return len(self._entries)

    async def load(self) -> None:
        """Read what was stored; raises what the store raises."""
        now_ms = self._clock.now_ms()
        for key, body in (await self._journal.all(_KIND)).items():
            try:
                entry = msgspec.json.decode(body, type=Entry)
            except msgspec.DecodeError as error:
                _log.error("notification_not_readable", key=key, error=str(error))
                continue
            # The clock may have been set back; what was sent was not sent in the future.
            self._entries[key] = msgspec.structs.replace(entry, at_ms=min(entry.at_ms, now_ms))

    def needs_update(
        self,
        key: str,
        firing: Collection[str],
        resolved: Collection[str],
        *,
        repeat_ms: int,
        send_resolved: bool,
    ) -> bool:
        """Tell whether there is something to say (`DedupStage.needsUpdate`)."""
        entry = self._entries.get(key)
        if entry is None:
            return bool(firing)
        if not entry.firing.issuperset(firing):
            return True
        if not firing:  # irrespective of send_resolved, so that the log knows that all ended
            return bool(entry.firing)
        if send_resolved and not entry.resolved.issuperset(resolved):
            return True
        return entry.at_ms < self._clock.now_ms() - repeat_ms

    def log(
        self, key: str, firing: Collection[str], resolved: Collection[str], *, keep_ms: int
    ) -> None:
        """Note what was delivered now, for *keep_ms*, at most five days."""
        now_ms = self._clock.now_ms()
        entry = Entry(
            frozenset(firing), frozenset(resolved), now_ms, now_ms + min(keep_ms, _RETENTION_MS)
        )
        self._entries[key] = entry
        self._journal.put(_KIND, key, msgspec.json.encode(entry))

    def collect(self) -> None:
        """Forget what has expired."""
        now_ms = self._clock.now_ms()
        for key in [key for key, entry in self._entries.items() if entry.expires_ms <= now_ms]:
            del self._entries[key]
            self._journal.delete(_KIND, key)

    def move(self, by_ms: int) -> None:
        """Keep the time since each notification when the wall clock jumps by *by_ms*."""
        for key, entry in self._entries.items():
            moved = Entry(
                entry.firing, entry.resolved, entry.at_ms + by_ms, entry.expires_ms + by_ms
            )
            self._entries[key] = moved
            self._journal.put(_KIND, key, msgspec.json.encode(moved))
