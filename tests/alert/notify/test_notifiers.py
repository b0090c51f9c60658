import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from veriscope.alert import AlertGroup
from veriscope.alert.notify import Acknowledger, Reason, Verdict, load_receivers
from veriscope.alert.notify.mail import smtp
from veriscope.alert.notify.paging import pagerduty
from veriscope.signals import InvalidInputError
from veriscope.signals.evidence import Evidence

MakeGroup = Callable[..., AlertGroup]


def notifier(kind: str, config: dict[str, Any], **globals_: Any) -> Any:
    """Return the one notifier that *config* makes."""
    source = {"global": globals_, "receivers": [{"name": "team", kind: [config]}]}
    return load_receivers(source)["team"].deliveries[0].notifier


def test_webhooks_get_alertmanagers_message(receiver: Any, make_group: MakeGroup) -> None:
    """Whatever reads Alertmanager's webhook, version 4, reads ours."""
    sender = notifier("webhook_configs", {"url": f"{receiver.url}/hook"})
    assert sender.notify(make_group(firing=1, resolved=1)).verdict is Verdict.DELIVERED
    request = receiver.wait(1)[0]
    assert request.path == "/hook"
    body = request.body
    alerts = body.pop("alerts")
    assert body == {
        "version": "4",
        "groupKey": '{}:{alertname="HighLoad"}',
        "truncatedAlerts": 0,
        "status": "firing",
        "receiver": "team",
        "groupLabels": {"alertname": "HighLoad"},
        "commonLabels": {"alertname": "HighLoad", "severity": "critical"},
        "commonAnnotations": {"summary": "Load is <high>"},
        "externalURL": "http://veriscope",
    }
    assert alerts[0] == {
        "status": "firing",
        "labels": {"alertname": "HighLoad", "severity": "critical", "instance": "0"},
        "annotations": {"summary": "Load is <high>"},
        "startsAt": "2023-11-14T22:13:20Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://veriscope/graph",
        "fingerprint": alerts[0]["fingerprint"],
    }
    assert alerts[1]["status"] == "resolved"
    assert alerts[1]["endsAt"] == "2023-11-14T22:14:20Z"


def test_groups_told_at_once_each_keep_a_connection(
    receiver: Any, make_group: MakeGroup, caplog: pytest.LogCaptureFixture
) -> None:
    """As many as a lane tells of at the same time; none is thrown away with a warning."""
    together = threading.Barrier(8, timeout=20)
    receiver.answers = SimpleNamespace(wait=lambda _: together.wait(), set=together.abort)
    sender = notifier("webhook_configs", {"url": receiver.url})
    with ThreadPoolExecutor(8) as threads:
        for _ in range(2):
            told = threads.map(lambda _: sender.notify(make_group(firing=1)), range(8))
            assert {outcome.verdict for outcome in told} == {Verdict.DELIVERED}
    assert not caplog.records


def test_webhooks_are_cut_at_max_alerts(receiver: Any, make_group: MakeGroup) -> None:
    """What is left out is counted."""
    sender = notifier("webhook_configs", {"url": receiver.url, "max_alerts": 2})
    sender.notify(make_group(firing=5))
    body = receiver.wait(1)[0].body
    assert (len(body["alerts"]), body["truncatedAlerts"]) == (2, 3)


def test_a_secret_in_a_file_is_read_for_each_notification(
    receiver: Any, make_group: MakeGroup, tmp_path: Path
) -> None:
    """A token can be changed without a restart."""
    token = tmp_path / "token"
    sender = notifier(
        "webhook_configs",
        {
            "url": receiver.url,
            "http_config": {"authorization": {"credentials_file": str(token)}},
        },
    )
    missing = sender.notify(make_group())
    assert missing.verdict is Verdict.RETRY
    assert "cannot read authorization.credentials_file" in missing.detail
    for text in ("one\n", "two\n"):
        token.write_text(text)
        sender.notify(make_group())
    sent = [request.headers["Authorization"] for request in receiver.wait(2)]
    assert sent == ["Bearer one", "Bearer two"]


