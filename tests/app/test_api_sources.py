"""What the API shows of the server: its configuration without secrets, its flags, its rules."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from veriscope.app.api_sources import config_text, flags
from veriscope.app.config import Config, parse_config

FILE = """
global:
  scrape_interval: 15s
  external_labels: {region: north}
server:
  enable_admin_api: true
store:
  url: clickhouse://reader:hunter2@db:8123
scrape_configs:
  - job_name: api
    basic_auth: {username: me, password: hunter2}
    http_sd_configs: [{url: "http://me:hunter2@sd/targets"}]
  - job_name: token
    authorization: {credentials: hunter2}
"""


def test_the_configuration_is_shown_without_its_secrets() -> None:
    """Passwords, credentials and what stands before a host in a URL."""
    shown = config_text(parse_config(FILE, "veriscope.yml"))
    assert "hunter2" not in shown
    found = yaml.safe_load(shown)
    assert found["global"]["scrape_interval"] == "15s"
    assert found["global"]["external_labels"] == {"region": "north"}
    assert found["store"]["url"] == "clickhouse://<secret>@db:8123"
    api, token = found["scrape_configs"]
    assert api["basic_auth"] == {"username": "me", "password": "<secret>"}
    assert api["http_sd_configs"][0]["url"] == "http://<secret>@sd/targets"
    assert token["authorization"]["credentials"] == "<secret>"


def test_what_is_shown_can_be_read_again() -> None:
    """Defaults included, it is a configuration; only secrets are no longer themselves."""
    config = parse_config("global: {scrape_interval: 7s}\n", "veriscope.yml")
    assert parse_config(config_text(config), "shown.yml") == config
    assert parse_config(config_text(Config()), "shown.yml") == Config()


def test_flags_have_prometheus_names() -> None:
    """And the values that hold."""
    found = flags(parse_config(FILE, "veriscope.yml"), Path("/data"))
    assert found["web.enable-admin-api"] == "true"
    assert found["query.lookback-delta"] == "5m"
    assert found["storage.tsdb.path"] == "/data/store"
    assert found["web.enable-remote-write-receiver"] == "true"


def test_a_server_shows_its_rules_targets_and_configuration(
    run_server: Callable[..., Any], tmp_path: Path
) -> None:
    """As they are while it runs."""
    (tmp_path / "rules.yml").write_text(
        "groups:\n- name: one\n  interval: 1h\n  labels: {team: a}\n  rules:\n"
        "  - {record: two, expr: 1 + 1, labels: {kind: sum}}\n"
        "  - {alert: Down, expr: up == 0, for: 5m, annotations: {summary: It is down.}}\n"
    )
    config = tmp_path / "veriscope.yml"
    config.write_text(
        "rule_files: [rules.yml]\nrules: {meta: false}\n"
        "scrape_configs: [{job_name: gone, static_configs: [{targets: ['127.0.0.1:1']}]}]\n"
    )
    server = run_server(tmp_path / "data", "--config", str(config))
    [group] = server.get("/api/v1/rules")["data"]["groups"]
    recording, alerting = group["rules"]
    assert (group["name"], group["interval"]) == ("one", 3600.0)
    assert group["file"] == str(tmp_path / "rules.yml")
    assert recording["labels"] == {"team": "a", "kind": "sum"}
    assert (alerting["type"], alerting["state"], alerting["duration"]) == (
        "alerting", "inactive", 300.0,
    )  # fmt: skip
    assert alerting["annotations"] == {"summary": "It is down."}
    [target] = server.get("/api/v1/targets")["data"]["activeTargets"]
    assert target["labels"] == {"instance": "127.0.0.1:1", "job": "gone"}
    assert server.get("/api/v1/scrape_pools")["data"] == {"scrapePools": ["gone"]}
    shown = yaml.safe_load(server.get("/api/v1/status/config")["data"]["yaml"])
    assert shown["rule_files"] == [str(tmp_path / "rules.yml")]
    assert server.get("/api/v1/status/flags")["data"]["web.enable-admin-api"] == "false"
