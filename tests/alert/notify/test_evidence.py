"""Evidence in messages: complete, within limits, never a reason to refuse them."""

import email
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from veriscope.alert import AlertGroup
from veriscope.alert.notify import Verdict
from veriscope.alert.notify.evidence import (
    evidence_lines,
    evidence_sections,
    evidence_text,
    is_worth_showing,
)
from veriscope.signals import to_labels
from veriscope.signals.events import Event
from veriscope.signals.evidence import (
    ChangedSeries,
    Evidence,
    HostFigure,
    LogPattern,
    TraceExample,
    ValueThen,
)

GRAPH_URL = "https://v.example/graph.png"
FULL = Evidence(
    1,
    view_url="https://v.example/view?a=1&b=2",
    graph_url=GRAPH_URL,
    graph_png=b"\x89PNG",
    runbook_url="https://wiki.example/down",
    values=(ValueThen(to_labels({"alertname": "A", "job": "x"}), 5.0, 4.25, None, None, 1e9),),
    changed=(
        ChangedSeries(
            to_labels({"__name__": "errors_total", "job": "x"}), 9, 0.5, 20, is_rate=True
        ),
        ChangedSeries(to_labels({"__name__": "temperature"}), 5, 40, 90),
    ),
    traces=(TraceExample("ab12", "chat", "GET /", 5, 1234.5, is_error=True),),
    log_patterns=(LogPattern("took <*> _ms_ [x]", "chat", 3, 0, 1.5, "took 9 ms"),),
    events=(Event(time_ms=2_000, kind="deploy", title="v2"),),
    host=(HostFigure("a:1", "memory", "91 %"),),
    hints=("fired at this hour last week",),
)
MakeGroup = Callable[..., AlertGroup]


@pytest.fixture
def send(recorder: Any, make_notifier: Any, make_group: MakeGroup) -> Callable[..., Any]:
    """Send a group with evidence, and return the request that came."""

    def sent(kind: str, config: dict[str, Any], evidence: Evidence | None = FULL) -> Any:
        hook = {"webhook_url": recorder.url, "url": recorder.url, "api_url": recorder.url}
        given = {name: hook.get(value, value) for name, value in config.items()}
        group = replace(make_group(), evidence=evidence)
        assert make_notifier(kind, given).notify(group).verdict is Verdict.DELIVERED
        return recorder.kept[-1]

    return sent


def test_lines_say_what_they_are_of() -> None:
    """The most telling first; counters as increase a second."""
    assert evidence_lines(FULL) == [
        "fired at this hour last week",
        "Value: job=x: 5 now, 4.25 at onset, 1e+09 1 w before",
        "Changed at the same time: errors_total{job=x}: 0.5/s → 20/s",
        "Changed at the same time: temperature: 40 → 90",
        "Events: deploy: v2",
        "Logs: chat: took <*> _ms_ [x] (0 → 1.5 a minute)",
        "Traces: chat GET /, 1234 ms, failed (ab12)",
        "Host: a:1: memory 91 %",
    ]
    assert evidence_text(FULL).endswith(
        "\nView: https://v.example/view?a=1&b=2\nRunbook: https://wiki.example/down"
    )


def test_lines_are_short_and_few() -> None:
    """However long a record is, and however much was found."""
    much = replace(
        FULL,
        log_patterns=FULL.log_patterns * 9 + (LogPattern("x" * 9_999 + "\n", "chat", 1, 0, 1, ""),),
        changed=FULL.changed * 9,
        values=(ValueThen((), None, None, None, None, None),) * 9,
        host=FULL.host * 20,
    )
    assert {title: len(lines) for title, lines in evidence_sections(much)} == {
        "Seen before": 1,
        "Value": 3,
        "Changed at the same time": 5,
        "Events": 1,
        "Logs": 3,
        "Traces": 1,
        "Host": 6,
    }
    long = replace(FULL, log_patterns=(LogPattern("x " * 9_999, "chat", 1, 0, 1, ""),))
    [line] = [line for line in evidence_lines(long) if line.startswith("Logs")]
    assert len(line) < 260
    assert line.endswith("(0 → 1 a minute)")


