"""What delivery says of itself, in the registry that it sends."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import Final

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from veriscope.instrument.per_registry import PerRegistry
from veriscope.signals.log import get_log

_log = get_log(__name__)


class Signal(StrEnum):
    """What is sent, each on its own way."""

    METRICS = "metrics"
    SPANS = "spans"
    LOGS = "logs"


class Reason(StrEnum):
    """Why an item never reached the server."""

    INBOX_FULL = "inbox_full"  # it came faster than it could be encoded
    QUEUE_FULL = "queue_full"  # the server was away for longer than the queue holds
    REFUSED = "refused"  # the server answered 4xx (but 408, 425, 429): it would again
    REJECTED = "rejected"  # the server took its request, but not this item (partial success)
    FAILED = "failed"  # the server failed at it again and again (500)
    UNENCODABLE = "unencodable"  # it cannot be written in the signal's format
    REPLACED = "replaced"  # a later sample of its series has the same millisecond
    SHUTDOWN = "shutdown"  # the process ended first
    CLOSED = "closed"  # it came after the shutdown


class Tally(Collector):
    """
    Counts of what was sent and dropped.

    Its own lock and no `prometheus_client` counters, because a forked child must be able to
    start again from zero and must not meet a lock that a thread of its parent held.
    """

    def __init__(self) -> None:
        self._queues: dict[Signal, Callable[[], int]] = {}
        self.start_over()

    def start_over(self) -> None:
        """Count from zero, as a new process does."""
        self._lock = threading.RLock()  # a signal handler may count too
        self._sent: Counter[Signal] = Counter()
        self._failures: Counter[Signal] = Counter()
        self._dropped: Counter[tuple[Signal, Reason]] = Counter()

    def watch(self, signal: Signal, queue_bytes: Callable[[], int]) -> None:
        """Ask *queue_bytes* for the size of the queue of *signal* from now on."""
        self._queues[signal] = queue_bytes

    def sent(self, signal: Signal, items: int) -> None:
        """Count items that the server took."""
        with self._lock:
            self._sent[signal] += items

    def dropped(self, signal: Signal, reason: Reason, items: int) -> None:
        """Count items that will not reach the server."""
        if items:
            with self._lock:
                self._dropped[signal, reason] += items

    def failed(self, signal: Signal) -> None:
        """Count a request that the server did not take, or a reading that failed."""
        with self._lock:
            self._failures[signal] += 1

    def dropped_items(self, signal: Signal) -> int:
        """Return how many items of *signal* were dropped so far, whatever the reason."""
        with self._lock:
            return sum(self._dropped[signal, reason] for reason in Reason)

    def describe(self) -> Iterator[Metric]:
        """Name the metrics for the registry."""
        yield from self.collect()

    def collect(self) -> Iterator[Metric]:
        """Return the metrics, with a row for each signal and reason."""
        with self._lock:
            sent, failures, dropped = self._sent.copy(), self._failures.copy(), self._dropped.copy()
        items = CounterMetricFamily(
            "veriscope_export_sent_items",
            "Samples, spans and log records that the server took.",
            labels=["signal"],
        )
        losses = CounterMetricFamily(
            "veriscope_export_dropped_items",
            "Samples, spans and log records that will not reach the server.",
            labels=["signal", "reason"],
        )
        faults = CounterMetricFamily(
            "veriscope_export_failures",
            "Requests that the server did not take, and readings of the registry that failed.",
            labels=["signal"],
        )
        queues = GaugeMetricFamily(
            "veriscope_export_queue_bytes", "Bytes that wait to be sent.", labels=["signal"]
        )
        for signal in Signal:
            items.add_metric([signal], sent[signal])
            faults.add_metric([signal], failures[signal])
            for reason in Reason:
                losses.add_metric([signal, reason], dropped[signal, reason])
        for signal, queue_bytes in self._queues.items():
            queues.add_metric([signal], queue_bytes())
        yield from (items, losses, faults, queues)


def _registered(registry: CollectorRegistry) -> Tally:
    tally = Tally()
    try:
        registry.register(tally)
    except ValueError as error:
        _log.warning(f"delivery cannot show its own metrics: {error}")
    return tally


tally_of: Final = PerRegistry(_registered)
"""The tally of a registry; its exporters share it, one after another."""
