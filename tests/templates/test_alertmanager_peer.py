import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from veriscope.alert import Alert, AlertGroup
from veriscope.alert.notify.template import data_of
from veriscope.signals import ManualClock, to_labels
from veriscope.templates import Record
from veriscope.templates.alertmanager import NotificationTemplates

pytestmark = pytest.mark.peer
BINARY = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
_URL = "http://am.example:9093/x"
_LISTS = ("__text_alert_list", "pagerduty.default.instances")
_NAMES = (
    *("__subject", "__alertmanager", "__alertmanagerURL", "email.default.subject"),
    *("discord.default.message", "discord.default.title", "opsgenie.default.description"),
    *("opsgenie.default.message", "opsgenie.default.source", "pagerduty.default.client"),
    *("pagerduty.default.clientURL", "pagerduty.default.description", "pushover.default.message"),
    *("pushover.default.title", "pushover.default.url", "slack.default.callbackid"),
    *("slack.default.fallback", "slack.default.footer", "slack.default.iconemoji"),
    *("slack.default.iconurl", "slack.default.pretext", "slack.default.text"),
    *("slack.default.title", "slack.default.titlelink", "slack.default.username"),
    *("sns.default.message", "sns.default.subject", "telegram.default.message"),
    *("victorops.default.entity_display_name", "victorops.default.monitoring_tool"),
    *("victorops.default.state_message", "webex.default.message", "wechat.default.agent_id"),
    *("wechat.default.message", "wechat.default.to_party", "wechat.default.to_tag"),
    "wechat.default.to_user",
)
_TEXTS = (
    *(f'{{{{ template "{name}" . }}}}' for name in _NAMES),
    *(f'{{{{ template "{name}" .Alerts }}}}' for name in _LISTS),
    *("{{ . }}", "{{ .Alerts }}{{ print .Alerts.Firing }}", "{{ .CommonLabels.SortedPairs }}"),
    "{{ .CommonLabels.Names }}{{ .CommonLabels.Values }}{{ .GroupLabels.nope }}|",
    '{{ (.CommonLabels.Remove .GroupLabels.Names).Values | join "," }}',
    "{{ len .Alerts }}{{ len .Alerts.Firing }}{{ (index .Alerts 0).Labels.instance }}",
    "{{ range .Alerts }}{{ .StartsAt }} {{ .EndsAt }} {{ .Fingerprint }}{{ end }}",
    '{{ range .Alerts }}{{ .StartsAt.Format "Jan 2 15:04:05.000 2006" }}{{ end }}',
    "{{ range .Alerts }}{{ .StartsAt.Unix }}{{ .EndsAt.Sub .StartsAt }}{{ end }}",
    "{{ range .Alerts }}{{ .EndsAt.IsZero }}{{ end }}",
    '{{ range .Alerts }}{{ .StartsAt.Weekday }} {{ printf "%d" .StartsAt.Month }}{{ end }}',
    '{{ range .Alerts }}{{ (.StartsAt.AddDate 1 2 30).Format "2006-01-02" }}{{ end }}',
    '{{ printf "%T %T %T %v" . .Alerts .CommonLabels .CommonAnnotations }}',
    "{{ range $i, $a := .Alerts }}{{ if $i }}, {{ end }}{{ .Annotations.SortedPairs }}{{ end }}",
    '{{ .Status | toUpper | title }}{{ safeHtml "<x>" }}{{ reReplaceAll "(f)i" "$1-" .Status }}',
    '{{ define "mine" }}[{{ .Receiver }}]{{ end }}{{ template "mine" . }}{{ slice .Alerts 0 1 }}',
    "{{ title \"it's OK foo_bar-BAZ 1abc x.y.Z straße 3rd a__b rock'n'roll\" }}",
)
_START = "2026-01-02T03:04:05.5Z"
_FULL = [
    {
        "labels": {"alertname": "High", "instance": name, "severity": "critical"},
        "annotations": {"summary": f"S & <b> {name}", "common": "c"},
        "startsAt": _START,
        "generatorURL": f"http://p/g?a=1&b={name}",
        **({"endsAt": "2026-01-02T04:00:00Z"} if name == "c" else {}),
    }
    for name in "abc"
]
_GROUPS = {
    "full": _FULL,
    "firing": _FULL[:1],
    "bare": [{"labels": {"alertname": "B"}, "startsAt": _START}],
    "nameless": [
        {"labels": {"job": job, "z": "1"}, "annotations": {"s": "q"}, "startsAt": _START}
        for job in "xy"
    ],
}


