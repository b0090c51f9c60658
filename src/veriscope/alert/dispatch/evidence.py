"""Evidence of alerts that begin to fire: gathered beside the way, never in it for long."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from prometheus_client import CollectorRegistry

from veriscope.alert.dispatch.metrics import metrics_of
from veriscope.alert.group import AlertGroup
from veriscope.signals.evidence import Evidence
from veriscope.signals.log import get_log

_log = get_log(__name__)

Gather: TypeAlias = Callable[[AlertGroup], Awaitable[Evidence | None]]
"""Finds out what there is to see around alerts that begin to fire."""

LIMIT_S: Final = 2.0
_MOST_AT_ONCE: Final = 4
_MOST_KEPT: Final = 200  # each may hold an image


class EvidenceDesk:
    """
    Has evidence gathered once for each group with new alerts, in two seconds at most.

    What fails or comes too late is done without, as is what would be gathered for a fifth group
    at the same time: evidence never stops a notification.
    """

    def __init__(self, gather: Gather | None, registry: CollectorRegistry) -> None:
        self._gather = gather
        self._missed = metrics_of(registry).no_evidence
        self._kept: dict[str, tuple[frozenset[str], Evidence | None]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    @property
    def is_wanted(self) -> bool:
        """Whether anything is gathered at all."""
        return self._gather is not None

    @property
    def is_idle(self) -> bool:
        """Whether nothing is being gathered."""
        return not self._tasks

    def prepare(self, group: AlertGroup) -> None:
        """Begin to gather for *group* unless that was done, or is being done, for its alerts."""
        if self._gather is None or group.key in self._tasks:
            return
        firing = frozenset(alert.fingerprint for alert in group.firing)
        known, _ = self._kept.get(group.key, (frozenset(), None))
        if firing <= known:
            return
        if len(self._tasks) >= _MOST_AT_ONCE:
            self._missed.labels("busy").inc()
            return
        task = asyncio.create_task(self._run(group, firing), name="evidence")
        self._tasks[group.key] = task
        task.add_done_callback(lambda _: self._tasks.pop(group.key, None))

    def when_there(self, group: AlertGroup, then: Callable[[Evidence | None], None]) -> None:
        """Call *then* with what there is: at once, or when the gathering has ended."""
        task = self._tasks.get(group.key)
        if task is None:
            then(self._evidence(group.key))
        else:
            task.add_done_callback(lambda _: then(self._evidence(group.key)))

    def cancel(self) -> None:
        """Stop gathering."""
        for task in self._tasks.values():
            task.cancel()

    def _evidence(self, key: str) -> Evidence | None:
        return self._kept.get(key, (frozenset(), None))[1]

    async def _run(self, group: AlertGroup, firing: frozenset[str]) -> None:
        assert self._gather is not None  # noqa: S101 - `prepare` looked
        evidence = None
        try:
            async with asyncio.timeout(LIMIT_S):
                evidence = await self._gather(group)
        except TimeoutError:
            self._missed.labels("late").inc()
        except Exception as error:  # noqa: BLE001 - whatever it was, people are told without it
            self._missed.labels("failed").inc()
            _log.warning("evidence_failed", group=group.key, error=str(error))
        self._kept.pop(group.key, None)
        self._kept[group.key] = firing, evidence
        while len(self._kept) > _MOST_KEPT:
            del self._kept[next(iter(self._kept))]
