"""Webhooks: Alertmanager's JSON, version 4, by HTTP POST."""

from collections.abc import Sequence

import msgspec

from veriscope.alert.notify.evidence import evidence_fields
from veriscope.alert.notify.http import HttpConfig, require_http_url
from veriscope.alert.notify.http.notifier import HttpNotifier
from veriscope.alert.notify.http.sender import Request
from veriscope.alert.notify.sending import Sending, Surroundings
from veriscope.signals import Secret


class WebhookConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry of `webhook_configs`."""

    send_resolved: bool = True
    """Whether to send the end of alerts too."""
    http_config: HttpConfig | None = None
    """Authorization, TLS, proxy; that of `global` where it is not given."""
    url: Secret | None = None
    """Where to post; it may hold a token, and is never shown."""
    url_file: str | None = None
    """File that holds the URL, read for each notification."""
    max_alerts: int = 0
    """Alerts in one message; the others are counted as `truncatedAlerts`. 0 is no limit."""

    def __post_init__(self) -> None:
        if (self.url is None) is (self.url_file is None):
            raise ValueError("give url or url_file")
        if self.max_alerts < 0:
            raise ValueError("max_alerts must be 0 or more")


class WebhookNotifier(HttpNotifier):
    """Posts a group as it is."""

    integration = "webhook"

    def __init__(self, config: WebhookConfig, around: Surroundings) -> None:
        super().__init__(config, around)
        if config.url is not None:
            require_http_url(config.url.reveal(), "webhook_configs.url")
        self._config = config

    def requests(self, sending: Sending) -> Sequence[Request]:
        """Return the group; where there is evidence it stands beside what Alertmanager sends."""
        config = self._config
        url = sending.secrets.read(config.url, config.url_file, "url_file")
        body = sending.group.payload()
        if config.max_alerts:
            body["truncatedAlerts"] += max(0, len(sending.group.alerts) - config.max_alerts)
            body["alerts"] = body["alerts"][: config.max_alerts]
        if (evidence := sending.group.evidence) is not None:
            body["evidence"] = evidence_fields(evidence)
        return [Request.json(url, body)]
