"""Queues between those who notify and the notifiers, so that nobody waits for a receiver."""

import time
from collections.abc import Sequence

import msgspec
from prometheus_client import CollectorRegistry

from veriscope.alert.group import AlertGroup
from veriscope.alert.notify.metrics import metrics_of
from veriscope.alert.notify.outcome import Notifier, Outcome, Reason, Verdict
from veriscope.alert.worker import SerialWorker
from veriscope.instrument.backoff import pause_s
from veriscope.signals import Clock, require_at_least
from veriscope.signals.log import get_log

_log = get_log(__name__)


class DeliveryOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long, and how many, notifications wait for a receiver."""

    max_queue: int = 1000
    """Notifications that wait for one receiver; past it new ones are refused and counted."""
    max_age_s: float = 3600.0
    """Seconds after which a notification that could not be sent is given up."""
    first_pause_s: float = 0.5
    """Pause after the first failure; it doubles with each further one, less a random part."""
    longest_pause_s: float = 60.0
    """Longest pause between two tries."""

    def __post_init__(self) -> None:
        require_at_least(self, 1, "max_queue")


class Delivery:
    """One notifier with its queue: in order, each notification until it is taken or too old."""

    def __init__(
        self,
        name: str,
        notifier: Notifier,
        *,
        clock: Clock,
        registry: CollectorRegistry,
        options: DeliveryOptions,
    ) -> None:
        self.notifier = notifier
        self._name = name
        self._clock = clock
        self._options = options
        self._metrics = metrics_of(registry)
        self._worker = SerialWorker(f"notify-{notifier.integration}", options.max_queue)

    def put(self, group: AlertGroup) -> bool:
        """Queue *group* without waiting; False, and counted, where the queue is full."""
        if not group.firing and not self.notifier.send_resolved:
            return True
        self._metrics.sent.labels(self.notifier.integration).inc()
        attempt = _Attempt(self, group, self._clock.monotonic_s())
        taken = self._worker.put(attempt)
        if not taken:
            self.lose(group, Outcome.failed(Reason.QUEUE_FULL, "too many notifications wait"))
        return taken

    def flush(self, timeout_s: float) -> bool:
        """Wait until nothing waits; False where that takes longer than *timeout_s*."""
        return self._worker.flush(timeout_s)

    def close(self) -> int:
        """Give up what waits; return how many notifications that were."""
        left = self._worker.close()
        if left:
            self._failed(Reason.OTHER, left)
            _log.warning("notifications_given_up", receiver=self._name, count=left)
        return left

    def try_once(self, group: AlertGroup) -> Outcome:
        """Send *group* now."""
        integration = self.notifier.integration
        try:
            with self._metrics.latency.labels(integration).time():
                return self.notifier.notify(group)
        except Exception as error:  # noqa: BLE001 - a notifier's fault must not stop the ones after it
            _log.exception("notifier_failed", receiver=self._name, integration=integration)
            return Outcome.failed(Reason.OTHER, f"{type(error).__name__}: {error}")

    def lose(self, group: AlertGroup, outcome: Outcome) -> None:
        """Count and log that *group* was given up."""
        self._failed(outcome.reason, 1)
        _log.warning(
            "notification_lost",
            receiver=self._name,
            integration=self.notifier.integration,
            alert=group.name,
            status=group.status,
            reason=outcome.detail,
        )

    def pause_s(self, failures: int) -> float:
        """Return how long to wait after so many *failures*."""
        return pause_s(failures, self._options.first_pause_s, self._options.longest_pause_s)

    def is_too_old(self, since_s: float) -> bool:
        """Tell whether a notification of *since_s*, on the monotonic clock, is to be given up."""
        return self._clock.monotonic_s() - since_s > self._options.max_age_s

    def _failed(self, reason: Reason, count: int) -> None:
        self._metrics.failed.labels(self.notifier.integration, reason).inc(count)


class _Attempt:
    """The worker's job for one notification: try, and say when to try again."""

    def __init__(self, delivery: Delivery, group: AlertGroup, since_s: float) -> None:
        self._delivery = delivery
        self._group = group
        self._since_s = since_s
        self._failures = 0

    def __call__(self) -> float | None:
        outcome = self._delivery.try_once(self._group)
        if outcome.verdict is Verdict.DELIVERED:
            return None
        if outcome.verdict is Verdict.FAILED or self._delivery.is_too_old(self._since_s):
            self._delivery.lose(self._group, outcome)
            return None
        self._failures += 1
        return max(outcome.retry_after_s, self._delivery.pause_s(self._failures))


class Receiver:
    """A named set of notifiers, each with its own queue: none waits for another."""

    def __init__(self, name: str, deliveries: Sequence[Delivery]) -> None:
        self.name = name
        self.deliveries = tuple(deliveries)

    def put(self, group: AlertGroup) -> bool:
        """Queue *group* for every notifier; False where one could not take it."""
        taken = [
            delivery.put(group) for delivery in self.deliveries
        ]  # every one, also after a refusal
        return all(taken)

    def flush(self, timeout_s: float) -> bool:
        """Wait until all is sent; False where that takes longer than *timeout_s*."""
        end_s = time.monotonic() + timeout_s
        return all(
            delivery.flush(max(0.0, end_s - time.monotonic())) for delivery in self.deliveries
        )

    def close(self) -> int:
        """Give up what waits; return how many notifications that were."""
        return sum(delivery.close() for delivery in self.deliveries)
