"""Silences: what nobody wants to hear of for a while, by Alertmanager's rules."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from typing import Final
from uuid import uuid4

import msgspec
from prometheus_client import CollectorRegistry, Counter, Gauge

from veriscope.alert.matchers import Matching, matches_empty, require_regex
from veriscope.alert.state import StateDoor
from veriscope.instrument.per_registry import PerRegistry
from veriscope.signals import (
    Clock,
    Duration,
    InvalidInputError,
    Labels,
    LimitExceededError,
    Matcher,
    MatchOp,
    require_at_least,
)
from veriscope.signals.log import get_log

_KIND: Final = "silence"
_MOST_MATCHES: Final = 100_000
_AFFIRMING: Final = (MatchOp.EQUAL, MatchOp.REGEX)
_log = get_log(__name__)


class UnknownSilenceError(InvalidInputError):
    """There is no silence with this id."""


class SilenceState(StrEnum):
    """Alertmanager's words for where a silence stands."""

    PENDING = "pending"
    ACTIVE = "active"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """
    While it is active, alerts that fulfil all its matchers are not told of.

    Times are Unix milliseconds. An empty `id` asks for a new one.
    """

    matchers: tuple[Matcher, ...]
    starts_at_ms: int
    ends_at_ms: int
    created_by: str = ""
    comment: str = ""
    id: str = ""
    updated_at_ms: int = 0

    def state(self, now_ms: int) -> SilenceState:
        """Return where it stands at *now_ms*."""
        if now_ms < self.starts_at_ms:
            return SilenceState.PENDING
        return SilenceState.ACTIVE if now_ms < self.ends_at_ms else SilenceState.EXPIRED


class SilenceOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many silences there may be, and how long those are kept that have ended."""

    retention: Duration = Duration.parse("120h")
    """How long a silence that has ended can still be looked up."""
    max_silences: int = 10_000
    """Silences that are kept at once, those that have ended included."""
    max_silence_bytes: int = 65_536
    """Size of one silence: its matchers, author and comment."""

    def __post_init__(self) -> None:
        require_at_least(self, 1, "max_silences", "max_silence_bytes")


class _Metrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        self.silences = Gauge(
            "veriscope_silences", "Silences by state.", ["state"], registry=registry
        )
        self.collected = Counter(
            "veriscope_silences_collected_total",
            "Silences that were dropped when their retention had passed.",
            registry=registry,
        )


_metrics_of: Final = PerRegistry(_Metrics)


class _Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A silence as it is stored."""

    id: str
    matchers: tuple[tuple[str, MatchOp, str], ...]
    starts_at_ms: int
    ends_at_ms: int
    updated_at_ms: int
    created_by: str
    comment: str


