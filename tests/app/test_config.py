"""The configuration file: what is read, and how faults are told."""

from pathlib import Path

import pytest

from veriscope.app import Config, ConfigError, load_config, parse_config
from veriscope.signals import ByteSize, Duration

WHOLE = """
global:
  scrape_interval: 15s
  external_labels: {site: lab}
scrape_configs:
  - job_name: api
    static_configs:
      - targets: ["127.0.0.1:8000"]
    basic_auth: {username: reader, password_file: secrets/api}
server:
  listen: 127.0.0.1:9999
  token_file: token
  tls: {cert_file: tls/cert.pem, key_file: /etc/key.pem}
collect:
  interval: 5s
store:
  retention: {metrics: 90d}
ingest:
  max_body_bytes: 4MB
query:
  timeout: 30s
"""


def test_every_section_is_read() -> None:
    """Durations and sizes are written as Prometheus writes them."""
    config = parse_config(WHOLE, "veriscope.yml")
    assert config.global_.scrape_interval == Duration.parse("15s")
    assert config.scrape_configs[0].job_name == "api"
    assert config.collect.interval == 5_000
    assert config.store.retention.metrics == Duration.parse("90d")
    assert config.ingest.max_body_bytes == ByteSize.parse("4MB")
    assert config.query.timeout == 30_000


def test_an_empty_file_is_the_defaults() -> None:
    """Nothing has to be configured."""
    assert parse_config("", "veriscope.yml") == parse_config("# nothing\n", "x") == Config()


def test_relative_paths_are_taken_from_the_files_folder(tmp_path: Path) -> None:
    """Wherever the command is started."""
    file = tmp_path / "veriscope.yml"
    file.write_text(WHOLE)
    config = load_config(file)
    assert config.server.token_file == str(tmp_path / "token")
    assert config.server.tls is not None
    assert config.server.tls.cert_file == str(tmp_path / "tls/cert.pem")
    assert config.server.tls.key_file == "/etc/key.pem"
    auth = config.scrape_configs[0].basic_auth
    assert auth is not None
    assert auth.password_file == str(tmp_path / "secrets/api")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("collect:\n  intervall: 1s\n", "f.yml:2: unknown key `intervall`"),
        ("colect: {}\n", "f.yml:1: unknown key `colect`"),
        (
            "scrape_configs:\n  - job_name: a\n  - job_name: b\n    metric_path: /x\n",
            "f.yml:4: unknown key `metric_path`",
        ),
        ("collect:\n  interval: soon\n", "f.yml:2: 'soon' is not a duration; write it as 15s"),
        ("query:\n  max_samples: many\n", "f.yml:2: Expected `int`, got `str`"),
        ("collect:\n  interval: 1s\n  interval: 2s\n", "f.yml:3: key `interval` is given twice"),
        ("collect:\n  interval: 0s\n", "f.yml:1: interval is 0s; it must be at least 50ms"),
        ("server:\n  read_timeout: 1ms\n", "f.yml:1: read_timeout is 1ms; it must be at"),
        ("server:\n  cors_origin: '['\n", "f.yml:1: cors_origin is not a regular expression"),
        ("query:\n  max_series: -1\n", "f.yml:1: max_series is -1; it must be at least 1"),
        ("store: {max_concurrent_queries: 0}\n", "f.yml:1: max_concurrent_queries is 0"),
        ("ingest:\n  max_pending_bytes: 0\n", "f.yml:1: max_pending_bytes is 0"),
        ("a: [1\nb: 2\n", "f.yml:2: not YAML"),
        ("- a list\n", "f.yml:1: Expected `object`, got `array`"),
    ],
)
def test_a_fault_names_line_cause_and_cure(text: str, expected: str) -> None:
    """The message begins with file and line."""
    with pytest.raises(ConfigError) as caught:
        parse_config(text, "f.yml")
    assert str(caught.value).startswith(expected)


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    """It is missing, or not text."""
    with pytest.raises(ConfigError, match=r"cannot read .*No such file"):
        load_config(tmp_path / "missing.yml")
    (tmp_path / "binary.yml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="cannot read"):
        load_config(tmp_path / "binary.yml")
