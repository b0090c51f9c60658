"""VictorOps (Splunk On-Call): one incident for each group, by the REST endpoint."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Final
from urllib.parse import quote

import msgspec

from veriscope.alert.notify.http import HttpConfig, require_http_url
from veriscope.alert.notify.http.notifier import HttpNotifier
from veriscope.alert.notify.http.sender import Request
from veriscope.alert.notify.sending import Sending, Surroundings, cut
from veriscope.signals import Secret

_MESSAGE_CHARACTERS: Final = 20_480
_FIRING: Final = frozenset({"INFO", "WARNING", "CRITICAL"})
_RESERVED: Final = frozenset(
    {
        "entity_display_name",
        "entity_id",
        "entity_state",
        "message_type",
        "monitoring_tool",
        "routing_key",
        "state_message",
    }
)


class VictorOpsConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry of `victorops_configs`."""

    send_resolved: bool = True
    """Whether to end the incident when the group ends."""
    http_config: HttpConfig | None = None
    """Authorization, TLS, proxy; that of `global` where it is not given."""
    routing_key: str
    """The key that leads to a team, a template."""
    api_key: Secret | None = None
    """The API key; `global.victorops_api_key` where it is not given."""
    api_key_file: str | None = None
    """File that holds the API key, read for each notification."""
    api_url: str = ""
    """Where the API is; `global.victorops_api_url` where it is not given."""
    message_type: str = "CRITICAL"
    """`CRITICAL`, `WARNING` or `INFO`, a template; whatever else it gives is `CRITICAL`."""
    state_message: str = '{{ template "victorops.default.state_message" . }}'
    """What is wrong, a template; cut after 20,480 characters."""
    entity_display_name: str = '{{ template "victorops.default.entity_display_name" . }}'
    """Title of the incident, a template."""
    monitoring_tool: str = '{{ template "victorops.default.monitoring_tool" . }}'
    """Who says so, a template."""
    custom_fields: dict[str, str] = msgspec.field(default_factory=dict)
    """Further fields, each a template."""

    def __post_init__(self) -> None:
        if not self.routing_key:
            raise ValueError("routing_key is missing")
        if self.api_key is not None and self.api_key_file is not None:
            raise ValueError("give api_key or api_key_file, not both")
        if taken := sorted(_RESERVED.intersection(self.custom_fields)):
            raise ValueError(f"custom_fields cannot hold {', '.join(taken)}")


class VictorOpsNotifier(HttpNotifier):
    """Opens and ends one incident for each group."""

    integration = "victorops"

    def __init__(self, config: VictorOpsConfig, around: Surroundings) -> None:
        super().__init__(config, around)
        require_http_url(config.api_url, "victorops_configs.api_url")
        self._config = config

    def requests(self, sending: Sending) -> Sequence[Request]:
        """Return the message."""
        config = self._config
        key = sending.secrets.read(config.api_key, config.api_key_file, "api_key_file")
        # Quoted, so that a template can choose the team, but never another path or host.
        route = quote(sending.text(config.routing_key), safe="")
        url = f"{config.api_url.rstrip('/')}/{quote(key, safe='')}/{route}"
        named = {
            "entity_display_name": config.entity_display_name,
            "monitoring_tool": config.monitoring_tool,
            **config.custom_fields,
        }
        message = {
            "message_type": self._kind(sending),
            "entity_id": sha256(sending.group.key.encode()).hexdigest(),
            "state_message": cut(sending.text(config.state_message), _MESSAGE_CHARACTERS),
            **sending.texts(named),
        }
        return [Request.json(url, message)]

    def _kind(self, sending: Sending) -> str:
        if not sending.group.firing:
            return "RECOVERY"
        kind = sending.text(self._config.message_type)
        return kind if kind in _FIRING else "CRITICAL"
