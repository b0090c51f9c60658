from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from veriscope.alert import AlertGroup
from veriscope.alert.notify import Reason, Verdict, load_receivers
from veriscope.signals import InvalidInputError

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
        "startsAt": "2023-11-14T22:13:20.000Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://veriscope/graph",
        "fingerprint": alerts[0]["fingerprint"],
    }
    assert alerts[1]["status"] == "resolved"
    assert alerts[1]["endsAt"] == "2023-11-14T22:14:20.000Z"


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
    assert "cannot read a secret" in missing.detail
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
    assert "summary: Load is <high>" in attachment["text"]
    assert second["attachments"][0]["color"] == "good"


def test_pagerduty_triggers_and_resolves_the_same_incident(
    receiver: Any, make_group: MakeGroup
) -> None:
    """Both events carry the same deduplication key, and the fields that the API demands."""
    sender = notifier(
        "pagerduty_configs",
        {"routing_key": "R", "details": {"team": "{{ .Receiver }}"}},
        pagerduty_url=f"{receiver.url}/v2/enqueue",
    )
    sender.notify(make_group(firing=1))
    sender.notify(make_group(firing=0, resolved=1))
    trigger, resolve = (request.body for request in receiver.wait(2))
    assert (trigger["event_action"], resolve["event_action"]) == ("trigger", "resolve")
    assert trigger["dedup_key"] == resolve["dedup_key"]
    assert len(trigger["dedup_key"]) <= 255
    assert trigger["routing_key"] == "R"
    payload = trigger["payload"]
    assert payload["summary"] == "[FIRING:1] HighLoad (0 critical)"
    assert (payload["severity"], payload["source"]) == ("critical", "Veriscope")
    assert payload["custom_details"]["team"] == "team"


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


def test_a_wrong_password_is_final(
    open_mailbox: Callable[..., Any], certificate: Path, make_group: MakeGroup
) -> None:
    """Trying it again would only lock the account."""
    config = mail(open_mailbox(), certificate, auth_username="me", auth_password="no")  # noqa: S106
    outcome = notifier("email_configs", config).notify(make_group())
    assert outcome.verdict is Verdict.FAILED
    assert "535" in outcome.detail


def test_template_fields_that_are_not_known_are_refused_at_the_start() -> None:
    """A template that could not be filled at three in the morning is an error now."""
    for text in ("{{ .Nonsense }}", "{{ template `x` . }}", "{{ .Status"):
        with pytest.raises(InvalidInputError, match="template"):
            notifier("slack_configs", {"api_url": "http://slack", "title": text})
