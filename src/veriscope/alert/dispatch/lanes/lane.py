"""Lanes: one for each integration of a receiver, so that a slow one delays no other."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from prometheus_client import CollectorRegistry

from veriscope.alert.dispatch.lanes.dead_letters import DeadLetters
from veriscope.alert.dispatch.lanes.notification_log import NotificationLog
from veriscope.alert.dispatch.lanes.rate_limits import TokenBucket
from veriscope.alert.dispatch.lanes.tries import Tries
from veriscope.alert.dispatch.timers import Timer, Timers
from veriscope.alert.dispatch.views import Address, IntegrationView
from veriscope.alert.group import AlertGroup
from veriscope.alert.notify.outcome import Acknowledger, Notifier, Outcome, Reason, Verdict
from veriscope.alert.threads import DaemonThreads
from veriscope.instrument.backoff import pause_s
from veriscope.signals import Clock
from veriscope.signals.log import get_log

_log = get_log(__name__)
_AT_ONCE: Final = 8
_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 60.0
_KEPT_INTERVALS: Final = 2


@dataclass(eq=False, slots=True)
class Job:
    """A group as it is to be told of, until the deadline; *done* is called once."""

    group: AlertGroup
    deadline_s: float
    """On the monotonic clock: then the group's next flush takes over."""
    repeat_s: float
    interval_s: float
    done: Callable[[bool], None]
    firing: frozenset[str] = field(init=False)
    resolved: frozenset[str] = field(init=False)
    failures: int = 0
    is_over: bool = False
    retry: Timer | None = None

    def __post_init__(self) -> None:
        alerts = self.group.alerts
        self.firing = frozenset(a.fingerprint for a in alerts if a.ends_at_ms is None)
        self.resolved = frozenset(a.fingerprint for a in alerts if a.ends_at_ms is not None)


@dataclass(frozen=True, slots=True)
class Desk:
    """What all lanes share."""

    clock: Clock
    timers: Timers
    log: NotificationLog
    letters: DeadLetters
    registry: CollectorRegistry


