"""Webhooks: Alertmanager's JSON, version 4, by HTTP POST."""

import msgspec

from veriscope.alert.group import AlertGroup
from veriscope.alert.notify.http import HttpConfig, HttpSender, require_http_url, secret_of
from veriscope.alert.notify.outcome import Outcome, Reason
from veriscope.signals import Secret


class WebhookConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry of `webhook_configs`."""

    send_resolved: bool = True
    """Whether to send the end of alerts too."""
    url: Secret | None = None
    """Where to post; it may hold a token, and is never shown."""
    url_file: str | None = None
    """File that holds the URL, read for each notification."""
    http_config: HttpConfig | None = None
    """Authorization, TLS, proxy; that of `global` where it is not given."""
    max_alerts: int = 0
    """Alerts in one message; the others are counted as `truncatedAlerts`. 0 is no limit."""

    def __post_init__(self) -> None:
        if (self.url is None) is (self.url_file is None):
            raise ValueError("give url or url_file")
        if self.max_alerts < 0:
            raise ValueError("max_alerts must be 0 or more")


class WebhookNotifier:
    """Posts a group as it is."""

    integration = "webhook"

    def __init__(self, config: WebhookConfig, http: HttpConfig) -> None:
        if config.url is not None:
            require_http_url(config.url.reveal(), "webhook_configs.url")
        self.send_resolved = config.send_resolved
        self._config = config
        self._http = HttpSender(config.http_config or http)

    def notify(self, group: AlertGroup) -> Outcome:
        """Send *group* once."""
        try:
            url = secret_of(self._config.url, self._config.url_file) or ""
        except (OSError, UnicodeDecodeError) as error:
            return Outcome.retry(Reason.OTHER, f"cannot read url_file: {error}")
        body = group.payload()
        if limit := self._config.max_alerts:
            body["truncatedAlerts"] += max(0, len(group.alerts) - limit)
            body["alerts"] = body["alerts"][:limit]
        return self._http.post(url, body)
