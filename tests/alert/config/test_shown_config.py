"""What is shown of a configuration to Alertmanager's tools and to people."""

import shutil
import subprocess
from pathlib import Path

import pytest

from veriscope.alert.config import AlertingConfig, parse_alerting_config, show_config

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")

# The word that must not be seen is wherever Alertmanager or Veriscope lets one write a secret.
CONFIG = """
global:
  slack_api_url: https://hooks.example/T/S3CRET
  smtp_smarthost: mail.example:25
  smtp_from: veriscope@mail.example
  smtp_auth_password: S3CRET
  http_config: {proxy_url: 'http://user:S3CRET@proxy.example:3128'}
  pagerduty_url: https://user:S3CRET@pager.example/enqueue
route:
  receiver: team
  group_by: [alertname, job]
  routes:
    - matchers: ['severity="page"', 'job=~api|web']
      receiver: pager
      continue: true
      group_wait: 5s
      mute_time_intervals: [nights]
    - match: {job: db}
      receiver: pager
receivers:
  - name: team
    webhook_configs:
      - url: http://user:S3CRET@hook.example/S3CRET?token=S3CRET
        http_config: {authorization: {credentials: S3CRET}}
    slack_configs: [{channel: '#alerts'}]
    email_configs: [{to: team@mail.example}]
    rate_limit: {notifications: 30, per: 1m}
  - name: pager
    pagerduty_configs: [{routing_key: S3CRET}]
    opsgenie_configs: [{api_key: S3CRET}]
    discord_configs: [{webhook_url: https://discord.example/S3CRET}]
    telegram_configs: [{bot_token: S3CRET, chat_id: 5}]
    apprise_configs: [{url: 'ntfy://S3CRET'}]
inhibit_rules:
  - source_matchers: [alertname="Down"]
    target_matchers: [severity="warning"]
    equal: [instance]
time_intervals:
  - name: nights
    time_intervals:
      - weekdays: ['monday:friday']
        times: [{start_time: '22:00', end_time: '24:00'}]
"""


@pytest.fixture
def config(tmp_path: Path) -> AlertingConfig:
    """Return a configuration with secrets everywhere."""
    return parse_alerting_config(CONFIG, "alertmanager.yml", tmp_path)


def test_secrets_are_hidden(config: AlertingConfig) -> None:
    """Passwords, keys, and URLs that are as good as one."""
    shown = show_config(config)
    assert "S3CRET" not in shown
    assert "slack_api_url: https://<secret>" in shown
    assert "pagerduty_url: https://xxxxx@pager.example/enqueue" in shown


def test_what_only_veriscope_has_is_left_out(config: AlertingConfig) -> None:
    """Alertmanager's tools refuse keys that they do not know."""
    shown = show_config(config)
    assert "apprise" not in shown
    assert "rate_limit" not in shown


@pytest.mark.peer
@pytest.mark.skipif(shutil.which("amtool") is None, reason="amtool is not installed")
def test_amtool_reads_it(config: AlertingConfig, tmp_path: Path) -> None:
    """It finds the file right, and the same route for the same labels."""
    path = tmp_path / "shown.yml"
    path.write_text(show_config(config))
    subprocess.run(["amtool", "check-config", str(path)], check=True, capture_output=True)
    routes = ["amtool", "config", "routes", "test", f"--config.file={path}"]
    found = subprocess.run(
        [*routes, "severity=page", "job=api"], check=True, capture_output=True, text=True
    )
    assert found.stdout.strip() == "pager"
