"""Slack: a message with one attachment, by an incoming webhook."""

from typing import Any

import msgspec

from veriscope.alert.group import AlertGroup
from veriscope.alert.notify.http import HttpConfig, HttpSender, require_http_url, secret_of
from veriscope.alert.notify.outcome import Outcome, Reason
from veriscope.alert.notify.template import Template, body_text, subject
from veriscope.signals import Secret


class SlackConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry of `slack_configs`."""

    send_resolved: bool = False
    """Whether to send the end of alerts too."""
    api_url: Secret | None = None
    """The incoming webhook; `global.slack_api_url` where it is not given."""
    api_url_file: str | None = None
    """File that holds the incoming webhook, read for each notification."""
    http_config: HttpConfig | None = None
    """Authorization, TLS, proxy; that of `global` where it is not given."""
    channel: str = ""
    """Channel or user, such as `#alerts`; the webhook's own where it is not given."""
    username: str = ""
    """Name that the message is from."""
    icon_emoji: str = ""
    """Emoji beside the name, such as `:fire:`."""
    icon_url: str = ""
    """Picture beside the name."""
    color: str = ""
    """Colour of the bar: `good`, `warning`, `danger` or `#rrggbb`; by the status if not given."""
    title: str = ""
    """Title of the attachment, a template; `[FIRING:1] NAME (labels)` where it is not given."""
    title_link: str = ""
    """Address that the title leads to, a template."""
    pretext: str = ""
    """Text above the attachment, a template."""
    text: str = ""
    """Text of the attachment, a template; all alerts with their annotations if not given."""
    fallback: str = ""
    """Text where attachments cannot be shown, a template; the title where it is not given."""
    footer: str = ""
    """Text below the attachment, a template."""

    def __post_init__(self) -> None:
        if self.api_url is not None and self.api_url_file is not None:
            raise ValueError("give api_url or api_url_file, not both")


class SlackNotifier:
    """Posts a group as one attachment."""

    integration = "slack"

    def __init__(self, config: SlackConfig, http: HttpConfig) -> None:
        if config.api_url is not None:
            require_http_url(config.api_url.reveal(), "slack_configs.api_url")
        self.send_resolved = config.send_resolved
        self._config = config
        self._http = HttpSender(config.http_config or http)
        self._templates = {
            name: Template(getattr(config, name))
            for name in ("title", "title_link", "pretext", "text", "fallback", "footer", "color")
        }

    def notify(self, group: AlertGroup) -> Outcome:
        """Send *group* once."""
        try:
            url = secret_of(self._config.api_url, self._config.api_url_file) or ""
        except (OSError, UnicodeDecodeError) as error:
            return Outcome.retry(Reason.OTHER, f"cannot read api_url_file: {error}")
        return self._http.post(url, self.message(group))

    def message(self, group: AlertGroup) -> dict[str, Any]:
        """Return the message that is sent for *group*."""
        filled = {name: template.fill(group) for name, template in self._templates.items()}
        title = filled["title"] or subject(group)
        attachment = {
            **filled,
            "title": title,
            "text": filled["text"] or body_text(group),
            "fallback": filled["fallback"] or title,
            "color": filled["color"] or ("danger" if group.firing else "good"),
            "mrkdwn_in": ["fallback", "pretext", "text"],
        }
        config = self._config
        message: dict[str, Any] = {
            "channel": config.channel,
            "username": config.username,
            "icon_emoji": config.icon_emoji,
            "icon_url": config.icon_url,
            "attachments": [{key: value for key, value in attachment.items() if value}],
        }
        return {key: value for key, value in message.items() if value}
