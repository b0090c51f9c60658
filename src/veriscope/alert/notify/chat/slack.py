"""Slack: a message with one attachment, by an incoming webhook or by the Web API."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

import msgspec

from veriscope.alert.notify.evidence import evidence_lines, evidence_links, is_worth_showing
from veriscope.alert.notify.http import HttpConfig, require_http_url
from veriscope.alert.notify.http.notifier import HttpNotifier
from veriscope.alert.notify.http.sender import Answer, Request
from veriscope.alert.notify.outcome import Outcome, Reason, Verdict
from veriscope.alert.notify.sending import Secrets, Sending, Surroundings, cut
from veriscope.signals import Secret
from veriscope.signals.evidence import Evidence

_TITLE_CHARACTERS: Final = 1024
_MARKDOWN: Final = ("fallback", "pretext", "text")


class SlackField(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A field of the attachment: a title and a value."""

    title: str
    """Its title, a template."""
    value: str
    """Its value, a template."""
    short: bool | None = None
    """Whether it may stand beside another one; `short_fields` where it is not given."""

    def __post_init__(self) -> None:
        if not self.title or not self.value:
            raise ValueError("fields: title and value are needed")


class SlackConfirmation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What Slack asks before it does an action."""

    text: str
    """The question, a template."""
    title: str = ""
    """Its title, a template."""
    ok_text: str = ""
    """Text of the button that goes on, a template."""
    dismiss_text: str = ""
    """Text of the button that does not, a template."""

    def __post_init__(self) -> None:
        if not self.text:
            raise ValueError("confirm: text is needed")


class SlackAction(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A button below the attachment."""

    type: str
    """Its type, such as `button`, a template."""
    text: str
    """What stands on it, a template."""
    url: str = ""
    """Where it leads, a template; this or `name` is needed."""
    style: str = ""
    """`primary` or `danger`, a template."""
    name: str = ""
    """Name that Slack sends back, a template."""
    value: str = ""
    """Value that Slack sends back, a template."""
    confirm: SlackConfirmation | None = None
    """What is asked before."""

    def __post_init__(self) -> None:
        if not self.type or not self.text:
            raise ValueError("actions: type and text are needed")
        if not self.url and not self.name:
            raise ValueError("actions: give url or name")


class SlackConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry of `slack_configs`."""

    send_resolved: bool = False
    """Whether to send the end of alerts too."""
    http_config: HttpConfig | None = None
    """Authorization, TLS, proxy; that of `global` where it is not given."""
    api_url: Secret | None = None
    """The incoming webhook, or `chat.postMessage`; `global.slack_api_url` where not given."""
    api_url_file: str | None = None
    """File that holds the address, read for each notification."""
    app_token: Secret | None = None
    """Token of a Slack app: the message goes to `app_url` instead."""
    app_token_file: str | None = None
    """File that holds the token, read for each notification."""
    app_url: str = "https://slack.com/api/chat.postMessage"
    """Where messages of a Slack app go."""
    channel: str = ""
    """Channel or user, such as `#alerts`, a template; the webhook's own where it is not given."""
    username: str = '{{ template "slack.default.username" . }}'
    """Name that the message is from, a template."""
    color: str = '{{ if eq .Status "firing" }}danger{{ else }}good{{ end }}'
    """Colour of the bar, a template: `good`, `warning`, `danger` or `#rrggbb`."""
    title: str = '{{ template "slack.default.title" . }}'
    """Title of the attachment, a template; cut after 1,024 characters."""
    title_link: str = '{{ template "slack.default.titlelink" . }}'
    """Address that the title leads to, a template."""
    pretext: str = '{{ template "slack.default.pretext" . }}'
    """Text above the attachment, a template."""
    text: str = '{{ template "slack.default.text" . }}'
    """Text of the attachment, a template."""
    fields: tuple[SlackField, ...] = ()
    """Fields of the attachment."""
    short_fields: bool = False
    """Whether fields may stand beside each other."""
    footer: str = '{{ template "slack.default.footer" . }}'
    """Text below the attachment, a template."""
    fallback: str = '{{ template "slack.default.fallback" . }}'
    """Text where attachments cannot be shown, a template."""
    callback_id: str = '{{ template "slack.default.callbackid" . }}'
    """What Slack sends back with an action, a template."""
    icon_emoji: str = '{{ template "slack.default.iconemoji" . }}'
    """Emoji beside the name, such as `:fire:`, a template."""
    icon_url: str = '{{ template "slack.default.iconurl" . }}'
    """Picture beside the name, a template."""
    image_url: str = ""
    """Picture in the attachment, a template."""
    thumb_url: str = ""
    """Small picture in the attachment, a template."""
    link_names: bool = False
    """Whether names in the text become links."""
    mrkdwn_in: tuple[str, ...] = _MARKDOWN
    """Parts in which Slack's markup counts."""
    actions: tuple[SlackAction, ...] = ()
    """Buttons below the attachment."""

    def __post_init__(self) -> None:
        if self.api_url is not None and self.api_url_file is not None:
            raise ValueError("give api_url or api_url_file, not both")
        if self.app_token is not None and self.app_token_file is not None:
            raise ValueError("give app_token or app_token_file, not both")
        require_http_url(self.app_url, "slack_configs.app_url")

    @property
    def is_app(self) -> bool:
        """Whether messages go to the Web API, under the app's token."""
        return self.app_token is not None or self.app_token_file is not None


