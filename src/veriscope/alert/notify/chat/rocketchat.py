"""Rocket.Chat: a message with one attachment, by the REST API."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import msgspec

from veriscope.alert.notify.http import HttpConfig, require_http_url
from veriscope.alert.notify.http.notifier import HttpNotifier
from veriscope.alert.notify.http.sender import Answer, Request
from veriscope.alert.notify.outcome import Outcome, Reason, Verdict
from veriscope.alert.notify.sending import Secrets, Sending, Surroundings
from veriscope.signals import Secret


class RocketchatField(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A field of the attachment: a title and a value."""

    title: str
    """Its title, a template."""
    value: str
    """Its value, a template."""
    short: bool | None = None
    """Whether it may stand beside another one; `short_fields` where it is not given."""


class RocketchatAction(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A button below the attachment."""

    type: str = "button"
    """Its type, a template."""
    text: str
    """What stands on it, a template."""
    url: str = ""
    """Where it leads, a template."""
    msg: str = ""
    """What it writes into the channel, a template."""


class RocketchatConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry of `rocketchat_configs`."""

    send_resolved: bool = False
    """Whether to send the end of alerts too."""
    http_config: HttpConfig | None = None
    """TLS, proxy; that of `global` where it is not given."""
    api_url: str = ""
    """Where the server is; `global.rocketchat_api_url` where it is not given."""
    token: Secret | None = None
    """The token; `global.rocketchat_token` where it is not given."""
    token_file: str | None = None
    """File that holds the token, read for each notification."""
    token_id: Secret | None = None
    """The user's id; `global.rocketchat_token_id` where it is not given."""
    token_id_file: str | None = None
    """File that holds the user's id, read for each notification."""
    channel: str = ""
    """Channel or user, such as `#alerts`, a template."""
    color: str = '{{ if eq .Status "firing" }}red{{ else }}green{{ end }}'
    """Colour of the bar, a template."""
    title: str = '{{ template "rocketchat.default.title" . }}'
    """Title of the attachment, a template."""
    title_link: str = '{{ template "rocketchat.default.titlelink" . }}'
    """Address that the title leads to, a template."""
    text: str = '{{ template "rocketchat.default.text" . }}'
    """Text of the attachment, a template."""
    fields: tuple[RocketchatField, ...] = ()
    """Fields of the attachment."""
    short_fields: bool = False
    """Whether fields may stand beside each other."""
    emoji: str = '{{ template "rocketchat.default.emoji" . }}'
    """Emoji beside the name, a template."""
    icon_url: str = '{{ template "rocketchat.default.iconurl" . }}'
    """Picture beside the name, a template."""
    image_url: str = ""
    """Picture in the attachment, a template."""
    thumb_url: str = ""
    """Small picture in the attachment, a template."""
    link_names: bool = False
    """Whether names in the text become links."""
    actions: tuple[RocketchatAction, ...] = ()
    """Buttons below the attachment."""

    def __post_init__(self) -> None:
        for key in ("token", "token_id"):
            if getattr(self, key) is not None and getattr(self, f"{key}_file") is not None:
                raise ValueError(f"give {key} or {key}_file, not both")


class RocketchatNotifier(HttpNotifier):
    """Posts a group as one attachment."""

    integration = "rocketchat"

    def __init__(self, config: RocketchatConfig, around: Surroundings) -> None:
        super().__init__(config, around)
        require_http_url(config.api_url, "rocketchat_configs.api_url")
        self._config = config
        self._url = f"{config.api_url.rstrip('/')}/api/v1/chat.postMessage"

    def requests(self, sending: Sending) -> Sequence[Request]:
        """Return the message."""
        config, secrets = self._config, sending.secrets
        headers = {
            "X-User-Id": secrets.read(config.token_id, config.token_id_file, "token_id_file"),
            "X-Auth-Token": secrets.read(config.token, config.token_file, "token_file"),
        }
        names = {"channel": config.channel, "emoji": config.emoji, "avatar": config.icon_url}
        message = {**_given(sending.texts(names)), "attachments": [self._attachment(sending)]}
        if config.link_names:
            message["parseUrls"] = True
        return [Request.json(self._url, message, headers=headers)]

    def judge(self, answer: Answer, secrets: Secrets) -> Outcome:
        """Tell what the *answer* means: it may refuse with 200, too."""
        outcome = super().judge(answer, secrets)
        if outcome.verdict is not Verdict.DELIVERED:
            return outcome
        with suppress(msgspec.DecodeError):
            said = msgspec.json.decode(answer.body)
            if isinstance(said, dict) and said.get("success") is False:
                reason = secrets.hide(str(said.get("error", "")))
                return Outcome.failed(Reason.CLIENT_ERROR, f"Rocket.Chat says: {reason}")
        return outcome

    def _attachment(self, sending: Sending) -> dict[str, Any]:
        config = self._config
        names = ("title", "title_link", "text", "image_url", "thumb_url", "color")
        texts = sending.texts({name: getattr(config, name) for name in names})
        fields = [
            {
                "title": sending.text(field.title),
                "value": sending.text(field.value),
                "short": config.short_fields if field.short is None else field.short,
            }
            for field in config.fields
        ]
        actions = [
            _given(sending.texts(msgspec.structs.asdict(action))) for action in config.actions
        ]
        return _given({**texts, "fields": fields, "actions": actions})


def _given(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value}
