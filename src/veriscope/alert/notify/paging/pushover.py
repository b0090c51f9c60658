"""Pushover: a push message for each notification."""

from collections.abc import Sequence
from typing import Final
from urllib.parse import urlencode

import msgspec

from veriscope.alert.notify.http import HttpConfig
from veriscope.alert.notify.http.notifier import HttpNotifier
from veriscope.alert.notify.http.sender import Request
from veriscope.alert.notify.sending import Sending, Surroundings, cut
from veriscope.signals import Duration, Secret

URL: Final = "https://api.pushover.net/1/messages.json"
_TITLE_CHARACTERS: Final = 250
_MESSAGE_CHARACTERS: Final = 1024
_URL_CHARACTERS: Final = 512


class PushoverConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry of `pushover_configs`."""

    send_resolved: bool = True
    """Whether to send the end of alerts too."""
    http_config: HttpConfig | None = None
    """Authorization, TLS, proxy; that of `global` where it is not given."""
    user_key: Secret | None = None
    """Key of the user or group."""
    user_key_file: str | None = None
    """File that holds the user's key, read for each notification."""
    token: Secret | None = None
    """Token of the application."""
    token_file: str | None = None
    """File that holds the token, read for each notification."""
    title: str = '{{ template "pushover.default.title" . }}'
    """Title, a template; cut after 250 characters."""
    message: str = '{{ template "pushover.default.message" . }}'
    """Text, a template; cut after 1,024 characters."""
    url: str = '{{ template "pushover.default.url" . }}'
    """Address that is shown, a template; cut after 512 characters."""
    url_title: str = ""
    """What stands on the address, a template."""
    device: str = ""
    """Device, a template; all of the user's where it is not given."""
    sound: str = ""
    """Sound, a template; the user's where it is not given."""
    priority: str = '{{ if eq .Status "firing" }}2{{ else }}0{{ end }}'
    """-2 to 2, a template; 2 must be acknowledged."""
    retry: Duration = Duration.parse("1m")
    """How often the user hears of a message of priority 2."""
    expire: Duration = Duration.parse("1h")
    """How long the user hears of it."""
    ttl: Duration = Duration(0)
    """How long a message is kept; for ever where it is 0."""
    html: bool = False
    """Whether the text is HTML."""

    def __post_init__(self) -> None:
        for key in ("user_key", "token"):
            if (getattr(self, key) is None) is (getattr(self, f"{key}_file") is None):
                raise ValueError(f"give {key} or {key}_file")


class PushoverNotifier(HttpNotifier):
    """Sends a group as one push message."""

    integration = "pushover"

    def __init__(self, config: PushoverConfig, around: Surroundings) -> None:
        super().__init__(config, around)
        self._config = config

    def requests(self, sending: Sending) -> Sequence[Request]:
        """Return the message as a form: a query would show its keys in the logs of proxies."""
        config, secrets = self._config, sending.secrets
        fill = sending.html if config.html else sending.text
        names = ("url_title", "device", "sound", "priority")
        form = {
            "token": secrets.read(config.token, config.token_file, "token_file"),
            "user": secrets.read(config.user_key, config.user_key_file, "user_key_file"),
            "title": cut(sending.text(config.title), _TITLE_CHARACTERS),
            "message": cut(fill(config.message), _MESSAGE_CHARACTERS).strip() or "(no details)",
            "timestamp": str(self._around.clock.now_ms() // 1000),
            "url": cut(sending.text(config.url), _URL_CHARACTERS),
            "retry": str(int(config.retry.seconds)),
            "expire": str(int(config.expire.seconds)),
            "html": "1" if config.html else "",
            "ttl": str(int(config.ttl.seconds)) if config.ttl else "",
            **sending.texts({name: getattr(config, name) for name in names}),
        }
        body = urlencode({name: text for name, text in form.items() if text})
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return [Request(URL, body.encode(), kind)]
