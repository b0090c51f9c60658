"""The real Alertmanager and we send the same group through each kind of receiver."""

import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

from veriscope.alert import AlertGroup
from veriscope.alert.group import rfc3339
from veriscope.alert.notify import Verdict, load_receivers

pytestmark = pytest.mark.peer
BINARY = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
HEADERS = ("Authorization", "Content-Type")


def configs(url: str, smtp_port: int) -> dict[str, list[dict[str, Any]]]:
    """Return what both are given: texts of our own, so that keys and limits are compared."""
    text = "{{ .Status }}|{{ .CommonLabels.severity }}|{{ len .Alerts.Firing }}"
    token = {"authorization": {"credentials": "tok"}}
    webhook = f"{url}/webhook"
    login = {"username": "u", "password": "p"}
    return {
        "webhook_configs": [
            {"url": webhook, "max_alerts": 1},
            {"url": f"{url}/auth", "http_config": {"basic_auth": login}},
            {"url": f"{url}/bearer", "http_config": {"bearer_token": "b"}},
        ],
        "slack_configs": [
            {"api_url": f"{url}/slack-defaults", "channel": "#a", "send_resolved": True},
            {
                "api_url": f"{url}/slack",
                "send_resolved": True,
                "channel": "{{ .Receiver }}",
                "text": "x" * 1100,
                "title": "t" * 1100,
                "color": "#123456",
                "image_url": "http://i/{{ .Status }}",
                "thumb_url": "http://t",
                "link_names": True,
                "short_fields": True,
                "mrkdwn_in": ["text"],
                "icon_emoji": ":x:",
                "fields": [
                    {"title": "a", "value": text},
                    {"title": "b", "value": "c", "short": False},
                ],
                "actions": [
                    {"type": "button", "text": text, "url": "http://b"},
                    {
                        "type": "button",
                        "text": "go",
                        "name": "n",
                        "value": "v",
                        "style": "danger",
                        "confirm": {"text": "sure?", "ok_text": "yes"},
                    },
                ],
            },
        ],
        "pagerduty_configs": [
            {"routing_key": "r", "url": f"{url}/pagerduty-defaults"},
            {
                "routing_key": "r",
                "url": f"{url}/pagerduty",
                "description": "d" * 1100,
                "severity": "{{ .CommonLabels.severity }}",
                "class": "c",
                "component": text,
                "group": "g",
                "client": "me",
                "details": {"more": text, "num_firing": "none"},
                "images": [{"src": "http://i", "alt": "i"}, {"alt": "nothing"}],
                "links": [{"href": "http://l", "text": text}, {"text": "nothing"}],
            },
        ],
        "opsgenie_configs": [
            {"api_key": "k", "api_url": f"{url}/opsgenie-defaults/"},
            {
                "api_key": "k",
                "api_url": f"{url}/opsgenie/",
                "message": "m" * 200,
                "tags": "a,b,,c",
                "note": text,
                "priority": "P2",
                "entity": "e",
                "actions": "one,two",
                "details": {"severity": "mine"},
                "update_alerts": True,
                "responders": [
                    {"type": "team", "name": "{{ .Receiver }}"},
                    {"type": "teams", "name": "x,y"},
                    {"type": "user", "username": "u", "id": "7"},
                ],
            },
        ],
        "victorops_configs": [
            {"api_key": "k", "routing_key": "defaults", "api_url": f"{url}/victorops/"},
            {
                "api_key": "k",
                "routing_key": "{{ .CommonLabels.alertname }}",
                "api_url": f"{url}/victorops/",
                "message_type": "nonsense",
                "state_message": "s" * 21_000,
                "custom_fields": {"own": text},
            },
        ],
        "webex_configs": [
            {"room_id": "r", "api_url": f"{url}/webex-defaults", "http_config": token},
            {
                "room_id": "room",
                "api_url": f"{url}/webex",
                "http_config": token,
                "message": "x" * 8000,  # of other letters 0.25 counts the wrong thing, and dies
            },
        ],
        "wechat_configs": [
            {
                "api_secret": "s",
                "corp_id": "c",
                "api_url": f"{url}/wechat/",
                "agent_id": "1",
                "to_user": text,
                "message": text,
                "send_resolved": True,
            },
        ],
        "telegram_configs": [
            {"bot_token": "1:t", "chat_id": -5, "api_url": f"{url}/telegram-defaults"},
            {
                "bot_token": "1:t",
                "chat_id": -5,
                "api_url": f"{url}/telegram",
                "message": "m" * 5000,
                "parse_mode": "",
                "disable_notifications": True,
            },
        ],
        "discord_configs": [
            {"webhook_url": f"{url}/discord-defaults"},
            {"webhook_url": f"{url}/discord", "title": "t" * 200, "message": text},
        ],
        "sns_configs": [
            {
                "api_url": f"{url}/sns",
                "topic_arn": "arn:aws:sns:eu-west-1:1:x.fifo",
                "sigv4": {"region": "eu-west-1", "access_key": "AK", "secret_key": "SK"},
                "message": text,
                "subject": "s",
                "attributes": {"a": text},
            },
        ],
        "email_configs": [
            {
                "to": "a@example.org, B <b@example.org>",
                "from": "v@example.org",
                "smarthost": f"127.0.0.1:{smtp_port}",
                "require_tls": False,
                "send_resolved": True,
                "text": text,
                "html": "<p>{{ .CommonAnnotations.summary }}</p>",
                "headers": {"subject": text, "x-team": "{{ .Receiver }}"},
            },
        ],
    }


