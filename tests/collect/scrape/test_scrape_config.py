from pathlib import Path
from typing import Any

import msgspec
import pytest

from veriscope.collect.scrape import GlobalConfig, ScrapeConfig, resolve_paths
from veriscope.collect.scrape.job import build_jobs
from veriscope.collect.scrape.target import build_target
from veriscope.signals import InvalidInputError, decode_unit


def job(defaults: dict[str, object] | None = None, **keys: object) -> Any:
    """Build one job from configuration keys."""
    config = msgspec.convert({"job_name": "j", **keys}, ScrapeConfig, dec_hook=decode_unit)
    return build_jobs(
        msgspec.convert(defaults or {}, GlobalConfig, dec_hook=decode_unit), [config]
    )[0]


def test_defaults_are_prometheus() -> None:
    """An empty job scrapes each minute with ten seconds of time, and is always bounded."""
    found = job()
    assert (found.interval, found.timeout) == (60_000, 10_000)
    assert found.body_size_limit == 64 * 1024**2
    assert job(scrape_interval="5s").timeout == 5_000
    assert job({"scrape_interval": "20s", "sample_limit": 7}).sample_limit == 7
    assert job({"sample_limit": 7}, sample_limit=0).sample_limit == 0


@pytest.mark.parametrize(
    ("keys", "cause"),
    [
        ({"scrape_interval": "5s", "scrape_timeout": "6s"}, "scrape_timeout 6s is longer"),
        ({"scheme": "ftp"}, "scheme"),
        ({"static_configs": [{"targets": ["http://a:1"]}]}, "not host:port"),
        ({"static_configs": [{"targets": ["a:1"], "labels": {"": "x"}}]}, "label name is empty"),
        ({"file_sd_configs": [{"files": ["a.txt"]}]}, "must end in"),
        ({"file_sd_configs": [{"files": ["*/a.json"]}]}, "must end in"),
        ({"http_sd_configs": [{"url": "ftp://x"}]}, "URL"),
        ({"relabel_configs": [{"regex": "(", "target_label": "a"}]}, "relabel_configs: rule 1"),
        ({"metric_relabel_configs": [{"action": "replace"}]}, "metric_relabel_configs: rule 1"),
        ({"basic_auth": {"username": "a"}, "bearer_token": "b"}, "more than one"),
        ({"basic_auth": {"password": "a", "password_file": "b"}}, "both password"),
        ({"authorization": {"type": "basic"}}, "basic_auth"),
        ({"tls_config": {"cert_file": "a"}}, "go together"),
        ({"proxy_url": "socks5://x"}, "proxy_url"),
        ({"sample_limit": -1}, "sample_limit"),
        ({"scrape_protocols": []}, "scrape_protocols"),
    ],
)
def test_impossible_jobs_are_refused(keys: Any, cause: str) -> None:
    """A job that cannot work is an error with its name and the cause."""
    with pytest.raises(InvalidInputError, match=f"^job 'j': .*{cause}"):
        job(**keys)


def test_job_names_are_unique() -> None:
    """Two jobs of one name are an error."""
    config = ScrapeConfig(job_name="twice")
    with pytest.raises(InvalidInputError, match="twice"):
        build_jobs(GlobalConfig(), [config, config])


def test_unknown_keys_are_refused() -> None:
    """A key that does nothing here is never read silently."""
    with pytest.raises(msgspec.ValidationError, match="kubernetes_sd_configs"):
        job(kubernetes_sd_configs=[])


def test_secrets_do_not_show() -> None:
    """No secret can be read from a configuration that is printed."""
    config = job(basic_auth={"username": "u", "password": "hunter2"},
                 http_headers={"X-Key": {"secrets": ["hunter2"]}}).config  # fmt: skip
    assert "hunter2" not in f"{config!r} {config}"


def test_paths_are_resolved() -> None:
    """Relative file names are taken from the configuration's folder."""
    config = job(
        bearer_token_file="token",  # noqa: S106 a file's name
        tls_config={"ca_file": "/abs/ca.pem"},
        http_headers={"X": {"files": ["x"]}},
        file_sd_configs=[{"files": ["sd/*.json"]}],
    ).config
    found = resolve_paths(config, Path("/etc/veriscope"))
    assert found.bearer_token_file == "/etc/veriscope/token"  # noqa: S105 a file's name
    assert found.tls_config.ca_file == "/abs/ca.pem"
    assert found.http_headers["X"].files == ("/etc/veriscope/x",)
    assert found.file_sd_configs[0].files == ("/etc/veriscope/sd/*.json",)
    assert found.metrics_path == "/metrics"


def test_target_of_relabelled_labels() -> None:
    """Address, scheme, path, parameters and times can all be relabelled; `__*` does not stay."""
    found = build_target(
        job(
            params={"module": ["http", "more"], "x": ["1"]},
            metrics_path="/probe",
            relabel_configs=[
                {"source_labels": ["__address__"], "target_label": "__param_module"},
                {"source_labels": ["__address__"], "target_label": "instance"},
                {"target_label": "__address__", "replacement": "prober:9115"},
                {"target_label": "__scheme__", "replacement": "https"},
                {"target_label": "__scrape_interval__", "replacement": "20s"},
                {"target_label": "__tmp_x", "replacement": "y"},
            ],
        ),
        {"__address__": "site.example:80", "__meta_kind": "web", "empty": ""},
    )
    assert found is not None
    assert found.labels == (("instance", "site.example:80"), ("job", "j"))
    assert found.url == "https://prober:9115/probe?module=site.example:80&module=more&x=1"
    assert (found.interval, found.timeout) == (20_000, 10_000)
    assert dict(found.discovered)["__meta_kind"] == "web"


def test_impossible_targets_are_refused() -> None:
    """Labels that make no target say why."""
    for rule in (
        {"target_label": "__address__", "replacement": ""},
        {"target_label": "__address__", "replacement": "a/b"},
        {"target_label": "__scrape_timeout__", "replacement": "2m"},
        {"target_label": "__scheme__", "replacement": "gopher"},
    ):
        with pytest.raises(InvalidInputError):
            build_target(job(relabel_configs=[rule]), {"__address__": "a:1"})
