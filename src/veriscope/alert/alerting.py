"""Alertmanager's job: from alerts that were posted to people who have been told."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

from prometheus_client import CollectorRegistry

from veriscope.alert.dispatch.views import AlertView, DeadLetter, GroupView, ReceiverView
from veriscope.alert.group import AlertGroup
from veriscope.alert.state import StateDoor
from veriscope.signals import Clock
from veriscope.signals.alerts import PostedAlert
from veriscope.signals.evidence import Evidence

if TYPE_CHECKING:
    from veriscope.alert.config import AlertingConfig
    from veriscope.alert.silences import Silences

Gather: TypeAlias = Callable[[AlertGroup], Awaitable[Evidence | None]]
"""Finds out what there is to see around alerts that begin to fire."""
Forward: TypeAlias = Callable[[Sequence[PostedAlert]], Awaitable[None]]
"""Hands alerts on to outside Alertmanagers."""


class Alerting:
    """
    Takes alerts and has the receivers told, as Alertmanager 0.25 does with the same *config*.

    `load` first, then `run`; `put` may be called from then on. Everything is called on one event
    loop; notifiers and the store work in threads.
    """

    silences: "Silences"

    def __init__(
        self,
        config: "AlertingConfig",
        *,
        state: StateDoor,
        clock: Clock,
        registry: CollectorRegistry,
        external_url: str = "",
        gather: Gather | None = None,
        forward: Forward | None = None,
    ) -> None:
        """Build the receivers; raise `InvalidInputError` where one cannot be built."""
        raise NotImplementedError

    @property
    def config(self) -> "AlertingConfig":
        """What is in force."""
        raise NotImplementedError

    async def load(self) -> None:
        """Read what was known before the restart; raises what the store raises."""

    async def run(self, stop: asyncio.Event) -> None:
        """Notify until *stop* is set."""

    async def put(self, posted: Sequence[PostedAlert]) -> None:
        """
        Take alerts; on return they are in memory, and stored unless the store is slow.

        Raises `OverloadedError`, and takes none, where that would be more alerts than are kept.
        """

    async def reload(self, config: "AlertingConfig") -> None:
        """
        Go on with *config*; raises `InvalidInputError`, and nothing changes, where it is bad.

        Groups are made anew, and flushed at once where their alerts are older than `group_wait`;
        the notification log tells what was said before.
        """

    def alerts(self) -> list[AlertView]:
        """Return the alerts that have not ended, by fingerprint."""
        raise NotImplementedError

    def alert(self, fingerprint: str) -> AlertView | None:
        """Return one of them."""
        raise NotImplementedError

    def groups(self) -> list[GroupView]:
        """Return the groups with alerts that have not ended, as Alertmanager sorts them."""
        raise NotImplementedError

    def receivers(self) -> list[ReceiverView]:
        """Return the receivers in the order of the file, and how telling them goes."""
        raise NotImplementedError

    def dead_letters(self) -> list[DeadLetter]:
        """Return what could not be delivered, the newest first."""
        raise NotImplementedError

    async def retry_dead_letter(self, letter_id: str) -> bool:
        """
        Send it again: the group as it is now, or what was stored where the group has ended.

        Answers whether it was taken; one that was is no longer listed. Raises `KeyError` where
        there is no such letter.
        """
        raise NotImplementedError

    def delete_dead_letter(self, letter_id: str) -> bool:
        """Forget it; False where there is none."""
        raise NotImplementedError
