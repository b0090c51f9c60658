"""Discord: a message with one embed, by a webhook."""

import secrets
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from veriscope.alert.notify.evidence import evidence_text, is_worth_showing
from veriscope.alert.notify.http import HttpConfig, require_http_url
from veriscope.alert.notify.http.notifier import HttpNotifier
from veriscope.alert.notify.http.sender import Request
from veriscope.alert.notify.sending import Sending, Surroundings, cut
from veriscope.signals import Secret
from veriscope.signals.evidence import Evidence

_TITLE_CHARACTERS: Final = 256
_TEXT_CHARACTERS: Final = 4096
_CONTENT_CHARACTERS: Final = 2000
_GRAPH: Final = "graph.png"
_RED: Final = 0x992D22
_GREEN: Final = 0x2ECC71


class DiscordConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry of `discord_configs`."""

    send_resolved: bool = True
    """Whether to send the end of alerts too."""
    http_config: HttpConfig | None = None
    """Authorization, TLS, proxy; that of `global` where it is not given."""
    webhook_url: Secret | None = None
    """The channel's webhook."""
    webhook_url_file: str | None = None
    """File that holds the webhook, read for each notification."""
    content: str = ""
    """Text above the embed, a template; cut after 2,000 characters."""
    title: str = '{{ template "discord.default.title" . }}'
    """Title of the embed, a template; cut after 256 characters."""
    message: str = '{{ template "discord.default.message" . }}'
    """Text of the embed, a template; cut after 4,096 characters."""
    username: str = ""
    """Name that the message is from, a template."""
    avatar_url: str = ""
    """Picture beside the name, a template."""

    def __post_init__(self) -> None:
        if (self.webhook_url is None) is (self.webhook_url_file is None):
            raise ValueError("give webhook_url or webhook_url_file")


class DiscordNotifier(HttpNotifier):
    """Posts a group as one embed."""

    integration = "discord"

    def __init__(self, config: DiscordConfig, around: Surroundings) -> None:
        super().__init__(config, around)
        if config.webhook_url is not None:
            require_http_url(config.webhook_url.reveal(), "discord_configs.webhook_url")
        self._config = config

    def requests(self, sending: Sending) -> Sequence[Request]:
        """Return the message."""
        config = self._config
        url = sending.secrets.read(config.webhook_url, config.webhook_url_file, "webhook_url_file")
        embed: dict[str, Any] = {
            "title": cut(sending.text(config.title), _TITLE_CHARACTERS),
            "description": cut(sending.text(config.message), _TEXT_CHARACTERS),
            "color": _RED if sending.group.firing else _GREEN,
        }
        embeds = [embed]
        evidence = sending.group.evidence
        if evidence is not None and is_worth_showing(evidence):
            embeds.append(_evidence(evidence))
        names = {"username": config.username, "avatar_url": config.avatar_url}
        given = {name: text for name, text in sending.texts(names).items() if text}
        content = cut(sending.text(config.content), _CONTENT_CHARACTERS)
        message = {"content": content, "embeds": embeds, **given}
        if evidence is None or not evidence.graph_png:
            return [Request.json(url, message)]
        return [_with_graph(url, message, evidence.graph_png)]


def _evidence(evidence: Evidence) -> dict[str, Any]:
    embed: dict[str, Any] = {"description": cut(evidence_text(evidence), _TEXT_CHARACTERS)}
    if evidence.graph_png:
        embed["image"] = {"url": f"attachment://{_GRAPH}"}
    return embed


def _with_graph(url: str, message: dict[str, Any], png: bytes) -> Request:
    """
    Return the message with the picture itself beside it, as `multipart/form-data`.

    Discord refuses a message whole where it does not like the address of a picture, and could
    not fetch it from most servers.
    """
    boundary = secrets.token_hex(16)
    parts = (
        ('name="payload_json"', "application/json", msgspec.json.encode(message)),
        (f'name="files[0]"; filename="{_GRAPH}"', "image/png", png),
    )
    body = b"".join(
        f"--{boundary}\r\nContent-Disposition: form-data; {name}\r\n"
        f"Content-Type: {kind}\r\n\r\n".encode()
        + content
        + b"\r\n"
        for name, kind, content in parts
    )
    kind = f"multipart/form-data; boundary={boundary}"
    return Request(url, body + f"--{boundary}--\r\n".encode(), {"Content-Type": kind})
