"""Forwarding: alerts to a real Alertmanager, through its API v2."""

from collections.abc import Sequence
from typing import Any

import msgspec

from veriscope.alert.group import Alert, rfc3339
from veriscope.alert.notify.http import HttpConfig, require_http_url
from veriscope.alert.notify.http.notifier import HttpNotifier
from veriscope.alert.notify.http.sender import Request
from veriscope.alert.notify.sending import Sending, Surroundings
from veriscope.signals import Duration


class AlertmanagerConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry of `alertmanager_configs`, a key of Veriscope's own."""

    url: str
    """Base address, such as `http://alertmanager:9093`, with a path prefix if there is one."""
    send_resolved: bool = True
    """Whether to send the end of alerts too."""
    firing_for: Duration = Duration.parse("1d")
    """How long it may take an alert for firing where nothing more is said of it."""
    http_config: HttpConfig | None = None
    """Authorization, TLS, proxy; that of `global` where it is not given."""


class AlertmanagerNotifier(HttpNotifier):
    """Posts the alerts of a group to `{url}/api/v2/alerts`."""

    integration = "alertmanager"

    def __init__(self, config: AlertmanagerConfig, around: Surroundings) -> None:
        super().__init__(config, around)
        require_http_url(config.url, "alertmanager_configs.url")
        self._url = f"{config.url.rstrip('/')}/api/v2/alerts"
        self._firing_for_ms = int(config.firing_for)

    def requests(self, sending: Sending) -> Sequence[Request]:
        """Return the alerts; the Alertmanager groups and deduplicates by itself."""
        end_ms = self._around.clock.now_ms() + self._firing_for_ms
        return [Request.json(self._url, [_alert(alert, end_ms) for alert in sending.group.alerts])]


def _alert(alert: Alert, firing_until_ms: int) -> dict[str, Any]:
    whole = alert.payload()
    kept = {key: whole[key] for key in ("labels", "annotations", "startsAt", "generatorURL")}
    return {**kept, "endsAt": rfc3339(alert.ends_at_ms or firing_until_ms)}