def test_what_shows_nothing_is_left_out(send: Any) -> None:
    """Slack and Discord refuse a message with an empty part, and nobody would be told."""
    nothing = Evidence(1, missing=("graph: late",))
    assert not is_worth_showing(nothing)
    slack = {"api_url": "api_url", "channel": "#ops"}
    assert len(send("slack_configs", slack, nothing).json["attachments"]) == 1
    assert len(send("slack_configs", slack).json["attachments"]) == 2
    discord = {"webhook_url": "webhook_url"}
    assert len(send("discord_configs", discord, nothing).json["embeds"]) == 1


def test_alertmanagers_webhook_stays_as_it_is(send: Any) -> None:
    """Ours stands behind the keys of Alertmanager, whose bytes are the same."""
    without = send("webhook_configs", {"url": "url"}, None).raw
    body = send("webhook_configs", {"url": "url"}).raw
    assert body.startswith(without.removesuffix(b"}") + b',"evidence":{')
    evidence = msgspec.json.decode(body)["evidence"]
    assert evidence["graph_url"] == GRAPH_URL
    assert "graph_png" not in evidence


def test_discord_gets_the_picture_itself(send: Any) -> None:
    """It cannot reach most servers, and refuses a message with an address that it does not like."""
    request = send("discord_configs", {"webhook_url": "webhook_url"})
    head = f"Content-Type: {request.headers['Content-Type']}\r\n\r\n".encode()
    message, picture = email.message_from_bytes(head + request.raw).get_payload()
    shown = msgspec.json.decode(message.get_payload(decode=True))["embeds"][1]
    assert message.get_param("name", header="Content-Disposition") == "payload_json"
    assert shown["image"] == {"url": f"attachment://{picture.get_filename()}"}
    assert "Host: a:1: memory 91 %" in shown["description"]
    assert (picture.get_content_type(), picture.get_payload(decode=True)) == (
        "image/png",
        b"\x89PNG",
    )


@pytest.mark.parametrize(
    ("mode", "line"),
    [
        ("", "Logs: chat: took <*> _ms_ [x] (0 → 1.5 a minute)"),
        ("HTML", "Logs: chat: took &lt;*&gt; _ms_ [x] (0 → 1.5 a minute)"),
        ("Markdown", r"Logs: chat: took <\*> \_ms\_ \[x] (0 → 1.5 a minute)"),
        ("MarkdownV2", r"Logs: chat: took <\*\> \_ms\_ \[x\] \(0 → 1\.5 a minute\)"),
    ],
)
def test_telegram_reads_it_as_it_is(send: Any, mode: str, line: str) -> None:
    """What has a meaning in the mode is escaped: else the whole message would be refused."""
    config = {"bot_token": "t", "chat_id": 1, "api_url": "api_url", "parse_mode": mode}
    text = send("telegram_configs", {**config, "message": "x"}).json["text"]
    assert text.startswith("x\n\n")
    assert line in text.split("\n")


def test_telegrams_limit_cuts_between_lines(send: Any) -> None:
    """A message that is full already goes as it is."""
    config = {"bot_token": "t", "chat_id": 1, "api_url": "api_url"}
    full = send("telegram_configs", {**config, "message": "x" * 5_000}).json["text"]
    assert len(full) == 4096
    most = send("telegram_configs", {**config, "message": "x" * 4_000}).json["text"]
    assert most.split("\n")[2:] == evidence_lines(FULL)[:1] + evidence_lines(FULL)[1:2]


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_pictures_are_named_where_they_are_taken(send: Any, scheme: str) -> None:
    """PagerDuty and Teams take addresses of HTTPS only."""
    found = replace(FULL, graph_url=f"{scheme}://v.example/graph.png")
    pagerduty = send("pagerduty_configs", {"routing_key": "k", "url": "url"}, found).json
    assert len(pagerduty.get("images", ())) == (scheme == "https")
    assert [link["text"] for link in pagerduty["links"]] == ["View", "Runbook"]
    teams = send("msteamsv2_configs", {"webhook_url": "webhook_url"}, found).json
    kinds = [each["type"] for each in teams["attachments"][0]["content"]["body"]]
    assert kinds.count("Image") == (scheme == "https")
