"""Webex: a message of a bot in a room."""

from collections.abc import Sequence
from typing import Final

import msgspec

from veriscope.alert.notify.http import HttpConfig, require_http_url
from veriscope.alert.notify.http.notifier import HttpNotifier
from veriscope.alert.notify.http.sender import Request
from veriscope.alert.notify.sending import Sending, Surroundings, cut_bytes

_MESSAGE_BYTES: Final = 7439


class WebexConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry of `webex_configs`; `http_config.authorization` holds the bot's token."""

    send_resolved: bool = True
    """Whether to send the end of alerts too."""
    http_config: HttpConfig | None = None
    """Authorization, which is needed, TLS, proxy."""
    api_url: str = ""
    """Where the API is; `global.webex_api_url` where it is not given."""
    room_id: str
    """Id of the room."""
    message: str = '{{ template "webex.default.message" . }}'
    """Text in Markdown, a template; cut after 7,439 bytes."""

    def __post_init__(self) -> None:
        if not self.room_id:
            raise ValueError("room_id is missing")
        if self.http_config is None or self.http_config.authorization is None:
            raise ValueError("http_config.authorization is missing; it holds the bot's token")


class WebexNotifier(HttpNotifier):
    """Sends a group as one message."""

    integration = "webex"

    def __init__(self, config: WebexConfig, around: Surroundings) -> None:
        super().__init__(config, around)
        require_http_url(config.api_url, "webex_configs.api_url")
        self._config = config

    def requests(self, sending: Sending) -> Sequence[Request]:
        """Return the message."""
        config = self._config
        markdown = cut_bytes(sending.text(config.message), _MESSAGE_BYTES)
        message = {"markdown": markdown, "roomId": config.room_id}
        return [Request.json(config.api_url, message)]
