from veriscope.collect.probe import (
    PROBE_METADATA,
    FailureReason,
    Phases,
    ProbeResult,
    ended_failure,
    probe_batch,
)
from veriscope.signals import METRIC_NAME, is_stale

GOOD = ProbeResult(
    url="https://svc/health",
    method="GET",
    time_ms=1000,
    success=True,
    duration_s=0.5,
    status_code=200,
    http_version="1.1",
    phases=Phases(0.1, 0.05, 0.05, 0.2, 0.1),
    request_bytes=120,
    header_bytes=80,
    body_bytes=42,
    content_length=42,
    redirects=1,
    ip_protocol=4,
    tls_version="TLSv1.3",
    tls_expiry_s=1.9e9,
)
BAD = ProbeResult(
    url="http://gone/",
    method="GET",
    time_ms=2000,
    success=False,
    duration_s=5.0,
    reason=FailureReason.TIMEOUT,
    error="…",
)


def series_of(url: str) -> dict[tuple[tuple[str, str], ...], tuple[float, int]]:
    """Return value and time of each series of one of both probes, without its common labels."""
    batch = probe_batch([(GOOD, {"job": "a"}), (BAD, {"job": "b"})])
    found = {}
    for labels, value, time in zip(
        batch.labels, batch.values.tolist(), batch.timestamps_ms.tolist(), strict=True
    ):
        if dict(labels)["instance"] == url:
            rest = {k: v for k, v in labels if k not in ("instance", "job")}
            found[tuple(rest.values())] = (value, time)
    return found


def test_a_success_has_the_series_of_blackbox_exporter() -> None:
    """Names and values are those that its dashboards and rules know."""
    found = series_of("https://svc/health")
    assert found["probe_success",] == (1, 1000)
    assert found["probe_duration_seconds",] == (0.5, 1000)
    assert found["probe_dns_lookup_time_seconds",] == (0.1, 1000)
    assert found["probe_http_duration_seconds", "processing"] == (0.2, 1000)
    assert sum(v for k, (v, _) in found.items() if k[0] == "probe_http_duration_seconds") == 0.5
    assert found["probe_http_status_code",][0] == 200
    assert found["probe_http_content_length",][0] == 42
    assert found["probe_http_redirects",][0] == 1
    assert found["probe_http_ssl",][0] == 1
    assert found["probe_ssl_earliest_cert_expiry",][0] == 1.9e9
    assert found["probe_tls_version_info", "TLSv1.3"][0] == 1


def test_a_failure_has_its_series_too() -> None:
    """An endpoint that is gone is a 0 with a reason, never a gap."""
    found = series_of("http://gone/")
    assert found["probe_success",] == (0, 2000)
    assert found["probe_http_status_code",] == (0, 2000)
    assert found["probe_failure_info", "timeout"] == (1, 2000)
    assert "probe_ssl_earliest_cert_expiry" not in {key[0] for key in found}


def test_every_series_is_described() -> None:
    """Each name that is sent has its metadata, and none is described in vain."""
    batch = probe_batch([(GOOD, {}), (BAD, {})])
    names = {dict(labels)[METRIC_NAME] for labels in batch.labels}
    assert names == {described.name for described in PROBE_METADATA}


def test_no_results_make_an_empty_batch() -> None:
    """Nothing in, nothing out."""
    assert len(probe_batch([])) == 0


def test_a_reason_that_is_over_ends() -> None:
    """The series of the earlier failure is marked stale, under its own labels."""
    (lasting,) = (
        labels
        for labels in probe_batch([(BAD, {"job": "b"})]).labels
        if dict(labels)[METRIC_NAME] == "probe_failure_info"
    )
    batch = ended_failure(BAD, {"job": "b"}, 3000)
    assert batch.labels == (lasting,)
    assert is_stale(batch.values).all()
    assert batch.timestamps_ms.tolist() == [3000]