def test_a_secret_that_cannot_be_sent_is_not_shown(receiver: Any, make_group: MakeGroup) -> None:
    """A token with a line break is refused before it leaves, and no message repeats it."""
    http = {"authorization": {"credentials": "s3cret\nX: y"}}
    sender = notifier("webhook_configs", {"url": receiver.url, "http_config": http})
    outcome = sender.notify(make_group())
    assert outcome.verdict is Verdict.FAILED
    assert "s3cret" not in outcome.detail
    assert receiver.requests == []


def test_basic_authentication_is_sent(receiver: Any, make_group: MakeGroup) -> None:
    """User and password go where RFC 7617 says."""
    http = {"basic_auth": {"username": "u", "password": "p"}}
    notifier("webhook_configs", {"url": receiver.url}, http_config=http).notify(make_group())
    assert receiver.wait(1)[0].headers["Authorization"] == "Basic dTpw"


@pytest.mark.parametrize(
    ("status", "verdict", "reason"),
    [
        (200, Verdict.DELIVERED, Reason.OTHER),
        (204, Verdict.DELIVERED, Reason.OTHER),
        (400, Verdict.FAILED, Reason.CLIENT_ERROR),
        (404, Verdict.FAILED, Reason.CLIENT_ERROR),
        (429, Verdict.RETRY, Reason.CLIENT_ERROR),
        (500, Verdict.RETRY, Reason.SERVER_ERROR),
        (503, Verdict.RETRY, Reason.SERVER_ERROR),
    ],
)
def test_an_answer_tells_whether_to_try_again(
    receiver: Any, make_group: MakeGroup, status: int, verdict: Verdict, reason: Reason
) -> None:
    """Only what may pass later is tried later; the receiver may say when."""
    receiver.statuses, receiver.headers = [status], {"Retry-After": "7"}
    outcome = notifier("webhook_configs", {"url": receiver.url}).notify(make_group())
    assert (outcome.verdict, outcome.reason) == (verdict, reason)
    assert outcome.retry_after_s == (7 if verdict is Verdict.RETRY else 0)


def test_a_slow_receiver_is_given_up_in_time(receiver: Any, make_group: MakeGroup) -> None:
    """One try never takes longer than its limit, and no error shows the secret URL."""
    receiver.answers.clear()
    http = {"timeout_s": 0.2}
    sender = notifier("webhook_configs", {"url": f"{receiver.url}/token", "http_config": http})
    outcome = sender.notify(make_group())
    assert (outcome.verdict, outcome.reason) == (Verdict.RETRY, Reason.DEADLINE_EXCEEDED)
    receiver.close()
    gone = sender.notify(make_group())
    assert gone.verdict is Verdict.RETRY
    assert "token" not in outcome.detail + gone.detail


def test_slack_gets_an_attachment(receiver: Any, make_group: MakeGroup) -> None:
    """Title, text and colour say what is wrong; templates fill what is given."""
    sender = notifier(
        "slack_configs",
        {"channel": "#ops", "pretext": "{{ .CommonLabels.severity | toUpper }}!"},
        slack_api_url=f"{receiver.url}/services/T/B/X",
    )
    sender.notify(make_group(firing=2))
    sender.notify(make_group(firing=0, resolved=1))
    first, second = (request.body for request in receiver.wait(2))
    attachment = first["attachments"][0]
    assert first["channel"] == "#ops"
    assert attachment["title"] == "[FIRING:2] HighLoad (critical)"
    assert attachment["pretext"] == "CRITICAL!"
    assert attachment["color"] == "danger"
    assert second["attachments"][0]["color"] == "good"


def test_slack_refuses_with_200(recorder: Any, make_group: MakeGroup) -> None:
    """The Web API answers `ok: false`; trying again would not help."""
    recorder.answers["/chat"] = (200, {}, b'{"ok": false, "error": "channel_not_found"}')
    app = {"app_token": "xoxb", "app_url": f"{recorder.url}/chat", "channel": "#none"}
    outcome = notifier("slack_configs", app).notify(make_group())
    assert (outcome.verdict, outcome.detail) == (Verdict.FAILED, "Slack says: channel_not_found")
    assert recorder.kept[0].headers["Authorization"] == "Bearer xoxb"