class Lane:
    """
    Tells one integration about groups, in the order in which they come.

    Of one group, one notification is under way at a time, and only the newest state waits. A try
    that fails is repeated, with pauses that grow, until the job's deadline. Up to eight groups
    are told of at the same time.
    """

    def __init__(
        self, address: Address, notifier: Notifier, bucket: TokenBucket | None, desk: Desk
    ) -> None:
        self.address = address
        self._notifier = notifier
        self._bucket = bucket
        self._desk = desk
        self._tries = Tries(address, desk.clock, desk.registry)
        self._jobs: dict[str, Job] = {}
        self._queue: deque[str] = deque()
        self._queued: set[str] = set()
        self._running: set[str] = set()
        self._undelivered: dict[str, tuple[AlertGroup, Outcome]] = {}
        self._not_before_s = 0.0
        self._gate: Timer | None = None
        self._is_closed = False
        self._threads = DaemonThreads(f"notify-{address}")

    @property
    def is_idle(self) -> bool:
        """Whether no try is under way."""
        return not self._running

    def replace(self, notifier: Notifier, bucket: TokenBucket | None) -> None:
        """Go on with *notifier*, and forget the jobs: their groups are made anew."""
        self._notifier, self._bucket = notifier, bucket
        self._clear()

    def close(self) -> None:
        """Start no further try."""
        self._is_closed = True
        self._clear()
        self._tries.forget()

    def needs(self, job_group: AlertGroup, repeat_s: float) -> bool:
        """Tell whether there is something new to tell, or a try under way that may fail yet."""
        key = job_group.key
        if key in self._running:
            return True
        alerts = job_group.alerts
        return self._desk.log.needs_update(
            self._log_key(key),
            [a.fingerprint for a in alerts if a.ends_at_ms is None],
            [a.fingerprint for a in alerts if a.ends_at_ms is not None],
            repeat_ms=round(repeat_s * 1000),
            send_resolved=self._notifier.send_resolved,
        )

    def submit(self, job: Job) -> None:
        """Tell about a group; what waited of it is replaced, and keeps its place."""
        key = job.group.key
        self._jobs[key] = job
        self._enqueue(key)
        self._desk.timers.at(job.deadline_s, lambda: self._expire(job))
        self._pump()

    def withdraw(self, group_key: str) -> None:
        """Tell nothing about a group: there is nothing to say, or nobody may hear it now."""
        job = self._jobs.pop(group_key, None)
        if job is not None:
            job.is_over = True

    def forget(self, group_key: str) -> None:
        """Keep as a dead letter what ended before it could be delivered."""
        undelivered = self._undelivered.pop(group_key, None)
        if undelivered is None or not undelivered[0].firing:
            return
        group, outcome = undelivered
        detail = f"ended before it could be delivered: {outcome.detail}"
        self._desk.letters.add(self.address, group, Outcome.failed(outcome.reason, detail))

    async def send(self, group: AlertGroup) -> bool | None:
        """Try once, now, whatever the log says; None where a try is under way already."""
        if group.key in self._running or self._is_closed:
            return None
        self._running.add(group.key)
        outcome = await asyncio.get_running_loop().run_in_executor(self._threads, self._call, group)
        self._running.discard(group.key)
        self._note(group, outcome)
        self._pump()
        return outcome.verdict is Verdict.DELIVERED

    async def acknowledge(self, group: AlertGroup) -> Outcome | None:
        """Say once that somebody has taken *group*; None where nobody here understands that."""
        notifier = self._notifier
        if not isinstance(notifier, Acknowledger) or self._is_closed:
            return None
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._threads, notifier.acknowledge, group)
        except Exception as error:  # noqa: BLE001 - a notifier's fault is told, as any other
            _log.exception("notifier_failed", integration=str(self.address))
            return Outcome.failed(Reason.OTHER, type(error).__name__)

    def view(self) -> IntegrationView:
        """Return how telling goes."""
        return self._tries.view(len(self._jobs), send_resolved=self._notifier.send_resolved)

    def _log_key(self, group_key: str) -> str:
        return f"{self.address}:{group_key}"

    def _clear(self) -> None:
        for job in self._jobs.values():
            job.is_over = True
            if job.retry is not None:
                job.retry.cancel()
        self._jobs.clear()
        self._queue.clear()
        self._queued.clear()
        self._tries.waiting(0)

    def _enqueue(self, key: str) -> None:
        if key not in self._queued:
            self._queued.add(key)
            self._queue.append(key)

    def _pump(self) -> None:
        """Start as many tries as there are threads and tokens for."""
        put_back: list[str] = []
        while self._queue and len(self._running) < _AT_ONCE and self._is_open():
            key = self._queue.popleft()
            job = self._jobs.get(key)
            if job is None:
                self._queued.discard(key)
            elif key in self._running:  # an earlier try of the same group, past its deadline
                put_back.append(key)
            elif not self.needs(job.group, job.repeat_s):
                self._queued.discard(key)
                self._finish(job, succeeded=True)
            elif self._is_to_be_sent(job):
                if self._bucket is not None and (wait_s := self._bucket.take()):
                    self._queue.appendleft(key)
                    self._tries.limited()
                    self._shut(wait_s)
                    break
                self._queued.discard(key)
                self._start(job)
            else:
                self._queued.discard(key)
                self._delivered(job)
        self._queue.extendleft(reversed(put_back))
        self._tries.waiting(len(self._jobs))

    def _is_to_be_sent(self, job: Job) -> bool:
        """Tell whether the integration wants to hear it; the log is told in any case."""
        return bool(job.firing) or self._notifier.send_resolved

    def _is_open(self) -> bool:
        return not self._is_closed and self._not_before_s <= self._desk.clock.monotonic_s()

    def _shut(self, wait_s: float) -> None:
        """Start nothing for a while."""
        due_s = self._desk.clock.monotonic_s() + wait_s
        if due_s <= self._not_before_s:
            return
        self._not_before_s = due_s
        if self._gate is not None:
            self._gate.cancel()
        self._gate = self._desk.timers.at(due_s, self._pump)

    def _start(self, job: Job) -> None:
        group = job.group
        if not self._notifier.send_resolved:
            group = AlertGroup(
                group.receiver,
                group.firing,
                group.group_labels,
                group.external_url,
                group.truncated_alerts,
                group.route_key,
                group.evidence,
            )
        self._running.add(group.key)
        if not job.failures:
            self._tries.begun()
        loop = asyncio.get_running_loop()
        try:
            future = loop.run_in_executor(self._threads, self._call, group)
        except RuntimeError as error:  # the system has no thread left now
            loop.call_soon(self._ended, job, Outcome.retry(Reason.OTHER, str(error)))
            return
        future.add_done_callback(lambda done: self._ended(job, done.result()))

    def _call(self, group: AlertGroup) -> Outcome:
        """Try once; called in a thread."""
        begun_s = self._desk.clock.monotonic_s()
        try:
            outcome = self._notifier.notify(group)
        except Exception as error:  # noqa: BLE001 - a notifier's fault must not stop the ones after it
            _log.exception("notifier_failed", integration=str(self.address))
            outcome = Outcome.failed(Reason.OTHER, type(error).__name__)
        self._tries.took(self._desk.clock.monotonic_s() - begun_s)
        return outcome

    def _ended(self, job: Job, outcome: Outcome) -> None:
        key = job.group.key
        self._running.discard(key)
        self._note(job.group, outcome)
        if outcome.verdict is Verdict.DELIVERED:
            self._delivered(job)
        elif outcome.verdict is Verdict.FAILED:
            self._refused(job, outcome)
        else:
            self._try_again(job, outcome)
        self._pump()

    def _note(self, group: AlertGroup, outcome: Outcome) -> None:
        self._tries.ended(outcome)
        if outcome.verdict is not Verdict.DELIVERED:
            _log.warning(
                "notification_failed",
                integration=str(self.address),
                group=group.key,
                verdict=outcome.verdict,
                reason=outcome.detail,
            )

    def _delivered(self, job: Job) -> None:
        self._desk.log.log(
            self._log_key(job.group.key),
            job.firing,
            job.resolved,
            keep_ms=round(_KEPT_INTERVALS * max(job.repeat_s, job.interval_s) * 1000),
        )
        self._undelivered.pop(job.group.key, None)
        self._desk.letters.delivered(self.address, job.group)
        self._finish(job, succeeded=True)

    def _refused(self, job: Job, outcome: Outcome) -> None:
        self._tries.given_up(outcome.reason)
        self._undelivered.pop(job.group.key, None)
        self._desk.letters.add(self.address, job.group, outcome)
        self._finish(job, succeeded=False)

    def _try_again(self, job: Job, outcome: Outcome) -> None:
        self._undelivered[job.group.key] = (job.group, outcome)
        if outcome.retry_after_s:
            self._shut(outcome.retry_after_s)
        if job.is_over:
            if self._jobs.get(job.group.key) is job:
                del self._jobs[job.group.key]
            return
        job.failures += 1
        wait_s = pause_s(job.failures, _FIRST_PAUSE_S, _LONGEST_PAUSE_S)
        job.retry = self._desk.timers.after(
            max(wait_s, outcome.retry_after_s), lambda: self._retry(job)
        )

    def _retry(self, job: Job) -> None:
        if not job.is_over:
            self._enqueue(job.group.key)
            self._pump()

    def _expire(self, job: Job) -> None:
        """
        Leave the group to its next flush.

        A job that never had its turn stays in its place, which is its successor's then.
        """
        if job.is_over:
            return
        key = job.group.key
        waits = key in self._queued and not job.failures
        if not waits:
            _, outcome = self._undelivered.get(key, (None, None))
            self._tries.given_up(Reason.DEADLINE_EXCEEDED if outcome is None else outcome.reason)
        if job.retry is not None:
            job.retry.cancel()
        self._finish(job, succeeded=False, keep=waits)

    def _finish(self, job: Job, *, succeeded: bool, keep: bool = False) -> None:
        key = job.group.key
        if not keep and self._jobs.get(key) is job:
            del self._jobs[key]
        if not job.is_over:
            job.is_over = True
            job.done(succeeded)
