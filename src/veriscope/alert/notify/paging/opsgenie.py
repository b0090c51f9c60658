"""Opsgenie: one alert for each group, by the Alert API v2."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Any, Final

import msgspec

from veriscope.alert.notify.evidence import evidence_text
from veriscope.alert.notify.http import HttpConfig, require_http_url
from veriscope.alert.notify.http.notifier import HttpNotifier
from veriscope.alert.notify.http.sender import Request
from veriscope.alert.notify.sending import Sending, Surroundings, cut
from veriscope.signals import Secret

_MESSAGE_CHARACTERS: Final = 130
_RESPONDERS: Final = ("team", "teams", "user", "escalation", "schedule")


class OpsgenieResponder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who is to answer; by id, name or username."""

    type: str
    """`team`, `user`, `escalation`, `schedule`, a template; `teams` has names between commas."""
    id: str = ""
    """Its id, a template."""
    name: str = ""
    """Its name, a template."""
    username: str = ""
    """The user's name, a template."""

    def __post_init__(self) -> None:
        if not (self.id or self.name or self.username):
            raise ValueError("responders: give id, name or username")
        if "{{" not in self.type and self.type.lower() not in _RESPONDERS:
            raise ValueError(f"responders: type must be one of {', '.join(_RESPONDERS)}")


class OpsgenieConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry of `opsgenie_configs`."""

    send_resolved: bool = True
    """Whether to close the alert when the group ends."""
    http_config: HttpConfig | None = None
    """Authorization, TLS, proxy; that of `global` where it is not given."""
    api_key: Secret | None = None
    """The API key; `global.opsgenie_api_key` where it is not given."""
    api_key_file: str | None = None
    """File that holds the API key, read for each notification."""
    api_url: str = ""
    """Where the API is; `global.opsgenie_api_url` where it is not given."""
    message: str = '{{ template "opsgenie.default.message" . }}'
    """The alert's text, a template; cut after 130 characters."""
    description: str = '{{ template "opsgenie.default.description" . }}'
    """More of it, a template."""
    source: str = '{{ template "opsgenie.default.source" . }}'
    """Who says so, a template."""
    details: dict[str, str] = msgspec.field(default_factory=dict)
    """Details beside the common labels, each a template."""
    entity: str = ""
    """What it is about, a template."""
    responders: tuple[OpsgenieResponder, ...] = ()
    """Who is to answer."""
    actions: str = ""
    """Actions that are offered, between commas, a template."""
    tags: str = ""
    """Tags, between commas, a template."""
    note: str = ""
    """A note, a template."""
    priority: str = ""
    """`P1` to `P5`, a template."""
    update_alerts: bool = False
    """Whether message and description of an open alert follow the group."""

    def __post_init__(self) -> None:
        if self.api_key is not None and self.api_key_file is not None:
            raise ValueError("give api_key or api_key_file, not both")


class OpsgenieNotifier(HttpNotifier):
    """Opens, updates and closes one alert for each group."""

    integration = "opsgenie"

    def __init__(self, config: OpsgenieConfig, around: Surroundings) -> None:
        super().__init__(config, around)
        require_http_url(config.api_url, "opsgenie_configs.api_url")
        self._config = config
        self._url = f"{config.api_url.rstrip('/')}/v2/alerts"

    def requests(self, sending: Sending) -> Sequence[Request]:
        """Return what opens the alert and, if that is wanted, updates it; or what closes it."""
        config = self._config
        key = sending.secrets.read(config.api_key, config.api_key_file, "api_key_file")
        headers = {"Authorization": f"GenieKey {key}"}
        alias = sha256(sending.group.key.encode()).hexdigest()

        def of_alert(action: str, body: object, method: str) -> Request:
            url = f"{self._url}/{alias}/{action}?identifierType=alias"
            return Request.json(url, body, headers=headers, method=method)

        if not sending.group.firing:
            return [of_alert("close", {"source": sending.text(config.source)}, "POST")]
        created = self._alert(sending, alias)
        requests = [Request.json(self._url, created, headers=headers)]
        if config.update_alerts:
            requests += [
                of_alert(name, {name: created.get(name, "")}, "PUT")
                for name in ("message", "description")
            ]
        return requests

    def _alert(self, sending: Sending, alias: str) -> dict[str, Any]:
        config = self._config
        details = {**dict(sending.group.common_labels), **sending.texts(config.details)}
        if (evidence := sending.group.evidence) is not None:
            details.setdefault("evidence", evidence_text(evidence))
        optional = {
            "description": sending.text(config.description),
            "responders": self._responders(sending),
            "tags": _parts(sending.text(config.tags)),
            "note": sending.text(config.note),
            "priority": sending.text(config.priority),
            "entity": sending.text(config.entity),
            "actions": _parts(sending.text(config.actions)),
        }
        return {
            "alias": alias,
            "message": cut(sending.text(config.message), _MESSAGE_CHARACTERS),
            "details": details,
            "source": sending.text(config.source),
            **{name: value for name, value in optional.items() if value},
        }

    def _responders(self, sending: Sending) -> list[dict[str, str]]:
        found = []
        for responder in self._config.responders:
            names = ("id", "name", "username")
            filled = sending.texts({name: getattr(responder, name) for name in names})
            given = {name: text for name, text in filled.items() if text}
            kind = sending.text(responder.type).lower()
            if kind == "teams":
                found += [{"name": name, "type": "team"} for name in _parts(filled["name"])]
            elif given:
                found.append({**given, "type": kind})
        return found


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