def test_pagerduty_follows_one_incident(receiver: Any, make_group: MakeGroup) -> None:
    """Trigger, acknowledgement and resolution carry the same deduplication key."""
    sender = notifier(
        "pagerduty_configs",
        {"routing_key": "R", "details": {"team": "{{ .Receiver }}"}, "severity": "page"},
        pagerduty_url=f"{receiver.url}/v2/enqueue",
    )
    sender.notify(make_group(firing=1))
    assert isinstance(sender, Acknowledger)
    assert sender.acknowledge(make_group(firing=1)).verdict is Verdict.DELIVERED
    sender.notify(make_group(firing=0, resolved=1))
    events = [request.body for request in receiver.wait(3)]
    assert [each["event_action"] for each in events] == ["trigger", "acknowledge", "resolve"]
    assert len({each["dedup_key"] for each in events}) == 1
    assert {each["routing_key"] for each in events} == {"R"}
    payload = events[0]["payload"]
    assert payload["summary"] == "[FIRING:1] HighLoad (0 critical)"
    assert payload["severity"] == "error"
    assert payload["custom_details"]["team"] == "team"
    assert payload["custom_details"]["num_firing"] == "1"


def test_pagerduty_v1_is_spoken_with_a_service_key(
    recorder: Any, make_group: MakeGroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its keys are others, and it answers 403 to too many events."""
    monkeypatch.setattr(pagerduty, "V1_URL", f"{recorder.url}/v1")
    sender = notifier("pagerduty_configs", {"service_key": "S"})
    sender.notify(make_group(firing=1))
    sender.acknowledge(make_group(firing=1))
    sender.notify(make_group(firing=0, resolved=1))
    events = [kept.json for kept in recorder.kept]
    assert [each["event_type"] for each in events] == ["trigger", "acknowledge", "resolve"]
    assert len({each["incident_key"] for each in events}) == 1
    assert {each["service_key"] for each in events} == {"S"}
    assert ["client" in each for each in events] == [True, False, False]
    recorder.answers["/v1"] = (403, {}, b"")
    assert sender.notify(make_group()).verdict is Verdict.RETRY


def test_pagerduty_events_stay_below_their_limit(receiver: Any, make_group: MakeGroup) -> None:
    """What is too large loses its details, and says so, instead of being refused."""
    config = {"routing_key": "R", "url": receiver.url, "details": {"more": "x" * 600_000}}
    notifier("pagerduty_configs", config).notify(make_group())
    (event,) = receiver.bodies
    assert list(event["payload"]["custom_details"]) == ["error"]


def test_opsgenie_gets_what_it_takes(recorder: Any, make_group: MakeGroup) -> None:
    """Names without the spaces around them, and nobody who has none: it would refuse the alert."""
    config = {
        "api_key": "k",
        "api_url": recorder.url,
        "tags": "a, b,,c",
        "responders": [
            {"type": "teams", "name": "x, y"},
            {"type": "User", "username": "{{ .CommonLabels.nothing }}"},
            {"type": "User", "username": "{{ .CommonLabels.severity }}"},
        ],
    }
    notifier("opsgenie_configs", config).notify(make_group())
    alert = recorder.kept[0].json
    assert alert["tags"] == ["a", "b", "c"]
    assert alert["responders"] == [
        {"name": "x", "type": "team"},
        {"name": "y", "type": "team"},
        {"username": "critical", "type": "user"},
    ]


def test_an_expired_token_of_wechat_is_got_again(recorder: Any, make_group: MakeGroup) -> None:
    """One token serves many messages, until the service takes it no more."""
    recorder.answers["/gettoken"] = (200, {}, b'{"access_token": "one"}')
    sender = notifier(
        "wechat_configs", {"api_secret": "secret", "corp_id": "c", "api_url": recorder.url}
    )
    assert sender.notify(make_group()).verdict is Verdict.DELIVERED
    recorder.answers["/message/send"] = (200, {}, b'{"errcode": 42001, "errmsg": "expired"}')
    assert sender.notify(make_group()).verdict is Verdict.RETRY
    recorder.answers["/gettoken"] = (200, {}, b'{"access_token": "two"}')
    recorder.answers["/message/send"] = (200, {}, b'{"errcode": 0}')
    assert sender.notify(make_group()).verdict is Verdict.DELIVERED
    sent = [kept.form["access_token"] for kept in recorder.kept if "send" in kept.path]
    assert sent == ["one", "one", "two"]


def mail(mailbox: Any, certificate: Path, **more: Any) -> dict[str, Any]:
    """Return an email configuration for *mailbox*."""
    return {
        "to": "Ops <ops@example.org>, b@example.org",
        "from": "veriscope@example.org",
        "smarthost": f"localhost:{mailbox.port}",
        "hello": "test",
        "tls_config": {"ca_file": str(certificate)},
        **more,
    }


def test_mail_is_encrypted_and_logged_in(
    open_mailbox: Callable[..., Any], certificate: Path, make_group: MakeGroup, tmp_path: Path
) -> None:
    """A message goes to every address over STARTTLS, as text and HTML."""
    mailbox = open_mailbox()
    password = tmp_path / "password"
    password.write_text("secret\n")
    config = mail(
        mailbox,
        certificate,
        auth_username="me",
        auth_password_file=str(password),
        headers={"X-Team": "{{ .Receiver }}\nBcc: evil@example.org"},
    )
    outcome = notifier("email_configs", config).notify(make_group())
    assert outcome.verdict is Verdict.DELIVERED, outcome
    sender, recipients, message = mailbox.messages[0]
    assert (sender, recipients) == ("veriscope@example.org", ["ops@example.org", "b@example.org"])
    assert (mailbox.encrypted, mailbox.logins) == ([True], ["me"])
    assert message["Subject"] == "[FIRING:1] HighLoad (0 critical)"
    assert message["X-Team"] == "team Bcc: evil@example.org"
    assert message["Bcc"] is None
    assert "Load is <high>" in message.get_body(("plain",)).get_content()
    assert "Load is &lt;high&gt;" in message.get_body(("html",)).get_content()


def test_nothing_is_mailed_in_the_clear_unless_allowed(
    open_mailbox: Callable[..., Any], certificate: Path, make_group: MakeGroup
) -> None:
    """Without TLS on the server the message waits for a configuration that allows it."""
    mailbox = open_mailbox(tls=False)
    config = mail(mailbox, certificate)
    refused = notifier("email_configs", config).notify(make_group())
    assert refused.verdict is Verdict.FAILED
    assert mailbox.messages == []
    allowed = notifier("email_configs", {**config, "require_tls": False})
    assert allowed.notify(make_group()).verdict is Verdict.DELIVERED


def test_a_mail_server_that_is_not_trusted_gets_nothing(
    open_mailbox: Callable[..., Any], certificate: Path, make_group: MakeGroup
) -> None:
    """A certificate of nobody known ends the conversation before the password."""
    mailbox = open_mailbox()
    config = {**mail(mailbox, certificate), "tls_config": {}}
    outcome = notifier("email_configs", config).notify(make_group())
    assert outcome.verdict is Verdict.RETRY
    assert "certificate" in outcome.detail.lower()


@pytest.mark.parametrize(
    ("ways", "login"),
    [
        ("PLAIN", {"auth_password": "secret"}),
        ("LOGIN", {"auth_password": "secret"}),
        ("CRAM-MD5 PLAIN", {"auth_secret": "secret"}),
        ("CRAM-MD5 PLAIN", {"auth_password": "secret"}),
        ("", {"auth_password": "secret"}),
    ],
)
def test_mail_servers_are_logged_in_to_as_they_offer(
    open_mailbox: Callable[..., Any],
    certificate: Path,
    make_group: MakeGroup,
    ways: str,
    login: dict[str, str],
) -> None:
    """By the first way for which there is a secret; by none where the server knows none."""
    mailbox = open_mailbox()
    mailbox.ways = ways
    config = mail(mailbox, certificate, auth_username="me", **login)
    outcome = notifier("email_configs", config).notify(make_group())
    assert outcome.verdict is Verdict.DELIVERED, outcome
    assert mailbox.logins == (["me"] if ways else [])


def test_a_login_that_cannot_work_is_final(
    open_mailbox: Callable[..., Any], certificate: Path, make_group: MakeGroup
) -> None:
    """The error says which secret is missing for what the server offers."""
    mailbox = open_mailbox()
    mailbox.ways = "CRAM-MD5"
    config = mail(mailbox, certificate, auth_username="me", auth_password="secret")  # noqa: S106
    outcome = notifier("email_configs", config).notify(make_group())
    assert outcome.verdict is Verdict.FAILED
    assert "auth_secret" in outcome.detail


@pytest.mark.parametrize(
    ("refuse", "verdict"),
    [
        ({"MAIL": "451 later"}, Verdict.RETRY),
        ({"RCPT": "550 unknown"}, Verdict.FAILED),
        ({"RCPT": "450 busy"}, Verdict.RETRY),
        ({"DATA": "554 spam"}, Verdict.FAILED),
    ],
)
def test_a_mail_servers_refusal_tells_whether_to_try_again(
    open_mailbox: Callable[..., Any],
    certificate: Path,
    make_group: MakeGroup,
    refuse: dict[str, str],
    verdict: Verdict,
) -> None:
    """4xx may pass later, 5xx never does."""
    mailbox = open_mailbox()
    mailbox.refuse = refuse
    config = mail(mailbox, certificate)
    assert notifier("email_configs", config).notify(make_group()).verdict is verdict


def test_a_mail_server_that_never_ends_is_cut_off(
    make_group: MakeGroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Byte after byte of a greeting, each in time: the try ends all the same."""
    monkeypatch.setattr(smtp, "_LONGEST_S", 0.3)
    gone = threading.Event()

    def drip(listening: socket.socket) -> None:
        with listening.accept()[0] as connection, suppress(OSError):
            while not gone.wait(0.02):
                connection.sendall(b"2")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=drip, args=(listening,))
        thread.start()
        smarthost = f"127.0.0.1:{listening.getsockname()[1]}"
        config = {"to": "a@b", "from": "c@d", "smarthost": smarthost}
        outcome = notifier("email_configs", config).notify(make_group())
        gone.set()
        thread.join()
    assert (outcome.verdict, outcome.reason) == (Verdict.RETRY, Reason.DEADLINE_EXCEEDED)


