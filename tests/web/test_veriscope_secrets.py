"""No answer shows a secret of the configuration, also where delivering fails."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from tests.web.alerting_fakes import Documents
from veriscope.alert.alerting import Alerting
from veriscope.alert.config import parse_alerting_config
from veriscope.signals import SystemClock
from veriscope.web import AlertmanagerApi, NotificationsApi
from veriscope.web.app import Api

# Port 1 takes no connection and `.invalid` has no address: each of these fails.
CONFIG = """
global:
  slack_api_url: http://127.0.0.1:1/S3CRET
  smtp_smarthost: 127.0.0.1:1
  smtp_from: veriscope@mail.example
  smtp_auth_username: me
  smtp_auth_password: S3CRET
  smtp_require_tls: false
  opsgenie_api_url: http://127.0.0.1:1/
  opsgenie_api_key: S3CRET
  telegram_api_url: http://127.0.0.1:1
route: {receiver: team, group_wait: 0s}
receivers:
  - name: team
    webhook_configs:
      - url: http://user:S3CRET@127.0.0.1:1/S3CRET?token=S3CRET
        http_config: {authorization: {credentials: S3CRET}}
      - url: http://S3CRET.invalid/
        http_config: {proxy_url: 'http://user:S3CRET@127.0.0.1:1'}
    slack_configs: [{channel: '#alerts'}]
    email_configs: [{to: team@mail.example}]
    pagerduty_configs: [{routing_key: S3CRET, url: 'http://127.0.0.1:1/'}]
    opsgenie_configs: [{}]
    discord_configs: [{webhook_url: 'http://127.0.0.1:1/S3CRET'}]
    telegram_configs: [{bot_token: S3CRET, chat_id: 5}]
"""


@pytest.fixture
async def alerting(tmp_path: Path) -> AsyncIterator[Alerting]:
    """Run an alerting whose receivers all fail."""
    config = parse_alerting_config(CONFIG, "alertmanager.yml", tmp_path)
    clock, stop = SystemClock(), asyncio.Event()
    alerting = Alerting(config, state=Documents(), clock=clock, registry=CollectorRegistry())
    await alerting.load()
    running = asyncio.create_task(alerting.run(stop))
    yield alerting
    stop.set()
    await running


@pytest.fixture
def parts(alerting: Alerting) -> Sequence[Api]:
    """Serve it."""
    return [
        AlertmanagerApi(
            alerting, clock=SystemClock(), registry=CollectorRegistry(), version="1.2.3"
        ),
        NotificationsApi(alerting),
    ]


async def test_no_answer_shows_a_secret(web: Any, alerting: Alerting, parts: Sequence[Api]) -> None:
    """Neither the configuration nor what the other side or the network said."""
    async with web.post("/api/v2/alerts", json=[{"labels": {"alertname": "Down"}}]) as answer:
        assert answer.status == 200
    async with asyncio.timeout(60):
        while not all(  # noqa: ASYNC110 - alerting has no event for it
            each.last_error for each in alerting.receivers()[0].integrations
        ):
            await asyncio.sleep(0.05)
    paths = {
        route.path
        for part in parts
        for route in part.routes()
        if "GET" in (route.methods or ()) and "{" not in route.path
    }
    assert len(paths) > 10
    for path in paths:
        async with web.get(path) as answer:
            assert answer.status == 200, path
            assert "S3CRET" not in await answer.text(), path
