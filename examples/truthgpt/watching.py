"""TruthGPT as its own observer: everything that Veriscope's library offers, as a user would."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from prometheus_client import CollectorRegistry, Gauge

from examples.truthgpt.inference import InferenceQueue
from examples.truthgpt.model.catalogue import PRICES, TRANSFORMER, Catalogue
from examples.truthgpt.users import ActiveUsers
from veriscope import GenAiMetrics, HealthChecks, ObservabilityFramework, PerformanceMonitor
from veriscope.instrument.health import HealthApp, disk_check, memory_check

SERVICE: Final = "truthgpt"
PROVIDER: Final = "truthgpt"
_MONITOR_INTERVAL_S: Final = 5.0
_QUEUE_ALERT: Final = 16
"""Waiting prompts from which the queue is worth a warning."""


def genai_metrics(registry: CollectorRegistry) -> GenAiMetrics:
    """Return the record of every inference."""
    return GenAiMetrics(PROVIDER, prices=PRICES, registry=registry)


def health_app(
    catalogue: Catalogue, directory: str, registry: CollectorRegistry, version: str
) -> HealthApp:
    """Return `/health` and `/metrics`: the model really reads a word, the disk has room."""
    checks = HealthChecks(SERVICE, version=version)
    checks.add("model", lambda: _read_a_word(catalogue))
    checks.add("disk", disk_check(directory, max_percent=97))
    checks.add("memory", memory_check(max_percent=97), critical=False)
    return HealthApp(checks, registry=registry)


def export_gauges(catalogue: Catalogue, users: ActiveUsers, registry: CollectorRegistry) -> None:
    """Export what the service knows of itself."""
    Gauge(
        "truthgpt_active_users", "Users of the last five minutes.", registry=registry
    ).set_function(users.count)
    Gauge(
        "truthgpt_prefix_cache_bytes", "Memory of the prompt cache.", registry=registry
    ).set_function(lambda: catalogue.prefixes.held_bytes)
    losses = Gauge(
        "truthgpt_validation_loss_nats",
        "Loss of each model on text it was not trained on, per token.",
        ["model"],
        registry=registry,
    )
    for name in PRICES:
        losses.labels(name).set_function(partial(catalogue.losses.__getitem__, name))


@dataclass(frozen=True, slots=True)
class Observers:
    """The document's classes at work inside the service."""

    framework: ObservabilityFramework
    performance: PerformanceMonitor

    def start(self) -> None:
        """Begin to watch."""
        self.performance.start_monitoring()

    def stop(self) -> None:
        """Stop watching."""
        self.performance.stop_monitoring()

    def check(self, metrics: Mapping[str, Any]) -> None:
        """Log *metrics* and check the alerts against them."""
        for name, value in metrics.items():
            self.framework.log_metric(name, float(value))
        self.framework.check_alerts(dict(metrics))


def observers(catalogue: Catalogue, inference: InferenceQueue, users: ActiveUsers) -> Observers:
    """Return the framework with its alert and dashboard, and the monitor with its own metrics."""
    framework = ObservabilityFramework(SERVICE)
    framework.create_alert("InferenceQueueLong", f"queue_depth > {_QUEUE_ALERT}", "warning")
    framework.create_alert(
        "ModelWorse", "validation_loss > 6 or validation_loss != validation_loss"
    )
    framework.create_dashboard("TruthGPT", _widgets())
    performance = PerformanceMonitor(_MONITOR_INTERVAL_S)
    performance.add_custom_metric("inference_queue_depth", lambda: float(inference.waiting))
    performance.add_custom_metric("active_users", lambda: float(users.count()))
    performance.add_custom_metric("validation_loss", lambda: catalogue.losses[TRANSFORMER])
    return Observers(framework, performance)


def _read_a_word(catalogue: Catalogue) -> None:
    catalogue.reader(TRANSFORMER).begin(catalogue.models.tokenizer.encode("healthy"))


def _widgets() -> list[dict[str, Any]]:
    job = f'job="{SERVICE}"'
    model = "{{gen_ai_request_model}}"
    # Title, unit, query, and what its lines are called.
    shown = (
        (
            "Requests",
            "per second",
            (
                "sum by (route, status) "
                f"(rate(http_server_request_duration_seconds_count{{{job}}}[1m]))"
            ),
            "{{route}} {{status}}",
        ),
        (
            "Time to first token, p95",
            "seconds",
            (
                "histogram_quantile(0.95, sum by (le, gen_ai_request_model) "
                f"(rate(gen_ai_server_time_to_first_token_seconds_bucket{{{job}}}[1m])))"
            ),
            model,
        ),
        (
            "Output tokens",
            "per second",
            (
                "sum by (gen_ai_request_model) (rate(gen_ai_client_token_usage_sum"
                f'{{{job},gen_ai_token_type="output"}}[1m]))'
            ),
            model,
        ),
        (
            "Prompts that wait",
            "count",
            f"sum by (gen_ai_request_model) (gen_ai_server_queue_depth{{{job}}})",
            model,
        ),
        (
            "Cost, US dollars per hour",
            "number",
            f"sum(rate(gen_ai_cost_usd_total{{{job}}}[5m])) * 3600",
            "all models",
        ),
        ("Active users", "count", f"truthgpt_active_users{{{job}}}", "{{instance}}"),
    )
    return [
        {"title": title, "type": "timeseries", "unit": unit, "query": query, "legend": legend}
        for title, unit, query, legend in shown
    ]