def serving(recorder: Any) -> None:
    """Let the recorder answer as the services do."""
    recorder.answers["/wechat/gettoken"] = (200, {}, b'{"access_token": "token"}')
    sent = b'{"ok": true, "result": {"message_id": 1, "chat": {"id": 1}}}'
    for name in ("telegram", "telegram-defaults"):
        recorder.answers[f"/{name}/bot1:t/sendMessage"] = (200, {}, sent)


@pytest.fixture
def alertmanager(
    tmp_path: Path, recorder: Any, open_mailbox: Callable[..., Any]
) -> Iterator[tuple[str, Any]]:
    """Run a real Alertmanager with all of them; return its address and the mailbox."""
    if BINARY is None:
        pytest.skip("Alertmanager is not installed")
    serving(recorder)
    mailbox = open_mailbox(tls=False)
    times = {"group_wait": "0s", "group_interval": "1s", "group_by": ["alertname"]}
    config = {
        "route": {"receiver": "team", **times},
        "receivers": [{"name": "team", **configs(recorder.url, mailbox.port)}],
    }
    file = tmp_path / "alertmanager.yml"
    file.write_text(yaml.safe_dump(config))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = (tmp_path / "log").open("wb")
    process = subprocess.Popen(
        [
            *(BINARY, f"--config.file={file}", f"--storage.path={tmp_path}/data"),
            *(f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address="),
            "--web.external-url=http://veriscope",
            "--web.route-prefix=/",
        ],
        stdout=log,
        stderr=log,
    )
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=60):
                break
        except (OSError, urllib.error.URLError):
            assert process.poll() is None, (tmp_path / "log").read_text()
    yield f"http://127.0.0.1:{port}", mailbox
    process.terminate()
    process.wait(60)
    log.close()


def post(url: str, group: AlertGroup) -> None:
    """Send the alerts of *group* to the Alertmanager."""
    alerts = []
    for alert in group.alerts:
        body = {
            "labels": dict(alert.labels),
            "annotations": dict(alert.annotations),
            "startsAt": rfc3339(alert.starts_at_ms),
            "generatorURL": alert.generator_url,
        }
        if alert.ends_at_ms is not None:
            body["endsAt"] = rfc3339(alert.ends_at_ms)
        alerts.append(body)
    request = urllib.request.Request(
        f"{url}/api/v2/alerts",
        json.dumps(alerts).encode(),
        {"Content-Type": "application/json"},
    )
    urllib.request.urlopen(request, timeout=60).close()


def seen(kept: Any) -> dict[str, Any]:
    """Return of a request what a service goes by."""
    headers = {name: kept.headers.get(name, "").partition(";")[0] for name in HEADERS}
    body: Any = kept.form
    if headers["Content-Type"] == "application/json":
        body = kept.json
    if headers["Authorization"].startswith("AWS4-"):
        # Which headers are signed, when and how differs; key, region and service are the same.
        scope = headers["Authorization"].partition(",")[0].split("/")
        headers["Authorization"] = "/".join([scope[0], *scope[2:]])
    return {"target": kept.target, "method": kept.method, "headers": headers, "body": body}


def test_each_kind_sends_what_alertmanager_sends(
    alertmanager: tuple[str, Any],
    recorder: Any,
    make_group: Callable[..., AlertGroup],
    registry: CollectorRegistry,
) -> None:
    """Method, target, headers and every key of the body, firing and resolved."""
    url, mailbox = alertmanager
    source = [{"name": "team", **configs(recorder.url, mailbox.port)}]
    notifiers = [
        each.notifier for each in load_receivers(source, registry=registry)["team"].deliveries
    ]
    differences = {}
    for group in (make_group(firing=1), make_group(firing=0, resolved=1)):
        for notifier in notifiers:
            outcome = notifier.notify(group)
            assert outcome.verdict is Verdict.DELIVERED, (notifier.integration, outcome)
        own_mail, ours = _taken(recorder, mailbox)
        post(url, group)
        _wait_for(recorder, mailbox, len(ours))
        real_mail, theirs = _taken(recorder, mailbox)
        differences |= {
            (group.status, *key): (theirs.get(key), ours.get(key))
            for key in theirs.keys() | ours.keys()
            if theirs.get(key) != ours.get(key)
        }
        _compare_mails(real_mail, own_mail)
    assert not differences, json.dumps(
        {str(key): value for key, value in differences.items()}, indent=1
    )


def _wait_for(recorder: Any, mailbox: Any, count: int) -> None:
    """Wait for what the other process sends; what lacks in the end, the comparison names."""
    end = time.monotonic() + 20
    while time.monotonic() < end and not (mailbox.messages and len(_requests(recorder)) >= count):
        time.sleep(0.02)


def _requests(recorder: Any) -> list[dict[str, Any]]:
    return [seen(kept) for kept in list(recorder.kept) if "gettoken" not in kept.target]


def _taken(recorder: Any, mailbox: Any) -> tuple[Any, dict[tuple[str, str], Any]]:
    """Return the mail and the requests that came, by method and target, and forget them."""
    requests = {(each["method"], each["target"]): each for each in _requests(recorder)}
    (letter,) = mailbox.messages
    recorder.kept.clear()
    mailbox.messages.clear()
    return letter, requests


def _compare_mails(theirs: Any, ours: Any) -> None:
    assert theirs[:2] == ours[:2]
    real, own = theirs[2], ours[2]
    for name in ("Subject", "From", "To", "X-Team"):
        assert real[name] == own[name], name
    assert real.get_content_type() == own.get_content_type() == "multipart/alternative"
    for kind in ("plain", "html"):
        texts = [mail.get_body((kind,)).get_content().strip() for mail in (real, own)]
        assert texts[0] == texts[1], kind
