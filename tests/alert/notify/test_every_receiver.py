"""What holds for each kind of receiver alike."""

import json
import logging
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from veriscope.alert import AlertGroup
from veriscope.alert.config import show_config
from veriscope.alert.notify import Reason, Verdict
from veriscope.alert.notify.config import GlobalConfig, ReceiverConfig
from veriscope.alert.notify.paging import pagerduty, pushover
from veriscope.signals import InvalidInputError, decode_unit
from veriscope.signals.evidence import Evidence

# What apprise imports for its plugins is not ours to change.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
MakeGroup = Callable[..., AlertGroup]
MakeNotifier = Callable[..., Any]
TOKEN = "s3cr3tt0k3n"  # noqa: S105 - of nobody
BROKEN = "{{ .Nonsense.Field }}"


def configs(url: str) -> dict[str, tuple[dict[str, Any], str]]:
    """Return a configuration of each HTTP kind, its secrets in place, and a field of texts."""
    hook = f"{url}/{TOKEN}"
    return {
        "webhook_configs": ({"url": hook}, ""),
        "slack_configs": ({"api_url": hook, "channel": "#ops"}, "pretext"),
        "pagerduty_configs": ({"routing_key": TOKEN, "url": f"{url}/enqueue"}, "component"),
        "opsgenie_configs": ({"api_key": TOKEN, "api_url": url}, "note"),
        "victorops_configs": (
            {"api_key": TOKEN, "api_url": url, "routing_key": "team"},
            "state_message",
        ),
        "pushover_configs": ({"user_key": TOKEN, "token": TOKEN}, "message"),
        "msteams_configs": ({"webhook_url": hook}, "text"),
        "msteamsv2_configs": ({"webhook_url": hook}, "text"),
        "discord_configs": ({"webhook_url": hook}, "message"),
        "telegram_configs": ({"bot_token": TOKEN, "chat_id": -7, "api_url": url}, "message"),
        "webex_configs": (
            {
                "room_id": "room",
                "api_url": url,
                "http_config": {"authorization": {"credentials": TOKEN}},
            },
            "message",
        ),
        "wechat_configs": ({"api_secret": TOKEN, "corp_id": "corp", "api_url": url}, "message"),
        "rocketchat_configs": ({"token": TOKEN, "token_id": TOKEN, "api_url": url}, "text"),
        "sns_configs": (
            {
                "api_url": url,
                "topic_arn": "arn:topic",
                "sigv4": {"region": "eu-west-1", "access_key": "AK", "secret_key": TOKEN},
            },
            "message",
        ),
        "apprise_configs": ({"url": f"json://u:{TOKEN}@{url.partition('://')[2]}/x"}, "body"),
    }


KINDS = sorted(configs("http://localhost"))


@pytest.fixture
def services(recorder: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let every service be the recorder, those at fixed addresses too."""
    monkeypatch.setattr(pushover, "URL", f"{recorder.url}/pushover")
    monkeypatch.setattr(pagerduty, "V1_URL", f"{recorder.url}/v1")
    token = json.dumps({"access_token": f"{TOKEN}-access"}).encode()
    recorder.answers["/gettoken"] = (200, {}, token)
    return recorder


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_delivers(
    kind: str, services: Any, make_notifier: MakeNotifier, make_group: MakeGroup
) -> None:
    """A group arrives, firing and resolved, with and without evidence."""
    notifier = make_notifier(kind, configs(services.url)[kind][0])
    for group in (make_group(firing=2), make_group(firing=0, resolved=1)):
        assert notifier.notify(group).verdict is Verdict.DELIVERED
        evidence = Evidence(gathered_ms=1, graph_url="http://veriscope/graph.png", hints=("hint",))
        assert notifier.notify(replace(group, evidence=evidence)).verdict is Verdict.DELIVERED
    assert len(services.kept) >= 4


@pytest.mark.parametrize("kind", KINDS)
def test_no_failure_shows_a_secret(
    kind: str,
    services: Any,
    make_notifier: MakeNotifier,
    make_group: MakeGroup,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A receiver that repeats what it got, or is not there, gives nothing away, nor do logs."""
    caplog.set_level(logging.INFO)
    notifier = make_notifier(kind, configs(services.url)[kind][0])
    outcomes = [notifier.notify(make_group())]
    paths = {kept.path for kept in services.kept}
    for status in (400, 429, 500):
        said = f"no: {TOKEN} at {services.url}/{TOKEN}"
        services.answers = dict.fromkeys(paths, (status, {}, said.encode()))
        outcomes.append(notifier.notify(make_group()))
    services.stop()
    outcomes.append(notifier.notify(make_group()))
    assert [outcome.verdict is Verdict.DELIVERED for outcome in outcomes] == [True, *[False] * 4]
    assert TOKEN not in "\n".join([*map(str, outcomes), *map(repr, outcomes), caplog.text])


@pytest.mark.parametrize("kind", KINDS)
def test_no_configuration_shows_a_secret(
    kind: str, make_notifier: MakeNotifier, registry: CollectorRegistry
) -> None:
    """Neither printed nor dumped, nor in a metric or a notifier's text."""
    config = configs("http://localhost")[kind][0]
    read = msgspec.convert({"name": "a", kind: [config]}, ReceiverConfig, dec_hook=decode_unit)
    numbers = [str(family) for family in registry.collect()]
    shown = [repr(read), str(read), show_config(read), repr(make_notifier(kind, config)), *numbers]
    assert TOKEN not in "\n".join(shown)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if configs("x://y")[kind][1]])
