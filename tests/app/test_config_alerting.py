"""The sections of Alertmanager and Prometheus' `alerting` in the server's file."""

from pathlib import Path

import pytest

from veriscope.app import Config, ConfigError, load_config, parse_config
from veriscope.app.api_sources import config_text
from veriscope.signals import Duration

ROUTED = """
global:
  scrape_interval: 5s
  resolve_timeout: 3m
route:
  receiver: team
receivers:
  - name: team
    webhook_configs:
      - url: http://hook.test/${HOOK}
"""


def test_sections_of_both_stand_in_one_file() -> None:
    """`global` has the keys of Prometheus and of Alertmanager; each goes to its own."""
    config = parse_config(ROUTED, "f.yml", environment={"HOOK": "token"})
    assert config.global_.scrape_interval == Duration.parse("5s")
    assert config.routing.global_.resolve_timeout == Duration.parse("3m")
    assert config.routing.route is not None
    assert config.routing.route.receiver == "team"
    (webhook,) = config.routing.receivers[0].webhook_configs
    assert webhook.url is not None
    assert webhook.url.reveal() == "http://hook.test/token"


def test_a_file_without_routes_tells_nobody() -> None:
    """Alerts are then seen on the page alone."""
    assert parse_config("server: {listen: 127.0.0.1:0}", "f.yml") == parse_config(
        "server: {listen: 127.0.0.1:0}\nglobal: {}", "f.yml"
    )
    assert Config().routing.route is None


def test_a_file_of_alertmanager_is_read_as_it_is(tmp_path: Path) -> None:
    """Relative names in it are taken from its own directory."""
    (tmp_path / "am").mkdir()
    (tmp_path / "am" / "a.yml").write_text(
        "route: {receiver: r}\nreceivers: [{name: r}]\ntemplates: ['*.tmpl']"
    )
    (tmp_path / "f.yml").write_text("alert: {config_file: am/a.yml}")
    config = load_config(tmp_path / "f.yml")
    assert config.routing.templates == (str(tmp_path / "am" / "*.tmpl"),)
    assert config.alert.config_file == str(tmp_path / "am" / "a.yml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("route: {receiver: b}\nreceivers: [{name: a}]", "f.yml:1: there is no receiver 'b'"),
        ("\nrouting: {}", "f.yml:2: unknown key `routing`"),
        ("alert: {config_file: x}\nroute: {}", "f.yml:2: `route` stands here and in"),
        ("global:\n  nope: 1", "f.yml:2: unknown key `nope`"),
        ("receivers: [{name: a}]", "f.yml:1: there is no `route`"),
        ("global: {}\nroute:\n  receiver: a\n  foo: 1", "f.yml:4: unknown key `foo`"),
        ("alerting:\n  alertmanagers:\n  - scheme: ftp", "f.yml:3: scheme must be http or https"),
        (ROUTED, "f.yml:10: the environment has no variable HOOK"),
    ],
    ids=["receiver", "field", "twice", "global", "no-route", "unknown", "scheme", "variable"],
)
def test_a_fault_names_its_line(text: str, message: str) -> None:
    """Whoever wrote the file finds the fault at once."""
    with pytest.raises(ConfigError, match="^" + message.replace("`", ".")) as caught:
        parse_config(text, "f.yml")
    assert "token" not in str(caught.value)


def test_what_is_shown_has_no_secret() -> None:
    """`/api/v1/status/config` shows the sections under their own keys, without secrets."""
    config = parse_config(ROUTED, "f.yml", environment={"HOOK": "token"})
    shown = config_text(config)
    assert "token" not in shown
    assert "routing" not in shown
    assert "\nroute:\n  receiver: team\n" in shown
    assert "resolve_timeout: 3m" in shown
