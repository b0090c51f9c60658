"""Evidence of alerts that begin to fire: gathered beside the way, never in it for long."""

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Coroutine
from typing import Final, TypeAlias

from prometheus_client import CollectorRegistry

from veriscope.alert.dispatch.evidence_archive import EvidenceArchive, Onset, onset_of
from veriscope.alert.dispatch.metrics import metrics_of
from veriscope.alert.group import AlertGroup
from veriscope.alert.state import Journal
from veriscope.signals import Clock
from veriscope.signals.evidence import Evidence
from veriscope.signals.log import get_log

_log = get_log(__name__)

Gather: TypeAlias = Callable[[AlertGroup, float], Awaitable[Evidence | None]]
"""Finds out, in so many seconds, what there is to see around alerts that begin to fire."""
Then: TypeAlias = Callable[[Evidence | None], None]

LIMIT_S: Final = 2.0
"""How long before a flush the gathering begins, and the longest that it may take."""
WAIT_S: Final = 0.5
"""The longest that a flush waits for it."""
_OF_LIMIT: Final = 0.9  # what is late then has a tenth to end by itself
_STORED_S: Final = 0.1
_MOST_AT_ONCE: Final = 4
_MOST_GROUPS: Final = 1_000
_MOST_AT_HAND: Final = 100  # each may hold an image


@dataclasses.dataclass(slots=True)
class _Seen:
    """What is known of a group."""

    onsets: frozenset[Onset]
    """Those that evidence was gathered for."""
    evidence_id: str | None
    """What came of it last; None where nothing did."""
    is_told: bool = False
    """Whether a flush has had it."""


