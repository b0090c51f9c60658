"""Telegram: a message from a bot."""

import re
from collections.abc import Sequence
from html import escape
from typing import Any, Final
from urllib.parse import quote

import msgspec

from veriscope.alert.notify.evidence import evidence_lines, evidence_links
from veriscope.alert.notify.http import HttpConfig, require_http_url
from veriscope.alert.notify.http.notifier import HttpNotifier
from veriscope.alert.notify.http.sender import Request
from veriscope.alert.notify.sending import Sending, Surroundings, cut
from veriscope.signals import Secret
from veriscope.signals.evidence import Evidence

_MESSAGE_CHARACTERS: Final = 4096
# What has a meaning in each mode, and is taken as it is after a backslash.
_SPECIAL: Final = {"Markdown": "_*`[", "MarkdownV2": "\\_*[]()~`>#+-=|{}.!"}
_MODES: Final = ("", "HTML", "Markdown", "MarkdownV2")


class TelegramConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry of `telegram_configs`."""

    send_resolved: bool = True
    """Whether to send the end of alerts too."""
    http_config: HttpConfig | None = None
    """Authorization, TLS, proxy; that of `global` where it is not given."""
    api_url: str = ""
    """Where the API is; `global.telegram_api_url` where it is not given."""
    bot_token: Secret | None = None
    """The bot's token."""
    bot_token_file: str | None = None
    """File that holds the token, read for each notification."""
    chat_id: int
    """The chat to write to; groups have negative numbers."""
    message_thread_id: int = 0
    """The topic within a group; none where it is 0."""
    message: str = '{{ template "telegram.default.message" . }}'
    """Text, a template; cut after 4,096 characters."""
    disable_notifications: bool = False
    """Whether it makes no sound."""
    parse_mode: str = "HTML"
    """How the text is written: `HTML`, `Markdown`, `MarkdownV2`; plain where it is empty."""

    def __post_init__(self) -> None:
        if (self.bot_token is None) is (self.bot_token_file is None):
            raise ValueError("give bot_token or bot_token_file")
        if self.chat_id == 0:
            raise ValueError("chat_id is missing")
        if self.parse_mode not in _MODES:
            raise ValueError("parse_mode must be empty, HTML, Markdown or MarkdownV2")


class TelegramNotifier(HttpNotifier):
    """Sends a group as one message."""

    integration = "telegram"

    def __init__(self, config: TelegramConfig, around: Surroundings) -> None:
        super().__init__(config, around)
        require_http_url(config.api_url, "telegram_configs.api_url")
        self._config = config

    def requests(self, sending: Sending) -> Sequence[Request]:
        """Return the message; its fields are texts, as the API has them in forms."""
        config = self._config
        token = sending.secrets.read(config.bot_token, config.bot_token_file, "bot_token_file")
        fill = sending.html if config.parse_mode == "HTML" else sending.text
        text = cut(fill(config.message), _MESSAGE_CHARACTERS)
        if (evidence := sending.group.evidence) is not None:
            text = _with_evidence(text, evidence, config.parse_mode)
        message: dict[str, Any] = {
            "chat_id": str(config.chat_id),
            "text": text,
            "disable_web_page_preview": "true",
        }
        if config.message_thread_id:
            message["message_thread_id"] = str(config.message_thread_id)
        if config.disable_notifications:
            message["disable_notification"] = "true"
        if config.parse_mode:
            message["parse_mode"] = config.parse_mode
        url = f"{config.api_url.rstrip('/')}/bot{quote(token, safe=':')}/sendMessage"
        return [Request.json(url, message)]


def _with_evidence(text: str, evidence: Evidence, mode: str) -> str:
    """Return *text* with as many lines of the evidence as there is room for."""
    links = [f"{name}: {url}" for name, url in evidence_links(evidence)]
    text += "\n"
    for line in (*evidence_lines(evidence), *links):
        shown = _escaped(line, mode)
        if len(text) + 1 + len(shown) > _MESSAGE_CHARACTERS:
            break
        text += f"\n{shown}"
    return text.rstrip("\n")


def _escaped(line: str, mode: str) -> str:
    if mode == "HTML":
        return escape(line, quote=False)
    return re.sub(f"([{re.escape(_SPECIAL[mode])}])", r"\\\1", line) if mode else line