def test_a_template_that_fails_still_notifies(
    kind: str,
    services: Any,
    make_notifier: MakeNotifier,
    make_group: MakeGroup,
    registry: CollectorRegistry,
) -> None:
    """The field holds the error, the notification goes out, and it is counted."""
    config, field = configs(services.url)[kind]
    outcome = make_notifier(kind, {**config, field: BROKEN}).notify(make_group())
    assert outcome.verdict is Verdict.DELIVERED
    sent = services.kept[-1]
    assert "template error" in sent.raw.decode() or "template error" in str(sent.form)
    name = "veriscope_notification_template_errors_total"
    integration = kind.removesuffix("_configs")
    assert registry.get_sample_value(name, {"integration": integration}) == 1


def test_no_template_reaches_a_host_that_is_not_configured(
    open_recorder: Callable[[], Any], make_notifier: MakeNotifier, make_group: MakeGroup
) -> None:
    """Whatever an alert says, requests go to the configured host, and stay below its path."""
    ours, other = open_recorder(), open_recorder()
    group = make_group(name=f"@{other.url.partition('://')[2]}/../../{other.url}")
    notifier = make_notifier(
        "victorops_configs",
        {
            "api_key": "key",
            "api_url": f"{ours.url}/base/",
            "routing_key": "{{ .CommonLabels.alertname }}",
        },
    )
    assert notifier.notify(group).verdict is Verdict.DELIVERED
    assert other.kept == []
    assert ours.kept[0].path.startswith("/base/key/%40127.0.0.1")
    sns = configs(ours.url)["sns_configs"][0]
    with pytest.raises(msgspec.ValidationError, match="api_url"):
        make_notifier("sns_configs", {**sns, "api_url": "http://{{ .Receiver }}/"})


@pytest.mark.parametrize("end_of_headers", [b"", b"\r\n\r\n"], ids=["headers", "body"])
def test_an_answer_that_never_ends_is_cut_off(
    make_notifier: MakeNotifier, make_group: MakeGroup, end_of_headers: bytes
) -> None:
    """Byte after byte, each in time, in the headers or the body: the try ends all the same."""
    gone = threading.Event()

    def drip(listening: socket.socket) -> None:
        with listening.accept()[0] as connection, suppress(OSError):
            connection.sendall(b"HTTP/1.1 200 OK\r\nX-Long: " + end_of_headers)
            while not gone.wait(0.02):
                connection.sendall(b"x")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=drip, args=(listening,))
        thread.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        config = {"url": url, "http_config": {"timeout_s": 0.3}}
        started = time.monotonic()
        outcome = make_notifier("webhook_configs", config).notify(make_group())
        took_s = time.monotonic() - started
        gone.set()
        thread.join()
    assert (outcome.verdict, outcome.reason) == (Verdict.RETRY, Reason.DEADLINE_EXCEEDED)
    assert took_s < 30


def test_redirects_stay_with_their_host(
    open_recorder: Callable[[], Any], make_notifier: MakeNotifier, make_group: MakeGroup
) -> None:
    """A redirect keeps the request, but nobody else gets it, whatever is in it."""
    ours, other = open_recorder(), open_recorder()
    notifier = make_notifier(
        "webhook_configs",
        {"url": f"{ours.url}/a", "http_config": {"basic_auth": {"username": "u"}}},
    )
    ours.answers["/a"] = (307, {"Location": "/b"}, b"")
    assert notifier.notify(make_group()).verdict is Verdict.DELIVERED
    assert [(kept.method, kept.path) for kept in ours.kept] == [("POST", "/a"), ("POST", "/b")]
    assert ours.kept[0].raw == ours.kept[1].raw
    ours.answers["/a"] = (302, {"Location": f"{other.url}/b"}, b"")
    outcome = notifier.notify(make_group())
    assert (outcome.verdict, other.kept) == (Verdict.FAILED, [])
    assert "another host" in outcome.detail
    ours.answers["/a"] = (302, {"Location": "/a"}, b"")
    assert "too many redirects" in notifier.notify(make_group()).detail


