"""The four dashboards of the genRF guide, panel for panel."""

from typing import Final

from deploy.grafana.board import Board, bars, lines, number, rows_of

_TAGS: Final = ["genrf"]
_FAILED: Final = 'genrf_circuits_generated_total{status="failed"}'
_RATE: Final = "[$__rate_interval]"
_ROUTE_ERRORS: Final = 'http_server_request_duration_seconds_count{job=~"genrf.*",status=~"5.."}'


def system_health() -> Board:
    """Return whether circuits come out, and what that takes of the machine."""
    return Board(
        "genRF: system health",
        _TAGS,
        [
            [
                number(
                    "Circuits per hour",
                    "short",
                    "sum(rate(genrf_circuits_generated_total[1h])) * 3600",
                ),
                number(
                    "Success rate",
                    "percentunit",
                    'sum(rate(genrf_circuits_generated_total{status="success"}[1h]))'
                    " / sum(rate(genrf_circuits_generated_total[1h]))",
                ),
                number(
                    "Average generation time",
                    "s",
                    "sum(rate(genrf_generation_duration_seconds_sum[1h]))"
                    " / sum(rate(genrf_generation_duration_seconds_count[1h]))",
                ),
                number(
                    "SPICE success rate",
                    "percentunit",
                    'sum(rate(genrf_spice_simulations_total{status="success"}[1h]))'
                    " / sum(rate(genrf_spice_simulations_total[1h]))",
                ),
            ],
            [
                lines(
                    "Circuit generation rate",
                    "short",
                    (
                        f"sum by (status) (rate(genrf_circuits_generated_total{_RATE})) * 3600",
                        "{{status}} per hour",
                    ),
                    stacked=True,
                ),
                lines(
                    "SPICE simulations",
                    "ops",
                    (
                        f"sum by (engine, status) (rate(genrf_spice_simulations_total{_RATE}))",
                        "{{engine}} {{status}}",
                    ),
                    stacked=True,
                ),
            ],
            [
                lines(
                    "CPU and GPU utilization",
                    "percentunit",
                    (
                        f'1 - avg by (instance) (rate(node_cpu_seconds_total{{mode="idle"}}{_RATE}))',
                        "CPU {{instance}}",
                    ),
                    ("gpu_utilization_ratio", "GPU {{gpu}} {{instance}}"),
                    top=1,
                ),
                lines(
                    "Memory usage",
                    "bytes",
                    (
                        "node_memory_MemTotal_bytes - node_memory_MemAvailable_bytes",
                        "used {{instance}}",
                    ),
                    ("genrf_gpu_memory_bytes", "GPU {{gpu_id}}"),
                ),
            ],
        ],
    )


def performance() -> Board:
    """Return how long each part takes."""

    def quantile(share: float) -> tuple[str, str]:
        series = f"rate(genrf_generation_duration_seconds_bucket{_RATE})"
        return f"histogram_quantile({share}, sum by (le) ({series}))", f"P{share * 100:.0f}"

    return Board(
        "genRF: performance",
        _TAGS,
        [
            [
                lines("Generation time", "s", quantile(0.5), quantile(0.95), quantile(0.99)),
                lines(
                    "Model inference latency",
                    "s",
                    (
                        "histogram_quantile(0.95, sum by (le, model_type)"
                        f" (rate(genrf_model_inference_seconds_bucket{_RATE})))",
                        "P95 {{model_type}}",
                    ),
                ),
            ],
            [
                lines(
                    "SPICE convergence rate",
                    "percentunit",
                    (
                        f"1 - sum by (circuit_type) (rate(genrf_spice_convergence_failures_total{_RATE}))"
                        f" / sum by (circuit_type) (rate(genrf_spice_simulations_total{_RATE}))",
                        "{{circuit_type}}",
                    ),
                    top=1,
                ),
                bars(
                    "Optimization steps",
                    "short",
                    "sum by (optimization_steps)"
                    " (increase(genrf_generation_duration_seconds_count[$__range]))",
                    "{{optimization_steps}} steps",
                ),
            ],
            [
                lines(
                    "Queue depth",
                    "short",
                    ("sum by (instance) (pending_generations)", "{{instance}}"),
                ),
                lines(
                    "Processing time by circuit type",
                    "s",
                    (
                        "sum by (circuit_type) (rate(genrf_generation_duration_seconds_sum"
                        f"{_RATE})) / sum by (circuit_type)"
                        f" (rate(genrf_generation_duration_seconds_count{_RATE}))",
                        "{{circuit_type}}",
                    ),
                ),
            ],
        ],
    )


def business() -> Board:
    """Return who uses it, and for what."""
    return Board(
        "genRF: business metrics",
        _TAGS,
        [
            [
                lines(
                    "Active users and sessions",
                    "short",
                    ("sum(genrf_active_users)", "users"),
                    ("sum(genrf_active_sessions)", "sessions"),
                ),
                bars(
                    "Popular circuit types",
                    "short",
                    "sort_desc(sum by (circuit_type)"
                    " (increase(genrf_circuits_generated_total[$__range])))",
                    "{{circuit_type}}",
                ),
                bars(
                    "Popular frequencies",
                    "short",
                    "sort_desc(sum by (band) (increase(genrf_generation_requests_total[$__range])))",
                    "{{band}}",
                ),
            ],
            [
                bars(
                    "Export formats",
                    "short",
                    "sort_desc(sum by (format) (increase(genrf_exports_total[$__range])))",
                    "{{format}}",
                ),
                lines(
                    "User satisfaction",
                    "short",
                    (
                        "sum by (feature) (increase(genrf_user_satisfaction_score_sum[$__range]))"
                        " / sum by (feature)"
                        " (increase(genrf_user_satisfaction_score_count[$__range]))",
                        "{{feature}}",
                    ),
                    top=5,
                ),
                lines(
                    "Feature adoption",
                    "reqps",
                    (
                        f"sum by (feature) (rate(genrf_feature_uses_total{_RATE}))",
                        "{{feature}}",
                    ),
                    stacked=True,
                ),
            ],
        ],
    )


def error_analysis() -> Board:
    """Return what fails, where, and for how long."""
    return Board(
        "genRF: error analysis",
        _TAGS,
        [
            [
                lines(
                    "Errors by component",
                    "ops",
                    (f"sum(rate({_FAILED}{_RATE}))", "generation"),
                    (f"sum(rate(genrf_spice_convergence_failures_total{_RATE}))", "SPICE"),
                    (f"sum(rate({_ROUTE_ERRORS}{_RATE}))", "API"),
                ),
                rows_of(
                    "Top error messages",
                    "topk(20, sum by (failure_type, circuit_type)"
                    " (increase(genrf_spice_convergence_failures_total[$__range])) > 0)",
                ),
            ],
            [
                lines(
                    "Failure share by technology",
                    "percentunit",
                    (
                        f"sum by (technology) (rate({_FAILED}{_RATE})) / sum by (technology)"
                        f" (rate(genrf_circuits_generated_total{_RATE}))",
                        "{{technology}}",
                    ),
                    top=1,
                ),
                bars(
                    "Failures by frequency band",
                    "short",
                    "sum by (band) (increase(genrf_failed_generations_total[$__range]))",
                    "{{band}}",
                ),
            ],
            [
                lines(
                    "Recovery: time with failures in the last hour",
                    "s",
                    (
                        f"sum_over_time((sum(increase({_FAILED}[1m])) > bool 0)[1h:1m]) * 60",
                        "time with failures",
                    ),
                ),
                rows_of("Alerts that fire", 'ALERTS{alertstate="firing"}'),
            ],
        ],
    )