def _ask(directory: Path, sink: Any, alerts: Sequence[Any], then: Sequence[Any] = ()) -> list[str]:
    """
    Return what a real Alertmanager makes of the texts, sent as fields of Slack.

    The last of two notifications counts where there are alerts to post *then*.
    """
    if BINARY is None:
        pytest.skip("NO TEMPLATE WAS JUDGED: install Debian's `prometheus-alertmanager` package")
    fields = [{"title": str(at), "value": f"<{text}>"} for at, text in enumerate(_TEXTS)]
    slack = {"api_url": f"{sink.url}/slack", "send_resolved": True, "fields": fields}
    config = {
        "route": {
            "receiver": "r r",
            "group_by": ["alertname"],
            "group_wait": "0s",
            "group_interval": "1s",
        },
        "receivers": [{"name": "r r", "slack_configs": [slack]}],
    }
    (directory / "alertmanager.yml").write_text(json.dumps(config))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    process = subprocess.Popen(
        [
            *(BINARY, f"--config.file={directory / 'alertmanager.yml'}"),
            *(f"--storage.path={directory / 'data'}", f"--web.listen-address={address}"),
            *(f"--web.external-url={_URL}", "--cluster.listen-address="),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for count, posted in enumerate((alerts, then), 1):
            if posted:
                _post(f"http://{address}/x/api/v2/alerts", posted, process)
                sent = sink.wait(count)[-1]
    finally:
        process.terminate()
        process.wait(60)
    return [field["value"][1:-1] for field in sent.body["attachments"][0]["fields"]]


def _post(url: str, alerts: Sequence[Any], process: subprocess.Popen[bytes]) -> None:
    request = urllib.request.Request(
        url, json.dumps(alerts).encode(), {"Content-Type": "application/json"}
    )
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            urllib.request.urlopen(request, timeout=60).close()
        except (OSError, urllib.error.URLError):
            assert process.poll() is None
        else:
            return


def _ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def _data(alerts: Sequence[Any]) -> Record:
    made = [
        Alert(
            to_labels(alert["labels"]),
            to_labels(alert.get("annotations", {})),
            _ms(alert["startsAt"]),
            _ms(alert["endsAt"]) if "endsAt" in alert else None,
            alert.get("generatorURL", ""),
        )
        for alert in alerts
    ]
    name = alerts[0]["labels"].get("alertname", "")
    return data_of(AlertGroup("r r", tuple(made), to_labels({"alertname": name}), _URL))


def _differ(real: Sequence[str], alerts: Sequence[Any]) -> dict[str, tuple[str, str]]:
    templates = NotificationTemplates((), _URL, ManualClock(now_ms=0))
    return {
        text: (sent, ours)
        for text, sent in zip(_TEXTS, real, strict=True)
        if (ours := templates.text(text, _data(alerts))) != sent
    }


@pytest.mark.parametrize("name", _GROUPS)
def test_texts_come_out_as_from_alertmanager(tmp_path: Path, receiver: Any, name: str) -> None:
    """Default texts, data, methods and functions give what the real Alertmanager sends."""
    alerts = _GROUPS[name]
    assert not _differ(_ask(tmp_path, receiver, alerts), alerts)


def test_texts_of_what_is_over_come_out_as_from_alertmanager(tmp_path: Path, receiver: Any) -> None:
    """A group in which nothing fires any more reads the same, line by line."""
    over = [{**_FULL[0], "endsAt": "2026-01-02T04:00:00Z"}]
    assert not _differ(_ask(tmp_path, receiver, _FULL[:1], over), over)
