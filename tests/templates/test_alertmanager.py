import json

import pytest

from veriscope.templates import GoTime, KeyValues, Listing, Record
from veriscope.templates.alertmanager import NotificationTemplates


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ .CommonLabels.SortedPairs.Values | join `,` }}", "High,critical"),
        ("{{ (.CommonLabels.Remove .GroupLabels.Names).Values }}", "[critical]"),
        ("{{ range .Alerts.Firing }}{{ .Labels.instance }}{{ end }}{{ len .Alerts }}", "ab3"),
        ("{{ .CommonLabels }}{{ .CommonLabels.nope }}|", "map[alertname:High severity:critical]|"),
        (
            "{{ with index .Alerts 0 }}{{ .StartsAt }} {{ .EndsAt }}{{ end }}",
            "1970-01-01 00:16:40.5 +0000 UTC 0001-01-01 00:00:00 +0000 UTC",
        ),
        ("{{ range .Alerts.Resolved }}{{ (.EndsAt.Sub .StartsAt).Hours }}{{ end }}", "1"),
        (
            "{{ (index .Alerts 0).EndsAt.Sub (index .Alerts 0).StartsAt }}",
            "-2562047h47m16.854775808s",
        ),
        ("{{ (index .Alerts 1).StartsAt | since }}", "2h13m20s"),
        ("{{ since (index .Alerts 1).StartsAt | humanizeDuration }}", "2h 13m 20s"),
        (
            "{{ (index .Alerts 1).StartsAt | tz `Europe/Berlin` | date `15:04:05 MST` }}",
            "01:33:20 CET",
        ),
        (
            "{{ trimSpace `  x ` }}|{{ title `a b` }}|{{ reReplaceAll `f(i)` `$1` .Status }}",
            "x|A B|iring",
        ),
        ("{{ stringSlice `a` `b` | join `+` }}{{ list 1 2 | len }}{{ (dict `k` 5).k }}", "a+b25"),
        ("{{ append (list 1) 2 3 }}", "[1 2 3]"),
        (
            "{{ toJson .GroupLabels }}{{ toJson (list 1 `<` nil) }}",
            '{"alertname":"High"}[1,"\\u003c",null]',
        ),
        ("{{ urlUnescape `a%20b` }}", "a b"),
        ("{{ printf `%T %T` . .CommonLabels }}", "*template.Data template.KV"),
    ],
)
def test_functions_and_data_are_alertmanagers(
    notifications: NotificationTemplates, group: Record, text: str, expected: str
) -> None:
    """Each function and method of notification templates answers as there."""
    assert notifications.text(text, group) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *(("FIRING", "Firing"), ("it's OK", "It's Ok"), ("foo_bar-BAZ", "Foo_bar-Baz")),
        *(("3rd 2ND", "3Rd 2Nd"), ("x.y.Z", "X.y.z"), ("straße été", "Straße Été")),
    ],
)
def test_a_title_has_one_capital_a_word(
    notifications: NotificationTemplates, group: Record, text: str, expected: str
) -> None:
    """Alertmanager's `title` makes the other letters small; that of rules leaves them."""
    assert notifications.text("{{ title `" + text + "` }}", group) == expected


def test_a_file_wins_over_a_default(group: Record) -> None:
    """Who defines `slack.default.title` anew changes what refers to it."""
    templates = NotificationTemplates(
        [("mine", '{{ define "slack.default.title" }}mine {{ .Status }}{{ end }}')], ""
    )
    assert templates.text('{{ template "slack.default.fallback" . }}', group) == (
        "mine firing | http://am:9093/x/#/alerts?receiver=team+x"
    )


def test_the_subject_counts_what_fires(notifications: NotificationTemplates, group: Record) -> None:
    """State, group and shared labels make the title of each service."""
    assert notifications.text('{{ template "__subject" . }}', group) == (
        "[FIRING:2] High (critical)"
    )


def test_json_of_a_group_has_the_names_of_the_payload(
    notifications: NotificationTemplates, group: Record
) -> None:
    """`toJson .` spells fields as the webhook's payload does."""
    document = json.loads(notifications.text("{{ toJson . }}", group))
    assert document["commonLabels"] == {"alertname": "High", "severity": "critical"}
    assert document["alerts"][0]["startsAt"] == "1970-01-01T00:16:40.5Z"
    assert {"externalURL", "groupLabels", "receiver"} <= document.keys()


def test_the_mail_shows_every_alert_escaped(
    notifications: NotificationTemplates, group: Record
) -> None:
    """The HTML mail names all alerts, links their sources, and lets no text be a tag."""
    mail = notifications.html('{{ template "email.default.html" . }}', group)
    assert "High: S &amp; &lt;b&gt;" in mail
    assert 'href="http://p/graph?x=1&amp;y=a"' in mail
    assert "<title>[FIRING:2] High (critical)</title>" in mail
    assert "Firing (2)" in mail
    assert "resolved 1970-01-01 01:50:00 UTC, after 1h 0m 0s" in mail
    assert "ZgotmplZ" not in mail


def test_ten_thousand_alerts_are_told_of(notifications: NotificationTemplates) -> None:
    """A list ends after its first alerts and counts the rest; no bound is met."""
    labels = KeyValues({f"label_{number}": "x" * 50 for number in range(20)})
    empty = KeyValues({})
    alert = Record(
        {
            "Status": "firing",
            "Labels": labels,
            "Annotations": labels,
            "StartsAt": GoTime.of_ms(0),
            "EndsAt": GoTime.zero(),
            "GeneratorURL": "http://p/graph",
            "Fingerprint": "0",
        }
    )
    alerts = [alert] * 10_000
    parts = {"Firing": lambda: alerts, "Resolved": list}
    group = Record(
        {
            "Receiver": "r",
            "Status": "firing",
            "Alerts": Listing(alerts, parts, "template.Alerts"),
            "GroupLabels": empty,
            "CommonLabels": labels,
            "CommonAnnotations": labels,
            "ExternalURL": "http://am",
        }
    )
    for name in (
        "opsgenie.default.description",
        "telegram.default.message",
        "msteams.default.text",
    ):
        text = notifications.text(f'{{{{ template "{name}" . }}}}', group)
        assert "... and 9800 more alerts" in text
    assert "and 9950 more" in notifications.html('{{ template "email.default.html" . }}', group)