class Silences:
    """
    All silences; what changes one has stored it when it returns.

    Called on one event loop; the store works in threads.
    """

    def __init__(
        self,
        state: StateDoor,
        clock: Clock,
        registry: CollectorRegistry,
        options: SilenceOptions | None = None,
    ) -> None:
        self._state = state
        self._clock = clock
        self._options = options or SilenceOptions()
        self._metrics = _metrics_of(registry)
        self._changing = asyncio.Lock()
        self._kept: dict[str, _Kept] = {}  # the last changed comes last
        self._version = 0
        # For labels, the version that was looked at, and the ids that match.
        self._matches: dict[Labels, tuple[int, tuple[str, ...]]] = {}
        for each in SilenceState:
            self._metrics.silences.labels(each).set_function(partial(self._count, each))

    @property
    def version(self) -> int:
        """A number that is greater after each change."""
        return self._version

    async def load(self) -> None:
        """Read the silences that were stored; raises what the store raises."""
        documents = await asyncio.to_thread(self._state.all, _KIND)
        silences = [found for each in documents.items() if (found := _read(*each)) is not None]
        self._keep(sorted(silences, key=lambda each: (each.updated_at_ms, each.id)))

    async def set(self, silence: Silence) -> str:
        """
        Make *silence*, or change the one with its id, and return the id that it has now.

        A change that Alertmanager does not make in place (of the matchers, of the start once it
        is active, of one that has ended) ends the former silence and makes a new one. Raises
        `UnknownSilenceError` for an id that is not known, `InvalidInputError` for a silence that
        cannot be, `LimitExceededError` past a limit, and what the store raises: nothing has
        changed then.
        """
        # A client that goes away must not leave in the store what is not in memory.
        return await asyncio.shield(self._set(silence))

    async def expire(self, silence_id: str) -> None:
        """End a silence now. Raises `UnknownSilenceError`, or `InvalidInputError` if it has."""
        await asyncio.shield(self._expire(silence_id))

    def get(self, silence_id: str) -> Silence | None:
        """Return a silence, in whatever state, until its retention has passed."""
        found = self._kept.get(silence_id)
        return None if found is None else found.silence

    def all(self, filters: Iterable[Matcher] = ()) -> list[Silence]:
        """
        Return the silences that have each of *filters* among their matchers.

        First the active ones, the next to end first; then the pending ones, the next to start
        first; then the expired ones, the last to end first.
        """
        wanted, now_ms = set(filters), self._clock.now_ms()
        found = [each.silence for each in self._kept.values()]
        return sorted(
            (each for each in found if wanted <= set(each.matchers)),
            key=lambda each: _place(each, now_ms),
        )

    def silenced_by(self, labels: Labels, now_ms: int) -> tuple[str, ...]:
        """Return the ids of the silences, sorted, that are active and match *labels*."""
        version, known = self._matches.get(labels, (0, ()))
        if version != self._version:
            known = self._match(labels, version, known, now_ms)
        if not known:
            return ()
        silences = [self.get(each) for each in known]
        return tuple(
            each.id
            for each in silences
            if each is not None and each.state(now_ms) is SilenceState.ACTIVE
        )

    async def collect(self) -> None:
        """Drop the silences whose retention has passed; raises what the store raises."""
        async with self._changing:
            before_ms = self._clock.now_ms() - self._options.retention
            gone = [each.id for each in self.all() if each.ends_at_ms < before_ms]
            if gone:
                await asyncio.to_thread(self._state.delete_many, _KIND, gone)
                for silence_id in gone:
                    del self._kept[silence_id]
                self._metrics.collected.inc(len(gone))

    def _count(self, state: SilenceState) -> int:
        """Count the silences in *state*; called in any thread."""
        now_ms = self._clock.now_ms()
        return sum(each.silence.state(now_ms) is state for each in list(self._kept.values()))

    def _match(
        self, labels: Labels, version: int, known: tuple[str, ...], now_ms: int
    ) -> tuple[str, ...]:
        """Match only what has changed since *version*: under its id no silence has new matchers."""
        pairs, found = dict(labels), set(known)
        for kept in reversed(self._kept.values()):
            if kept.version <= version:
                break
            if kept.silence.ends_at_ms > now_ms and kept.matching.matches(pairs):
                found.add(kept.silence.id)
        if len(self._matches) >= _MOST_MATCHES:
            self._matches.clear()
        matches = tuple(sorted(found))
        self._matches[labels] = self._version, matches
        return matches

    async def _set(self, silence: Silence) -> str:
        async with self._changing:
            now_ms = self._clock.now_ms()
            former = self._known(silence.id) if silence.id else None
            changed = _changes(former, silence, now_ms)
            self._check(changed[-1], now_ms)
            await self._store(changed)
            return changed[-1].id

    async def _expire(self, silence_id: str) -> None:
        async with self._changing:
            former, now_ms = self._known(silence_id), self._clock.now_ms()
            if former.state(now_ms) is SilenceState.EXPIRED:
                raise InvalidInputError(f"silence {silence_id} already expired")
            await self._store([_expired(former, now_ms)])

    def _known(self, silence_id: str) -> Silence:
        if (found := self.get(silence_id)) is None:
            raise UnknownSilenceError(f"there is no silence {silence_id!r}")
        return found

    def _check(self, silence: Silence, now_ms: int) -> None:
        _check_matchers(silence.matchers)
        if silence.starts_at_ms >= silence.ends_at_ms:
            raise InvalidInputError("the start of a silence must be before its end")
        if silence.ends_at_ms <= now_ms:
            raise InvalidInputError("the end of a silence cannot be in the past")
        most_bytes = self._options.max_silence_bytes
        if (size := len(_document(silence))) > most_bytes:
            raise LimitExceededError(
                f"the silence takes {size:,} bytes, {most_bytes:,} are allowed; "
                "shorten its comment or its matchers, or raise max_silence_bytes"
            )
        most = self._options.max_silences
        if silence.id not in self._kept and len(self._kept) >= most:
            raise LimitExceededError(f"there are {most:,} silences; raise max_silences")

    async def _store(self, silences: Sequence[Silence]) -> None:
        documents = {each.id: _document(each) for each in silences}
        await asyncio.to_thread(self._state.put_many, _KIND, documents)
        self._keep(silences)

    def _keep(self, silences: Iterable[Silence]) -> None:
        for silence in silences:
            self._version += 1
            former = self._kept.pop(silence.id, None)  # so that it comes last
            matching = Matching(silence.matchers) if former is None else former.matching
            self._kept[silence.id] = _Kept(silence, matching, self._version)