def test_a_wrong_password_is_final(
    open_mailbox: Callable[..., Any], certificate: Path, make_group: MakeGroup
) -> None:
    """Trying it again would only lock the account."""
    config = mail(open_mailbox(), certificate, auth_username="me", auth_password="no")  # noqa: S106
    outcome = notifier("email_configs", config).notify(make_group())
    assert outcome.verdict is Verdict.FAILED
    assert "535" in outcome.detail


def test_what_is_no_template_is_refused_at_the_start() -> None:
    """A text that could not be filled at three in the morning is an error now."""
    for text in ("{{ .Status", "{{ nonsense . }}", "{{ if }}"):
        with pytest.raises(InvalidInputError, match="receiver `team`: template"):
            notifier("slack_configs", {"api_url": "http://slack", "title": text})


def test_a_mail_carries_the_graph(
    open_mailbox: Callable[..., Any], certificate: Path, make_group: MakeGroup
) -> None:
    """Evidence stands below the message, the graph within it and not behind a link."""
    mailbox = open_mailbox()
    evidence = Evidence(gathered_ms=1, graph_png=b"picture", hints=("once <before>",))
    group = replace(make_group(), evidence=evidence)
    outcome = notifier("email_configs", mail(mailbox, certificate)).notify(group)
    assert outcome.verdict is Verdict.DELIVERED, outcome
    message = mailbox.messages[0][2]
    assert "once <before>" in message.get_body(("plain",)).get_content()
    html = message.get_body(("html",)).get_content()
    assert "once &lt;before&gt;" in html
    (graph,) = [part for part in message.walk() if part.get_content_type() == "image/png"]
    assert graph.get_content() == b"picture"
    assert f"cid:{graph['Content-ID'].strip('<>')}" in html
