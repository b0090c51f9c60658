"""Results of probes as the series of blackbox_exporter."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np

from veriscope.collect.probe.result import FailureReason, ProbeResult
from veriscope.signals import (
    METRIC_NAME,
    STALE_NAN,
    Labels,
    MetricMetadata,
    MetricType,
    SampleBatch,
    to_labels,
)


def _gauge(name: str, text: str, unit: str = "") -> MetricMetadata:
    return MetricMetadata(name, MetricType.GAUGE, text, unit)


PROBE_METADATA: Final = (
    _gauge("probe_success", "Whether the probe succeeded (1) or not (0)."),
    _gauge("probe_duration_seconds", "Time of the probe's last attempt.", "seconds"),
    _gauge("probe_dns_lookup_time_seconds", "Time to resolve the host's name.", "seconds"),
    _gauge("probe_http_duration_seconds", "Time of each phase, redirects included.", "seconds"),
    _gauge("probe_http_status_code", "Status of the response; 0 without one."),
    _gauge("probe_http_version", "HTTP version of the response."),
    _gauge("probe_http_content_length", "Content-Length of the response; -1 without one."),
    _gauge("probe_http_uncompressed_body_length", "Bytes of the body that were read.", "bytes"),
    _gauge("probe_http_request_size_bytes", "Bytes of the request, head and body.", "bytes"),
    _gauge("probe_http_response_header_size_bytes", "Bytes of the response's head.", "bytes"),
    _gauge("probe_http_redirects", "Redirects that were followed."),
    _gauge("probe_http_ssl", "Whether the last connection used TLS (1) or not (0)."),
    _gauge("probe_ip_protocol", "IP version of the last connection; 0 without one."),
    _gauge("probe_retries", "Attempts that failed before the last one."),
    _gauge("probe_failed_due_to_regex", "Whether a check of the body failed (1) or not (0)."),
    _gauge("probe_failure_info", "1, with the reason why the probe failed as a label."),
    _gauge(
        "probe_ssl_earliest_cert_expiry",
        "When the first certificate expires, Unix time.",
        "seconds",
    ),
    _gauge("probe_tls_version_info", "1, with the TLS version as a label."),
)
"""What the series mean; names and meanings are blackbox_exporter's where it has them."""


def probe_batch(results: Sequence[tuple[ProbeResult, Mapping[str, str]]]) -> SampleBatch:
    """
    Return the `probe_*` series of each result, with the labels given beside it.

    `instance` is the probed URL where the labels say nothing else. Samples carry the time at
    which the attempt started, so that a slow probe is seen where it began.
    """
    labels: list[Labels] = []
    values: list[float] = []
    times: list[int] = []
    for result, given in results:
        base = {"instance": result.url, **given}
        for name, extra, value in _series(result):
            labels.append(to_labels({METRIC_NAME: name, **base, **extra}))
            values.append(value)
            times.append(result.time_ms)
    return SampleBatch(
        labels=tuple(labels),
        series=np.arange(len(labels), dtype=np.uint32),
        timestamps_ms=np.array(times, dtype=np.int64),
        values=np.array(values, dtype=np.float64),
        metadata=PROBE_METADATA,
    )


def _series(result: ProbeResult) -> Iterator[tuple[str, dict[str, str], float]]:
    """Yield name, extra labels and value of each series that *result* gives."""
    yield "probe_success", {}, float(result.success)
    yield "probe_duration_seconds", {}, result.duration_s
    yield "probe_dns_lookup_time_seconds", {}, result.phases.resolve_s
    for phase, seconds in result.phases.by_name().items():
        yield "probe_http_duration_seconds", {"phase": phase}, seconds
    yield "probe_http_status_code", {}, float(result.status_code)
    if result.http_version:
        yield "probe_http_version", {}, float(result.http_version)
    yield "probe_http_content_length", {}, float(result.content_length)
    yield "probe_http_uncompressed_body_length", {}, float(result.body_bytes)
    yield "probe_http_request_size_bytes", {}, float(result.request_bytes)
    yield "probe_http_response_header_size_bytes", {}, float(result.header_bytes)
    yield "probe_http_redirects", {}, float(result.redirects)
    yield "probe_http_ssl", {}, float(bool(result.tls_version))
    yield "probe_ip_protocol", {}, float(result.ip_protocol)
    yield "probe_retries", {}, float(result.retries)
    yield "probe_failed_due_to_regex", {}, float(result.reason is FailureReason.BODY)
    if result.reason is not None:
        yield "probe_failure_info", {"reason": result.reason.value}, 1.0
    if result.tls_expiry_s:
        yield "probe_ssl_earliest_cert_expiry", {}, result.tls_expiry_s
    if result.tls_version:
        yield "probe_tls_version_info", {"version": result.tls_version}, 1.0


def ended_failure(result: ProbeResult, given: Mapping[str, str], time_ms: int) -> SampleBatch:
    """
    Return the end of `probe_failure_info` of *result* at *time_ms*, with the same labels.

    Whoever pushes must say that a reason is over; otherwise it lasts for a lookback longer.
    """
    reason = result.reason.value if result.reason else ""
    base = {"instance": result.url, **given, "reason": reason}
    labels = (to_labels({METRIC_NAME: "probe_failure_info", **base}),)
    return SampleBatch.at(labels, np.array([STALE_NAN]), time_ms)
