"""What the rules say of themselves, under Prometheus' names where it has them."""

from collections import Counter as Tally
from collections.abc import Callable, Iterable, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from veriscope.rules.alerting import AlertState
from veriscope.rules.group import GroupState


class RuleMetrics:
    """Counts evaluations by group, and the alerts of *states* by what they are."""

    def __init__(
        self, registry: CollectorRegistry, states: Callable[[], Sequence[GroupState]]
    ) -> None:
        def counter(name: str, text: str) -> Counter:
            return Counter(f"veriscope_rule_{name}", text, ["rule_group"], registry=registry)

        def gauge(name: str, text: str) -> Gauge:
            return Gauge(f"veriscope_rule_group_{name}", text, ["rule_group"], registry=registry)

        self.evaluations = counter("evaluations_total", "Rules evaluated.")
        self.failures = counter("evaluation_failures_total", "Rules that failed.")
        self.iterations = counter("group_iterations_total", "Evaluations that were due.")
        self.missed = counter(
            "group_iterations_missed_total",
            "Evaluations left out because an earlier one took too long.",
        )
        self.seconds = Histogram(
            "veriscope_rule_group_duration_seconds",
            "Time that one evaluation of a group took.",
            buckets=(0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60),
            registry=registry,
        )
        self.series = gauge(
            "last_evaluation_samples", "Series that the last evaluation of a group recorded."
        )
        self.rules = gauge("rules", "Rules of a group.")
        self.interval = gauge("interval_seconds", "How often a group is evaluated.")
        self.last_seconds = gauge(
            "last_duration_seconds", "Time that the last evaluation of a group took."
        )
        self.last_time = gauge(
            "last_evaluation_timestamp_seconds", "When the last evaluation of a group began."
        )
        registry.register(_AlertMetrics(states))

    def begin(self, name: str, state: GroupState) -> None:
        """Show the group before it is evaluated first."""
        self.interval.labels(name).set(state.interval_ms / 1000)
        self.rules.labels(name).set(len(state.rules))
        for each in (self.evaluations, self.failures, self.iterations, self.missed):
            each.labels(name)

    def observe(self, name: str, state: GroupState, *, failed: int, missed: int) -> None:
        """Count one evaluation of the group, before which *missed* others were left out."""
        self.evaluations.labels(name).inc(len(state.rules))
        self.failures.labels(name).inc(failed)
        self.iterations.labels(name).inc(1 + missed)
        self.missed.labels(name).inc(missed)
        self.seconds.observe(state.seconds)
        self.last_seconds.labels(name).set(state.seconds)
        self.last_time.labels(name).set(state.evaluated_ms / 1000)
        self.series.labels(name).set(sum(len(rule.series) for rule in state.rules))

    def forget(self, name: str) -> None:
        """Show the group no more."""
        for metric in (
            *(self.evaluations, self.failures, self.iterations, self.missed),
            *(self.series, self.rules, self.interval, self.last_seconds, self.last_time),
        ):
            metric.remove(name)


class _AlertMetrics(Collector):
    def __init__(self, states: Callable[[], Sequence[GroupState]]) -> None:
        self._states = states

    def collect(self) -> Iterable[GaugeMetricFamily]:
        found = Tally(
            alert.state for group in self._states() for rule in group.rules for alert in rule.active
        )
        family = GaugeMetricFamily(
            "veriscope_rule_alerts", "Alerts of the rules, by what they are.", labels=["state"]
        )
        for state in (AlertState.PENDING, AlertState.FIRING):
            family.add_metric([state], found[state])
        yield family

    def describe(self) -> Iterable[GaugeMetricFamily]:
        return []
