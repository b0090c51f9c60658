"""The dashboard that genRF puts on the server."""

from typing import Final

from veriscope import ObservabilityFramework

_JOB: Final = 'job="genrf"'
# Title, unit, query, and what its lines are called.
_SHOWN: Final = (
    (
        "Circuits per minute",
        "number",
        f"sum by (circuit_type) (rate(genrf_circuits_generated_total{{{_JOB}}}[5m])) * 60",
        "{{circuit_type}}",
    ),
    (
        "Success rate",
        "ratio",
        (
            f'sum(rate(genrf_circuits_generated_total{{{_JOB},status="success"}}[5m]))'
            f" / sum(rate(genrf_circuits_generated_total{{{_JOB}}}[5m]))"
        ),
        "circuits",
    ),
    (
        "Generation time, p95",
        "seconds",
        (
            "histogram_quantile(0.95, sum by (le)"
            f" (rate(genrf_generation_duration_seconds_bucket{{{_JOB}}}[5m])))"
        ),
        "p95",
    ),
    (
        "SPICE simulations",
        "per second",
        f"sum by (status) (rate(genrf_spice_simulations_total{{{_JOB}}}[1m]))",
        "{{status}}",
    ),
    (
        "Convergence failures",
        "per second",
        f"sum by (failure_type) (rate(genrf_spice_convergence_failures_total{{{_JOB}}}[5m]))",
        "{{failure_type}}",
    ),
    ("Generations that wait", "count", f"sum(pending_generations{{{_JOB}}})", "waiting"),
)


def put_dashboard(framework: ObservabilityFramework) -> None:
    """Show what the circuits do, where a server is configured."""
    framework.create_dashboard(
        "genRF",
        [
            {"title": title, "type": "timeseries", "unit": unit, "query": query, "legend": legend}
            for title, unit, query, legend in _SHOWN
        ],
    )
