"""Microsoft Teams: message cards of connectors, and adaptive cards of workflows."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from veriscope.alert.notify.evidence import evidence_lines, evidence_links, evidence_text
from veriscope.alert.notify.http import HttpConfig, require_http_url
from veriscope.alert.notify.http.notifier import HttpNotifier
from veriscope.alert.notify.http.sender import Request
from veriscope.alert.notify.sending import Sending, Surroundings
from veriscope.signals import Secret
from veriscope.signals.evidence import Evidence

_RED: Final = "8C1A1A"
_GREEN: Final = "2DC72D"


class MsTeamsConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry of `msteams_configs`: a connector, which takes message cards."""

    send_resolved: bool = True
    """Whether to send the end of alerts too."""
    http_config: HttpConfig | None = None
    """Authorization, TLS, proxy; that of `global` where it is not given."""
    webhook_url: Secret | None = None
    """The connector's webhook."""
    webhook_url_file: str | None = None
    """File that holds the webhook, read for each notification."""
    title: str = '{{ template "msteams.default.title" . }}'
    """Title of the card, a template."""
    summary: str = '{{ template "msteams.default.summary" . }}'
    """Summary of the card, a template."""
    text: str = '{{ template "msteams.default.text" . }}'
    """Text of the card, a template."""

    def __post_init__(self) -> None:
        _require_webhook(self)


class MsTeamsV2Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry of `msteamsv2_configs`: a workflow, which takes adaptive cards."""

    send_resolved: bool = True
    """Whether to send the end of alerts too."""
    http_config: HttpConfig | None = None
    """Authorization, TLS, proxy; that of `global` where it is not given."""
    webhook_url: Secret | None = None
    """The workflow's webhook."""
    webhook_url_file: str | None = None
    """File that holds the webhook, read for each notification."""
    title: str = '{{ template "msteamsv2.default.title" . }}'
    """Title of the card, a template."""
    text: str = '{{ template "msteamsv2.default.text" . }}'
    """Text of the card, a template."""

    def __post_init__(self) -> None:
        _require_webhook(self)


class MsTeamsNotifier(HttpNotifier):
    """Posts a group as one message card."""

    integration = "msteams"

    def __init__(self, config: MsTeamsConfig, around: Surroundings) -> None:
        super().__init__(config, around)
        _check_webhook(config, "msteams_configs")
        self._config = config

    def requests(self, sending: Sending) -> Sequence[Request]:
        """Return the card."""
        config = self._config
        text = sending.text(config.text)
        if (evidence := sending.group.evidence) is not None:
            text = f"{text}\n\n{evidence_text(evidence)}".replace("\n", "\n\n")
        card = {
            "@context": "http://schema.org/extensions",
            "type": "MessageCard",
            "title": sending.text(config.title),
            "summary": sending.text(config.summary),
            "text": text,
            "themeColor": _RED if sending.group.firing else _GREEN,
        }
        return [Request.json(_webhook(config, sending), card)]


class MsTeamsV2Notifier(HttpNotifier):
    """Posts a group as one adaptive card."""

    integration = "msteamsv2"

    def __init__(self, config: MsTeamsV2Config, around: Surroundings) -> None:
        super().__init__(config, around)
        _check_webhook(config, "msteamsv2_configs")
        self._config = config

    def requests(self, sending: Sending) -> Sequence[Request]:
        """Return the card, in the envelope that workflows want."""
        config = self._config
        title = {
            "type": "TextBlock",
            "text": sending.text(config.title),
            "weight": "Bolder",
            "size": "Medium",
            "wrap": True,
            "style": "heading",
            "color": "Attention" if sending.group.firing else "Good",
        }
        body = [title, {"type": "TextBlock", "text": sending.text(config.text), "wrap": True}]
        if (evidence := sending.group.evidence) is not None:
            body += _evidence(evidence)
        card = {
            "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
            "type": "AdaptiveCard",
            "version": "1.2",
            "body": body,
            "msteams": {"width": "full"},
        }
        attachment = {
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": None,
            "content": card,
        }
        message = {"type": "message", "attachments": [attachment]}
        return [Request.json(_webhook(config, sending), message)]


def _evidence(evidence: Evidence) -> list[dict[str, Any]]:
    links = [f"[{text}]({url})" for text, url in evidence_links(evidence)]
    lines = [*evidence_lines(evidence), " · ".join(links)]
    blocks: list[dict[str, Any]] = [
        {"type": "TextBlock", "text": line, "wrap": True, "spacing": "Small"}
        for line in lines
        if line
    ]
    if evidence.graph_url.startswith("https:"):  # Teams shows no other
        blocks.append({"type": "Image", "url": evidence.graph_url, "altText": "The expression"})
    return blocks


def _webhook(config: MsTeamsConfig | MsTeamsV2Config, sending: Sending) -> str:
    return sending.secrets.read(config.webhook_url, config.webhook_url_file, "webhook_url_file")


def _require_webhook(config: MsTeamsConfig | MsTeamsV2Config) -> None:
    if (config.webhook_url is None) is (config.webhook_url_file is None):
        raise ValueError("give webhook_url or webhook_url_file")


def _check_webhook(config: MsTeamsConfig | MsTeamsV2Config, section: str) -> None:
    if config.webhook_url is not None:
        require_http_url(config.webhook_url.reveal(), f"{section}.webhook_url")