def test_a_redirect_that_is_not_followed_is_a_refusal(
    recorder: Any, make_notifier: MakeNotifier, make_group: MakeGroup
) -> None:
    """With `follow_redirects: false` nothing is sent twice."""
    recorder.answers["/a"] = (302, {"Location": "/b"}, b"")
    config = {"url": f"{recorder.url}/a", "http_config": {"follow_redirects": False}}
    outcome = make_notifier("webhook_configs", config).notify(make_group())
    assert (outcome.verdict, outcome.reason) == (Verdict.FAILED, Reason.CLIENT_ERROR)
    assert len(recorder.kept) == 1


def test_a_token_is_fetched_once(
    recorder: Any, make_notifier: MakeNotifier, make_group: MakeGroup
) -> None:
    """OAuth 2.0: the client logs in with its secret, and its token serves until it ends."""
    recorder.answers["/token"] = (200, {}, b'{"access_token": "given", "expires_in": 3600}')
    oauth2 = {
        "client_id": "me",
        "client_secret": "mine",
        "token_url": f"{recorder.url}/token",
        "scopes": ["a", "b"],
        "endpoint_params": {"audience": "x"},
    }
    config = {"url": f"{recorder.url}/hook", "http_config": {"oauth2": oauth2}}
    notifier = make_notifier("webhook_configs", config)
    for _ in range(2):
        assert notifier.notify(make_group()).verdict is Verdict.DELIVERED
    token, first, second = recorder.kept
    assert token.form == {"grant_type": "client_credentials", "audience": "x", "scope": "a b"}
    assert token.headers["Authorization"] == "Basic bWU6bWluZQ=="
    assert {kept.headers["Authorization"] for kept in (first, second)} == {"Bearer given"}


def test_a_proxy_is_gone_through(
    open_recorder: Callable[[], Any], make_notifier: MakeNotifier, make_group: MakeGroup
) -> None:
    """With its login, unless `no_proxy` names the host."""
    proxy, ours = open_recorder(), open_recorder()
    http: dict[str, Any] = {"proxy_url": proxy.url.replace("://", "://u:p@")}
    config = {"url": f"{ours.url}/hook", "http_config": http}
    assert make_notifier("webhook_configs", config).notify(make_group()).verdict == "delivered"
    assert proxy.kept[0].target == f"{ours.url}/hook"
    assert proxy.kept[0].headers["Proxy-Authorization"] == "Basic dTpw"
    http["no_proxy"] = "example.org, 127.0.0.1"
    make_notifier("webhook_configs", config).notify(make_group())
    assert (len(proxy.kept), len(ours.kept)) == (1, 1)


def test_further_headers_are_sent(
    recorder: Any, make_notifier: MakeNotifier, make_group: MakeGroup
) -> None:
    """`http_headers` and the older `bearer_token` go along."""
    http = {"bearer_token": "old", "http_headers": {"X-Team": {"values": ["a"], "secrets": ["b"]}}}
    make_notifier("webhook_configs", {"url": recorder.url, "http_config": http}).notify(
        make_group()
    )
    assert recorder.kept[0].headers["X-Team"] == "a, b"
    assert recorder.kept[0].headers["Authorization"] == "Bearer old"


@pytest.mark.parametrize(
    ("http", "said"),
    [
        ({"basic_auth": {}, "bearer_token": "x"}, "not both"),
        ({"basic_auth": {"password": "a", "password_file": "b"}}, "password_file"),
        ({"authorization": {"type": "Basic"}}, "basic_auth"),
        ({"no_proxy": "x"}, "proxy_url"),
        ({"proxy_from_environment": True, "proxy_url": "http://x"}, "proxy_from_environment"),
        ({"proxy_connect_header": {"X": ["y"]}}, "proxy"),
        ({"tls_config": {"cert_file": "x"}}, "key_file"),
        ({"tls_config": {"min_version": "TLS14"}}, "TLS14"),
        ({"http_headers": {"Authorization": {"values": ["x"]}}}, "Authorization"),
        ({"oauth2": {"client_id": "x", "token_url": "ftp://x"}}, "http or https"),
    ],
)
def test_http_config_is_read_strictly(http: dict[str, Any], said: str) -> None:
    """What cannot work together, or not at all, is refused with the key that is wrong."""
    with pytest.raises((msgspec.ValidationError, InvalidInputError), match=said):
        msgspec.convert({"http_config": http}, GlobalConfig, dec_hook=decode_unit)


@pytest.mark.parametrize(
    "url", ["syslog://", "dbus://", "windows://", "macosx://", "blink1://", "nonsense://x", "x"]
)
def test_apprise_urls_that_act_on_this_machine_are_refused(
    url: str, make_notifier: MakeNotifier
) -> None:
    """Only services elsewhere can be told."""
    with pytest.raises(InvalidInputError, match="apprise_configs: "):
        make_notifier("apprise_configs", {"url": url})
