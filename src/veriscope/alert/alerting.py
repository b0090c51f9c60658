"""Alertmanager's job: from alerts that were posted to people who have been told."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Final

from prometheus_client import CollectorRegistry

from veriscope.alert.alerts import Alerts, StoredAlert
from veriscope.alert.config import AlertingConfig
from veriscope.alert.dispatch.evidence import EvidenceDesk, Gather
from veriscope.alert.dispatch.evidence_archive import EvidenceArchive
from veriscope.alert.dispatch.flushes import Flushes
from veriscope.alert.dispatch.groups import Dispatcher, Group
from veriscope.alert.dispatch.jumps import JumpWatch
from veriscope.alert.dispatch.lanes.dead_letters import DeadLetters
from veriscope.alert.dispatch.lanes.lane import Desk
from veriscope.alert.dispatch.lanes.notification_log import NotificationLog
from veriscope.alert.dispatch.lanes.receivers import (
    BuildNotifiers,
    Built,
    Receivers,
    build_receivers,
)
from veriscope.alert.dispatch.metrics import metrics_of
from veriscope.alert.dispatch.order import labels_key, name_ranks
from veriscope.alert.dispatch.pipeline import Suppression
from veriscope.alert.dispatch.timers import Timers
from veriscope.alert.dispatch.views import (
    AlertState,
    AlertView,
    DeadLetter,
    GroupView,
    ReceiverView,
)
from veriscope.alert.group import group_key
from veriscope.alert.incidents import Incident, IncidentOptions, Incidents
from veriscope.alert.inhibition import Inhibitor
from veriscope.alert.intervals import TimeIntervals
from veriscope.alert.notify.outcome import Verdict
from veriscope.alert.routing import build_routes
from veriscope.alert.silences import Silences
from veriscope.alert.state import Journal, StateDoor, first_of
from veriscope.signals import Clock
from veriscope.signals.alerts import PostedAlert
from veriscope.signals.log import get_log

_log = get_log(__name__)
_COLLECT_S: Final = 900.0
_INCIDENTS_S: Final = 5.0
_NOBODYS: Final = ("severity", "none")  # such as of a watchdog that always fires
_MEASURE_S: Final = 15.0
_WATCH_S: Final = 1.0
_DURABLE_S: Final = 2.0
_STOP_S: Final = 3.0  # the whole server is to end within some five seconds
_AT_ONCE: Final = 200


class Alerting:
    """
    Takes alerts and has the receivers told, as Alertmanager 0.25 does with the same *config*.

    `load` first, then `run`; `put` may be called from then on. Everything is called on one event
    loop; notifiers and the store work in threads.
    """

    def __init__(
        self,
        config: AlertingConfig,
        *,
        state: StateDoor,
        clock: Clock,
        registry: CollectorRegistry,
        external_url: str = "",
        gather: Gather | None = None,
        incidents: IncidentOptions = IncidentOptions(),  # noqa: B008 - cannot be changed
        build: BuildNotifiers = build_receivers,
    ) -> None:
        """Build the receivers; raise `InvalidInputError` where one cannot be built."""
        self._clock = clock
        self._registry = registry
        self._external_url = external_url
        self._build = partial(build, clock=clock, registry=registry, external_url=external_url)
        self._metrics = metrics_of(registry)
        self._wake = asyncio.Event()
        self._timers = Timers(clock, self._wake.set)
        self._journal = Journal(state, registry)
        self._alerts = Alerts(self._journal, clock)
        self._log = NotificationLog(self._journal, clock)
        self._letters = DeadLetters(self._journal, clock, registry)
        self._watch = JumpWatch(clock)
        self.evidence: Final = EvidenceArchive(self._journal, clock, external_url=external_url)
        self._evidence_desk = EvidenceDesk(
            gather, self.evidence, self._journal, clock=clock, registry=registry
        )
        self._receivers = Receivers(Desk(clock, self._timers, self._log, self._letters, registry))
        self.silences: Final = Silences(state, clock, registry)
        self.incidents: Final = Incidents(self._journal, clock, registry, incidents)
        self._held: set[str] = set()
        self._use(config, self._build(config))
        self._metrics.groups.set_function(lambda: len(self._dispatcher))
        self._metrics.log_entries.set_function(lambda: len(self._log))

    @property
    def config(self) -> AlertingConfig:
        """What is in force."""
        return self._config

    async def load(self) -> None:
        """Read what was known before the restart; raises what the store raises."""
        await self.silences.load()
        await self._log.load()
        await self._letters.load()
        await self.incidents.load()
        await self.evidence.load()
        self._evidence_desk.recall()
        await self._alerts.load(self._resolve_timeout_ms)
        alerts = self._alerts.all()
        self._suppression.inhibitor.update(alerts)
        for alert in alerts:
            self._dispatcher.insert(alert)
        self._held = {alert.fingerprint for alert in alerts}
        self._mind_incidents()

    async def run(self, stop: asyncio.Event) -> None:
        """Notify until *stop* is set."""
        written = asyncio.Event()
        journal = asyncio.create_task(self._journal.run(written), name="alert-state")
        self._timers.after(_COLLECT_S, self._collect)
        self._measure()
        try:
            while not stop.is_set():
                due_s = self.step()
                now_s = self._clock.monotonic_s()
                pause_s = _WATCH_S if due_s is None else min(max(due_s - now_s, 0.0), _WATCH_S)
                await first_of(stop, self._wake, timeout_s=pause_s)
        finally:
            self._dispatcher.close()
            self._evidence_desk.cancel()
            await self._receivers.close(_STOP_S)
            written.set()
            await journal

    def step(self) -> float | None:
        """Do what is due now; return when, on the monotonic clock, something is due next."""
        self._wake.clear()
        self._mind_the_clock()
        self._timers.run_due(_AT_ONCE)
        return self._timers.next_s()

    @property
    def is_idle(self) -> bool:
        """Whether no try to notify is under way, and nothing is being gathered."""
        return self._receivers.is_idle and self._evidence_desk.is_idle

    async def put(self, posted: Sequence[PostedAlert]) -> None:
        """
        Take alerts; on return they are in memory, and stored unless the store is slow.

        Raises `OverloadedError`, and takes none, where that would be more alerts than are kept.
        """
        self._mind_the_clock()
        self._alerts.require_room(posted)
        for number, each in enumerate(posted, 1):
            alert = self._alerts.put(each, self._resolve_timeout_ms)
            ended = alert.resolved_at(self._clock.now_ms())
            self._metrics.received.labels("resolved" if ended else "firing").inc()
            self._suppression.inhibitor.update((alert,))
            self._dispatcher.insert(alert)
            self._tell_incidents(alert)
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)
        self.incidents.store()
        await self._journal.durable(_DURABLE_S)

    async def reload(self, config: AlertingConfig) -> None:
        """
        Go on with *config*; raises `InvalidInputError`, and nothing changes, where it is bad.

        Groups are made anew, and flushed at once where their alerts are older than `group_wait`;
        the notification log tells what was said before.
        """
        notifiers = await asyncio.to_thread(self._build, config)
        self._dispatcher.close()
        self._use(config, notifiers)
        alerts = self._alerts.all()
        self._suppression.inhibitor.update(alerts)
        for alert in alerts:
            self._dispatcher.insert(alert)

    def alerts(self) -> list[AlertView]:
        """Return the alerts that have not ended, by fingerprint."""
        now_ms = self._clock.now_ms()
        found = [self._view(a, now_ms) for a in self._alerts.all() if a.ends_at_ms >= now_ms]
        return sorted(found, key=lambda view: view.alert.fingerprint)

    def alert(self, fingerprint: str) -> AlertView | None:
        """Return one of them."""
        alert, now_ms = self._alerts.get(fingerprint), self._clock.now_ms()
        return self._view(alert, now_ms) if alert and alert.ends_at_ms >= now_ms else None

    def groups(self) -> list[GroupView]:
        """Return the groups with alerts that have not ended, as Alertmanager sorts them."""
        now_ms = self._clock.now_ms()
        found = [self._group_view(group, now_ms) for group in self._dispatcher.groups()]
        ranks = name_ranks(view.labels for view in found)
        return sorted(
            (view for view in found if view.alerts),
            key=lambda view: (labels_key(view.labels, ranks), view.receiver),
        )

    def receivers(self) -> list[ReceiverView]:
        """Return the receivers in the order of the file, and how telling them goes."""
        return self._receivers.views()

    def dead_letters(self) -> list[DeadLetter]:
        """Return what could not be delivered, the newest first."""
        return self._letters.all()

    async def retry_dead_letter(self, letter_id: str) -> bool:
        """
        Send it again: the group as it is now, or what was stored where the group has ended.

        Answers whether it was taken; one that was is no longer listed. Raises `KeyError` where
        there is no such letter.
        """
        letter = self._letters.get(letter_id)
        if letter is None:
            raise KeyError(letter_id)
        group = self._dispatcher.find(letter.receiver, letter.group.key)
        present = None if group is None else self._flushes.present(group)
        taken = await self._receivers.send(letter, present or letter.group)
        if taken:
            self._letters.delete(letter_id)
        return taken

    def delete_dead_letter(self, letter_id: str) -> bool:
        """Forget it; False where there is none."""
        return self._letters.delete(letter_id)

    async def acknowledge(self, incident_id: str, by: str, text: str = "") -> Incident:
        """
        Have somebody take an incident, and say so to the services that know of it.

        Raises `InvalidInputError` as `Incidents.acknowledge` does. A service that cannot be told
        is named in the timeline.
        """
        incident = self.incidents.acknowledge(incident_id, by, text)
        for receiver, key in incident.groups:
            group = self._dispatcher.find(receiver, key)
            told = None if group is None else self._flushes.present(group)
            if told is None:
                continue
            for kind, outcome in await self._receivers.acknowledge(receiver, told):
                fault = "" if outcome.verdict is Verdict.DELIVERED else f": {outcome.detail}"
                done = "told" if not fault else "could not be told"
                self.incidents.add_note(incident, "told", f"{kind} of {receiver} {done}{fault}")
        return incident

    async def durable(self) -> bool:
        """Wait until what was done is stored; False where the store is slow."""
        self.incidents.store()
        return await self._journal.durable(_DURABLE_S)

    @property
    def _resolve_timeout_ms(self) -> int:
        return round(self._config.global_.resolve_timeout.seconds * 1000)

    def _use(self, config: AlertingConfig, notifiers: Built) -> None:
        self._config = config
        self._receivers.use(config.receivers, notifiers)
        self._suppression = Suppression(
            Inhibitor(config.inhibit_rules),
            TimeIntervals(config.intervals),
            self.silences,
            self._registry,
        )
        self._flushes = Flushes(
            self._suppression,
            self._receivers,
            self._evidence_desk,
            alerts=self._alerts,
            flapping=self.incidents.flapping,
            clock=self._clock,
            external_url=self._external_url,
        )
        self._dispatcher = Dispatcher(
            None if config.route is None else build_routes(config.route),
            clock=self._clock,
            timers=self._timers,
            flushes=self._flushes,
        )

    def _view(self, alert: StoredAlert, now_ms: int) -> AlertView:
        routes = self._dispatcher.routes(alert.labels)
        status = self._suppression.status(alert.labels, now_ms)
        return AlertView(alert, status, tuple(route.receiver for route in routes))

    def _group_view(self, group: Group, now_ms: int) -> GroupView:
        muted_by = self._suppression.muted_by(group.route, now_ms)
        views = tuple(
            AlertView(
                alert,
                self._suppression.status(alert.labels, now_ms, muted_by),
                tuple(sorted(each.receiver for each in self._dispatcher.routes(alert.labels))),
            )
            for alert in group.in_order()
            if alert.ends_at_ms >= now_ms
        )
        return GroupView(group.key, group.labels, group.route.receiver, views)

    def _measure(self) -> None:
        """Count the alerts by state: now and then, since it looks at each of them."""
        now_ms = self._clock.now_ms()
        states = Counter(
            self._suppression.status(alert.labels, now_ms).state
            for alert in self._alerts.all()
            if not alert.resolved_at(now_ms)
        )
        for each in (AlertState.ACTIVE, AlertState.SUPPRESSED):
            self._metrics.alerts.labels(each).set(states[each])
        self._timers.after(_MEASURE_S, self._measure)

    def _tell_incidents(self, alert: StoredAlert) -> None:
        """Have *alert* in an incident while it fires and people may hear of it."""
        now_ms, fingerprint = self._clock.now_ms(), alert.fingerprint
        self._held.discard(fingerprint)
        if alert.resolved_at(now_ms):
            self.incidents.ended(fingerprint, now_ms)
            return
        if self.incidents.is_firing(fingerprint) or _NOBODYS in alert.labels:
            return
        if self._suppression.status(alert.labels, now_ms).state is AlertState.SUPPRESSED:
            self._held.add(fingerprint)
            return
        routes = self._dispatcher.routes(alert.labels)
        grouped = [(route, route.group_labels(alert.labels)) for route in routes]
        # One group of everything says of no alert that it belongs to another.
        groups = [(r.receiver, group_key(r.key, labels)) for r, labels in grouped if labels]
        self.incidents.began(alert, groups)

    def _mind_incidents(self) -> None:
        now_ms = self._clock.now_ms()
        for fingerprint in list(self._held):
            if alert := self._alerts.get(fingerprint):
                self._tell_incidents(alert)
            else:
                self._held.discard(fingerprint)

        def ended(fingerprint: str) -> bool:
            alert = self._alerts.get(fingerprint)
            return alert is None or alert.resolved_at(now_ms)

        self.incidents.mind(ended)
        self.incidents.store()
        self._timers.after(_INCIDENTS_S, self._mind_incidents)

    def _mind_the_clock(self) -> None:
        """Let a jump of the wall clock neither end an alert nor repeat or hold up anything."""
        by_ms = self._watch.jump_ms()
        if not by_ms:
            return
        _log.warning("clock_jumped", by_ms=by_ms)
        self._log.move(by_ms)
        self._alerts.move(by_ms, self._dispatcher.replace)
        self._suppression.inhibitor.update(self._alerts.all())

    def _collect(self) -> None:
        """Forget what has ended, as Alertmanager does four times an hour."""
        gone = self._alerts.collect(self._dispatcher.fingerprints())
        self._suppression.inhibitor.forget(gone)
        self._dispatcher.forget(gone)
        self._log.collect()
        self.evidence.collect()
        self._collecting = asyncio.create_task(self._collect_silences(), name="silences")
        self._timers.after(_COLLECT_S, self._collect)

    async def _collect_silences(self) -> None:
        try:
            await self.silences.collect()
        except Exception as error:  # noqa: BLE001 - the store is away; they are dropped later
            _log.warning("silences_not_collected", error=str(error))