@dataclass(frozen=True, slots=True)
class _Kept:
    """A silence, ready to match, and the version of its last change."""

    silence: Silence
    matching: Matching
    version: int


def _changes(former: Silence | None, wanted: Silence, now_ms: int) -> list[Silence]:
    """Return what is to be stored so that *wanted* is so: last, the silence itself."""
    wanted = replace(wanted, updated_at_ms=now_ms)
    if former is not None and _can_change(former, wanted, now_ms):
        return [wanted]
    new = replace(wanted, id=str(uuid4()), starts_at_ms=max(wanted.starts_at_ms, now_ms))
    if former is None or former.state(now_ms) is SilenceState.EXPIRED:
        return [new]
    return [_expired(former, now_ms), new]


def _can_change(former: Silence, wanted: Silence, now_ms: int) -> bool:
    """Tell whether *former* can become *wanted*, as Alertmanager's silence.go has it."""
    if former.matchers != wanted.matchers:
        return False
    match former.state(now_ms):
        case SilenceState.ACTIVE:
            same_start = former.starts_at_ms // 1000 == wanted.starts_at_ms // 1000
            return same_start and wanted.ends_at_ms >= now_ms
        case SilenceState.PENDING:
            return wanted.starts_at_ms >= now_ms
        case _:
            return False


def _expired(silence: Silence, now_ms: int) -> Silence:
    starts_at_ms = min(silence.starts_at_ms, now_ms)
    return replace(silence, starts_at_ms=starts_at_ms, ends_at_ms=now_ms, updated_at_ms=now_ms)


def _check_matchers(matchers: Iterable[Matcher]) -> None:
    matchers = tuple(matchers)
    for matcher in matchers:
        if not matcher.name:
            raise InvalidInputError("a matcher of the silence has no label; name one")
        require_regex(matcher)
    # As in Alertmanager, a matcher that denies something does not count as matching the empty one.
    if all(each.op in _AFFIRMING and matches_empty(each) for each in matchers):
        raise InvalidInputError(
            "the silence would match every alert; "
            "at least one matcher must not match the empty string"
        )


def _place(silence: Silence, now_ms: int) -> tuple[int, int, str]:
    match silence.state(now_ms):
        case SilenceState.ACTIVE:
            return 0, silence.ends_at_ms, silence.id
        case SilenceState.PENDING:
            return 1, silence.starts_at_ms, silence.id
        case _:
            return 2, -silence.ends_at_ms, silence.id


def _document(silence: Silence) -> bytes:
    matchers = tuple((each.name, each.op, each.value) for each in silence.matchers)
    return msgspec.json.encode(
        _Document(
            id=silence.id,
            matchers=matchers,
            starts_at_ms=silence.starts_at_ms,
            ends_at_ms=silence.ends_at_ms,
            updated_at_ms=silence.updated_at_ms,
            created_by=silence.created_by,
            comment=silence.comment,
        )
    )


def _read(key: str, document: bytes) -> Silence | None:
    """Return what was stored, or None, said in the log, where that is no silence."""
    try:
        found = msgspec.json.decode(document, type=_Document)
        matchers = tuple(Matcher(*each) for each in found.matchers)
        _check_matchers(matchers)
    except (msgspec.DecodeError, InvalidInputError) as error:
        _log.error("silence_not_readable", id=key, error=str(error))
        return None
    return Silence(
        matchers=matchers,
        starts_at_ms=found.starts_at_ms,
        ends_at_ms=found.ends_at_ms,
        created_by=found.created_by,
        comment=found.comment,
        id=found.id,
        updated_at_ms=found.updated_at_ms,
    )
