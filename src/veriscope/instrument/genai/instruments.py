"""
The metric families, named by the semantic conventions and spelt for Prometheus.

OpenTelemetry's rules turn `gen_ai.server.time_to_first_token` with the unit `s` into
`gen_ai_server_time_to_first_token_seconds`, and drop an annotation such as `{token}`. Bucket
boundaries are those that the conventions recommend for each instrument.
"""

from functools import partial
from typing import Final, Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from veriscope.instrument.per_registry import PerRegistry

Side = Literal["server", "client"]

TOKEN_BUCKETS: Final = tuple(4.0**power for power in range(14))
DURATION_BUCKETS: Final = tuple(0.01 * 2**power for power in range(14))
FIRST_TOKEN_BUCKETS: Final = (
    *(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0),
    *(2.5, 5.0, 7.5, 10.0),
)
PER_TOKEN_BUCKETS: Final = (
    *(0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5),
)

MODEL_LABELS: Final = (
    "gen_ai_operation_name",
    "gen_ai_provider_name",
    "gen_ai_request_model",
    "gen_ai_response_model",
)
"""Labels of every family about one call. An empty value is, to Prometheus, no label."""

_NAMES: Final = {
    "server": (
        "gen_ai_server_request_duration_seconds",
        "gen_ai_server_time_to_first_token_seconds",
        "gen_ai_server_time_per_output_token_seconds",
    ),
    "client": (
        "gen_ai_client_operation_duration_seconds",
        "gen_ai_client_operation_time_to_first_chunk_seconds",
        "gen_ai_client_operation_time_per_output_chunk_seconds",
    ),
}


class CallInstruments:
    """The families of one side, on one registry."""

    def __init__(self, side: Side, registry: CollectorRegistry) -> None:
        duration, first, per_token = _NAMES[side]
        self.duration = Histogram(
            duration,
            "Time from the request to the last token.",
            [*MODEL_LABELS, "error_type"],
            buckets=DURATION_BUCKETS,
            registry=registry,
        )
        self.first_token = Histogram(
            first,
            "Time from the request to the first token or chunk of a successful answer.",
            MODEL_LABELS,
            buckets=FIRST_TOKEN_BUCKETS,
            registry=registry,
        )
        self.per_token = Histogram(
            per_token,
            "Time per output token or chunk after the first.",
            MODEL_LABELS,
            buckets=PER_TOKEN_BUCKETS,
            registry=registry,
        )
        self.active = Gauge(
            f"gen_ai_{side}_active_requests",
            "Calls that are under way.",
            ["gen_ai_request_model"],
            registry=registry,
        )


class SharedInstruments:
    """The families that both sides share, on one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        token_labels = [*MODEL_LABELS, "gen_ai_token_type"]
        self.tokens = Histogram(
            "gen_ai_client_token_usage",
            "Input and output tokens of one call.",
            token_labels,
            buckets=TOKEN_BUCKETS,
            registry=registry,
        )
        self.cost = Counter(
            "gen_ai_cost_usd_total",
            "Cost of the tokens used, in US dollars, by the price list given.",
            token_labels,
            registry=registry,
        )
        self.unpriced = Counter(
            "gen_ai_unpriced_tokens_total",
            "Tokens of models that have no price, which gen_ai_cost_usd_total leaves out.",
            ["gen_ai_request_model", "gen_ai_token_type"],
            registry=registry,
        )
        self.finished = Counter(
            "gen_ai_finish_reasons_total",
            "Answers by the reason for which they ended.",
            [*MODEL_LABELS, "reason"],
            registry=registry,
        )
        self.cache = Counter(
            "gen_ai_cache_requests_total",
            "Calls that consulted a prompt cache, by result: hit or miss.",
            ["gen_ai_request_model", "result"],
            registry=registry,
        )
        self.cached_tokens = Counter(
            "gen_ai_cache_read_input_tokens_total",
            "Input tokens that were served from a prompt cache.",
            ["gen_ai_request_model"],
            registry=registry,
        )
        self.queue_depth = Gauge(
            "gen_ai_server_queue_depth",
            "Requests that wait for a worker.",
            ["gen_ai_request_model"],
            registry=registry,
        )
        self.queue_wait = Histogram(
            "gen_ai_server_queue_wait_seconds",
            "Time that requests waited for a worker.",
            ["gen_ai_request_model"],
            buckets=FIRST_TOKEN_BUCKETS,
            registry=registry,
        )
        self.queue_rejected = Counter(
            "gen_ai_server_queue_rejections_total",
            "Requests refused because the queue was full.",
            ["gen_ai_request_model"],
            registry=registry,
        )
        self.folded = Counter(
            "veriscope_genai_folded_labels_total",
            "Values shown as _other because a label had too many.",
            ["label"],
            registry=registry,
        )
        self.failures = Counter(
            "veriscope_genai_failures_total",
            "Calls whose recording failed; the application did not notice.",
            registry=registry,
        )


_calls: Final[dict[Side, PerRegistry[CallInstruments]]] = {
    "server": PerRegistry(partial(CallInstruments, "server")),
    "client": PerRegistry(partial(CallInstruments, "client")),
}
_shared: Final = PerRegistry(SharedInstruments)


def instruments_on(
    registry: CollectorRegistry, side: Side
) -> tuple[CallInstruments, SharedInstruments]:
    """Return the families on *registry*, made on first use."""
    return _calls[side](registry), _shared(registry)