class EvidenceDesk:
    """
    Has evidence gathered once for each alert that begins in a group.

    A later notification of the same alerts carries the same; one of their end, its links. What
    fails or comes too late is done without, as is what would be gathered for a fifth group at the
    same time: evidence never stops a notification.
    """

    def __init__(
        self,
        gather: Gather | None,
        archive: EvidenceArchive,
        journal: Journal,
        *,
        clock: Clock,
        registry: CollectorRegistry,
    ) -> None:
        self._gather = gather
        self._archive = archive
        self._journal = journal
        self._clock = clock
        self._metrics = metrics_of(registry)
        self._seen: dict[str, _Seen] = {}  # the group that was seen last comes last
        self._at_hand: dict[str, Evidence] = {}  # by id, with the graph
        self._tasks: dict[str, asyncio.Task[None]] = {}

    @property
    def is_wanted(self) -> bool:
        """Whether anything is gathered at all."""
        return self._gather is not None

    @property
    def is_idle(self) -> bool:
        """Whether nothing is being gathered."""
        return not self._tasks

    @property
    def is_full(self) -> bool:
        """Whether nothing more can be gathered now."""
        return len(self._tasks) >= _MOST_AT_ONCE

    def recall(self) -> None:
        """Take over what the archive has from before the restart."""
        for kept in self._archive.all():
            before = self._seen.pop(kept.group_key, None)
            onsets = frozenset(kept.onsets) | (before.onsets if before else frozenset())
            self._seen[kept.group_key] = _Seen(onsets, kept.id, is_told=True)

    def prepare(self, group: AlertGroup, wait_s: float) -> None:
        """Begin to gather for the new alerts of *group*, which is told of in *wait_s* seconds."""
        if self._gather is None or self.is_full or group.key in self._tasks or not group.firing:
            return
        seen = self._seen.get(group.key)
        if not self._is_known(group):
            self._begin(group.key, self._run(self._gather, group, wait_s + WAIT_S))
        elif seen and seen.evidence_id and seen.evidence_id not in self._at_hand:
            self._begin(group.key, self._fetch(seen.evidence_id))

    def ask(self, group: AlertGroup, then: Then) -> None:
        """Call *then* with what a notification of *group* carries: now, or a moment later."""
        seen = self._seen.get(group.key)
        if seen is None or seen.is_told:
            self.prepare(group, 0.0)
        task = self._tasks.get(group.key)
        if task is None:
            then(self._take(group))
        else:
            task.add_done_callback(lambda _: then(self._take(group)))

    def cancel(self) -> None:
        """Stop gathering."""
        for task in self._tasks.values():
            task.cancel()

    def _is_known(self, group: AlertGroup) -> bool:
        seen = self._seen.get(group.key)
        return seen is not None and seen.onsets.issuperset(map(onset_of, group.firing))

    def _begin(self, key: str, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work, name="evidence")
        self._tasks[key] = task
        task.add_done_callback(lambda _: self._tasks.pop(key, None))

    def _take(self, group: AlertGroup) -> Evidence | None:
        """Return what there is for a notification that goes out now."""
        seen = self._seen.get(group.key)
        if group.firing and seen is not None and not seen.is_told:
            # Those that came while it was gathered belong to it: they began together.
            seen.onsets |= frozenset(map(onset_of, group.firing))
            seen.is_told = True
        if group.firing and not self._is_known(group):
            if self._gather is not None:
                self._metrics.no_evidence.labels("busy").inc()
            return None
        found = self._find(seen.evidence_id) if seen and seen.evidence_id else None
        return found if found is None or group.firing else _links(found)

    def _find(self, evidence_id: str) -> Evidence | None:
        if (evidence := self._at_hand.get(evidence_id)) is not None:
            return evidence
        kept = self._archive.get(evidence_id)
        return None if kept is None else kept.evidence

    async def _run(self, gather: Gather, group: AlertGroup, most_s: float) -> None:
        """Gather for the alerts of *group* that are not known yet, and keep what is found."""
        before = self._seen.get(group.key)
        known = before.onsets if before else frozenset()
        firing = group.firing
        onsets = frozenset(map(onset_of, firing))
        news = dataclasses.replace(
            group, alerts=tuple(alert for alert in firing if onset_of(alert) not in known)
        )
        evidence = await self._gathered(gather, news, min(LIMIT_S, most_s))
        seen = _Seen(onsets, None)
        if evidence is not None:
            kept = self._archive.keep(news, evidence)
            evidence = dataclasses.replace(evidence, graph_url=kept.evidence.graph_url)
            self._put_at_hand(kept.id, evidence)
            seen.evidence_id = kept.id
            # A kill right after the notification must not leave its picture's address empty.
            await self._journal.durable(_STORED_S)
        self._seen.pop(group.key, None)
        self._seen[group.key] = seen
        while len(self._seen) > _MOST_GROUPS:
            del self._seen[next(iter(self._seen))]

    async def _gathered(self, gather: Gather, group: AlertGroup, limit_s: float) -> Evidence | None:
        begun_s = self._clock.monotonic_s()
        try:
            async with asyncio.timeout(limit_s):
                return await gather(group, limit_s * _OF_LIMIT)
        except TimeoutError:
            self._metrics.no_evidence.labels("late").inc()
        except Exception as error:  # noqa: BLE001 - whatever it was, people are told without it
            self._metrics.no_evidence.labels("failed").inc()
            _log.warning("evidence_failed", group=group.key, error=str(error))
        finally:
            self._metrics.evidence_seconds.observe(self._clock.monotonic_s() - begun_s)
        return None

    async def _fetch(self, evidence_id: str) -> None:
        """Get the graph of what was gathered before."""
        kept = self._archive.get(evidence_id)
        if kept is None:
            return
        try:
            async with asyncio.timeout(WAIT_S):
                graph = await self._archive.graph(evidence_id)
        except Exception as error:  # noqa: BLE001 - people are told without the picture
            _log.warning("graph_not_read", id=evidence_id, error=str(error))
            return
        self._put_at_hand(evidence_id, dataclasses.replace(kept.evidence, graph_png=graph or b""))

    def _put_at_hand(self, evidence_id: str, evidence: Evidence) -> None:
        self._at_hand[evidence_id] = evidence
        while len(self._at_hand) > _MOST_AT_HAND:
            del self._at_hand[next(iter(self._at_hand))]


def _links(evidence: Evidence) -> Evidence:
    """Return what stands in a message of the end: where to look, not all of it again."""
    return Evidence(
        evidence.gathered_ms, view_url=evidence.view_url, runbook_url=evidence.runbook_url
    )