class SlackNotifier(HttpNotifier):
    """Posts a group as one attachment."""

    integration = "slack"

    def __init__(self, config: SlackConfig, around: Surroundings) -> None:
        super().__init__(config, around)
        if config.api_url is not None:
            require_http_url(config.api_url.reveal(), "slack_configs.api_url")
        self._config = config

    def requests(self, sending: Sending) -> Sequence[Request]:
        """Return the message."""
        config, secrets = self._config, sending.secrets
        if config.is_app:
            token = secrets.read(config.app_token, config.app_token_file, "app_token_file")
            headers = {"Authorization": f"Bearer {token}"}
            return [Request.json(config.app_url, self._message(sending), headers=headers)]
        url = secrets.read(config.api_url, config.api_url_file, "api_url_file")
        return [Request.json(url, self._message(sending))]

    def judge(self, answer: Answer, secrets: Secrets) -> Outcome:
        """Tell what the *answer* means: the Web API refuses with 200, too."""
        outcome = super().judge(answer, secrets)
        if outcome.verdict is not Verdict.DELIVERED:
            return outcome
        with suppress(msgspec.DecodeError):
            said = msgspec.json.decode(answer.body)
            if isinstance(said, dict) and said.get("ok") is False:
                reason = secrets.hide(str(said.get("error", "")))
                return Outcome.failed(Reason.CLIENT_ERROR, f"Slack says: {reason}")
        return outcome

    def _message(self, sending: Sending) -> dict[str, Any]:
        config = self._config
        attachments = [self._attachment(sending)]
        if (evidence := sending.group.evidence) is not None and is_worth_showing(evidence):
            attachments.append(_evidence(evidence))
        message = {
            "channel": sending.text(config.channel),
            "username": sending.text(config.username),
            "icon_emoji": sending.text(config.icon_emoji),
            "icon_url": sending.text(config.icon_url),
            "link_names": config.link_names,
        }
        return {**_given(message), "attachments": attachments}

    def _attachment(self, sending: Sending) -> dict[str, Any]:
        config = self._config
        needed = {
            name: sending.text(getattr(config, name))
            for name in ("text", "fallback", "callback_id", "footer")
        }
        optional = {
            name: sending.text(getattr(config, name))
            for name in ("title_link", "pretext", "image_url", "thumb_url", "color")
        }
        title = cut(sending.text(config.title), _TITLE_CHARACTERS)
        more = {
            "title": title,
            "fields": [self._field(sending, field) for field in config.fields],
            "actions": [_action(sending, action) for action in config.actions],
            "mrkdwn_in": config.mrkdwn_in or _MARKDOWN,
        }
        return {**needed, **_given(optional), **_given(more)}

    def _field(self, sending: Sending, field: SlackField) -> dict[str, Any]:
        short = self._config.short_fields if field.short is None else field.short
        texts = {"title": sending.text(field.title), "value": sending.text(field.value)}
        return {**texts, "short": short}


def _action(sending: Sending, action: SlackAction) -> dict[str, Any]:
    names = ("type", "text", "url", "style", "name", "value")
    found: dict[str, Any] = sending.texts({name: getattr(action, name) for name in names})
    if (confirm := action.confirm) is not None:
        asked = sending.texts(msgspec.structs.asdict(confirm))
        found["confirm"] = {"text": asked["text"], **_given(asked)}
    return {"type": found["type"], "text": found["text"], **_given(found)}


def _evidence(evidence: Evidence) -> dict[str, Any]:
    links = [f"<{url}|{text}>" for text, url in evidence_links(evidence)]
    text = "\n".join([*map(_escaped, evidence_lines(evidence)), " · ".join(links)]).strip()
    attachment = {"text": text, "fallback": "Evidence", "image_url": evidence.graph_url}
    return {**_given(attachment), "mrkdwn_in": ["text"]}


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _given(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value}
