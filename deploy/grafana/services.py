"""Services that use the library: language models, and anything that answers HTTP."""

from typing import Final

from deploy.grafana.board import Board, lines, number

_MODEL: Final = 'gen_ai_request_model=~"$model"'
_JOB: Final = 'job=~"$job"'
_RATE: Final = "[$__rate_interval]"


def _quantiles(metric: str, by: str, labels: str, legend: str) -> list[tuple[str, str]]:
    return [
        (
            f"histogram_quantile({share}, sum by (le, {by})"
            f" (rate({metric}_bucket{{{labels}}}{_RATE})))",
            f"P{share * 100:.0f} {legend}",
        )
        for share in (0.5, 0.95)
    ]


def language_models() -> Board:
    """Return speed, tokens, cost and errors of each model."""
    model = "{{gen_ai_request_model}}"

    def seconds(metric: str) -> list[tuple[str, str]]:
        return _quantiles(metric, "gen_ai_request_model", _MODEL, model)

    return Board(
        "Language models",
        ["llm"],
        [
            [
                lines(
                    "Time to first token",
                    "s",
                    *seconds("gen_ai_server_time_to_first_token_seconds"),
                ),
                lines(
                    "Time per output token",
                    "s",
                    *seconds("gen_ai_server_time_per_output_token_seconds"),
                ),
                lines("Request duration", "s", *seconds("gen_ai_server_request_duration_seconds")),
            ],
            [
                lines(
                    "Tokens",
                    "short",
                    (
                        "sum by (gen_ai_request_model, gen_ai_token_type)"
                        f" (rate(gen_ai_client_token_usage_sum{{{_MODEL}}}{_RATE}))",
                        "{{gen_ai_token_type}} " + model,
                    ),
                ),
                lines(
                    "Cost per hour",
                    "currencyUSD",
                    (
                        "sum by (gen_ai_request_model)"
                        f" (rate(gen_ai_cost_usd_total{{{_MODEL}}}{_RATE})) * 3600",
                        model,
                    ),
                ),
                lines(
                    "Prompt cache hits",
                    "percentunit",
                    (
                        "sum by (gen_ai_request_model)"
                        f' (rate(gen_ai_cache_requests_total{{{_MODEL},result="hit"}}{_RATE}))'
                        " / sum by (gen_ai_request_model)"
                        f" (rate(gen_ai_cache_requests_total{{{_MODEL}}}{_RATE}))",
                        model,
                    ),
                    top=1,
                ),
            ],
            [
                lines(
                    "Errors",
                    "reqps",
                    (
                        "sum by (gen_ai_request_model, error_type) (rate("
                        "gen_ai_server_request_duration_seconds_count"
                        f'{{{_MODEL},error_type!=""}}{_RATE}))',
                        "{{error_type}} " + model,
                    ),
                ),
                lines(
                    "Queue depth",
                    "short",
                    ("sum by (queue) (gen_ai_server_queue_depth)", "{{queue}}"),
                ),
                lines(
                    "Calls under way",
                    "short",
                    (
                        f"sum by (gen_ai_request_model) (gen_ai_server_active_requests{{{_MODEL}}})",
                        model,
                    ),
                ),
            ],
        ],
        variables=[
            (
                "model",
                "label_values(gen_ai_server_request_duration_seconds_count, gen_ai_request_model)",
            )
        ],
    )


def applications() -> Board:
    """Return rate, errors and duration of each route, and what probes see from outside."""
    requests = "http_server_request_duration_seconds_count"
    return Board(
        "Applications",
        ["application"],
        [
            [
                number("Requests", "reqps", f"sum(rate({requests}{{{_JOB}}}{_RATE}))"),
                number(
                    "Errors",
                    "percentunit",
                    f'sum(rate({requests}{{{_JOB},status=~"5.."}}{_RATE}))'
                    f" / sum(rate({requests}{{{_JOB}}}{_RATE}))",
                ),
                number(
                    "P95",
                    "s",
                    "histogram_quantile(0.95, sum by (le) (rate("
                    f"http_server_request_duration_seconds_bucket{{{_JOB}}}{_RATE})))",
                ),
                number(
                    "Requests under way", "short", f"sum(http_server_active_requests{{{_JOB}}})"
                ),
            ],
            [
                lines(
                    "Requests by route",
                    "reqps",
                    (
                        f"sum by (job, route) (rate({requests}{{{_JOB}}}{_RATE}))",
                        "{{job}} {{route}}",
                    ),
                    stacked=True,
                ),
                lines(
                    "Responses by status",
                    "reqps",
                    (f"sum by (status) (rate({requests}{{{_JOB}}}{_RATE}))", "{{status}}"),
                    stacked=True,
                ),
            ],
            [
                lines(
                    "Duration",
                    "s",
                    *_quantiles(
                        "http_server_request_duration_seconds",
                        "job, route",
                        _JOB,
                        "{{job}} {{route}}",
                    ),
                ),
                lines(
                    "Response size",
                    "bytes",
                    *_quantiles(
                        "http_server_response_body_size_bytes",
                        "job, route",
                        _JOB,
                        "{{job}} {{route}}",
                    ),
                ),
            ],
            [
                lines(
                    "Probes that succeed",
                    "percentunit",
                    ("avg by (job, endpoint) (probe_success)", "{{job}} {{endpoint}}"),
                    top=1,
                ),
                lines(
                    "Probe duration",
                    "s",
                    ("avg by (job, endpoint) (probe_duration_seconds)", "{{job}} {{endpoint}}"),
                ),
            ],
        ],
        variables=[("job", "label_values(http_server_request_duration_seconds_count, job)")],
    )
