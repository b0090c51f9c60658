"""How telling one integration goes: its figures, as metrics and to be shown."""

from typing import Final

from prometheus_client import CollectorRegistry

from veriscope.alert.dispatch.metrics import metrics_of
from veriscope.alert.dispatch.views import Address, IntegrationView
from veriscope.alert.notify.metrics import metrics_of as notification_metrics_of
from veriscope.alert.notify.outcome import Outcome, Reason, Verdict
from veriscope.signals import Clock


class Tries:
    """Counts the notifications of one integration, and the tries to deliver them."""

    def __init__(self, address: Address, clock: Clock, registry: CollectorRegistry) -> None:
        self._address = address
        self._clock = clock
        self._integration = address.integration
        self._metrics: Final = metrics_of(registry)
        self._of_kind: Final = notification_metrics_of(registry)
        self._labels = (address.receiver, f"{address.integration}[{address.place}]")
        self._limited = self._metrics.limited.labels(address.receiver)
        self._waiting = self._metrics.waiting.labels(*self._labels)
        self._failures = self._metrics.failures.labels(*self._labels)
        self._sent = self._given_up = self._failed_in_a_row = 0
        self._last_try_ms: int | None = None
        self._last_success_ms: int | None = None
        self._last_error_ms: int | None = None
        self._last_try_s = 0.0
        self._last_error = ""

    def begun(self) -> None:
        """Count a notification that is to be delivered."""
        self._of_kind.sent.labels(self._integration).inc()

    def took(self, seconds: float) -> None:
        """Note how long a try took; called in any thread."""
        self._of_kind.latency.labels(self._integration).observe(seconds)
        self._last_try_s = seconds

    def ended(self, outcome: Outcome) -> None:
        """Count a try."""
        now_ms = self._clock.now_ms()
        self._last_try_ms = now_ms
        if outcome.verdict is Verdict.DELIVERED:
            self._sent += 1
            self._failed_in_a_row = 0
            self._last_success_ms = now_ms
        else:
            self._failed_in_a_row += 1
            self._last_error, self._last_error_ms = outcome.detail, now_ms
        self._failures.set(self._failed_in_a_row)

    def given_up(self, reason: Reason) -> None:
        """Count a notification that was refused, or not delivered by its deadline."""
        self._given_up += 1
        self._of_kind.failed.labels(self._integration, reason).inc()

    def limited(self) -> None:
        """Count a notification that has to wait for the rate limit."""
        self._limited.inc()

    def waiting(self, count: int) -> None:
        """Say how many groups wait."""
        self._waiting.set(count)

    def forget(self) -> None:
        """Take the figures of an integration that is no more off the registry."""
        self._metrics.waiting.remove(*self._labels)
        self._metrics.failures.remove(*self._labels)

    def view(self, waiting: int, *, send_resolved: bool) -> IntegrationView:
        """Return the figures."""
        return IntegrationView(
            self._address.integration,
            self._address.place,
            send_resolved,
            self._sent,
            self._given_up,
            waiting,
            self._failed_in_a_row,
            self._last_try_ms,
            self._last_try_s,
            self._last_success_ms,
            self._last_error,
            self._last_error_ms,
        )
