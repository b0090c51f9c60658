"""PagerDuty: events of the Events API v2, one incident for each group."""

from hashlib import sha256
from typing import Any, Final

import msgspec

from veriscope.alert.group import AlertGroup, rfc3339
from veriscope.alert.notify.http import HttpConfig, HttpSender, require_http_url, secret_of
from veriscope.alert.notify.outcome import Outcome, Reason
from veriscope.alert.notify.template import Template, body_text, subject
from veriscope.signals import Secret

_SUMMARY_CHARACTERS: Final = 1024
_SEVERITIES: Final = frozenset({"critical", "error", "warning", "info"})


class PagerDutyConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry of `pagerduty_configs`."""

    send_resolved: bool = True
    """Whether to resolve the incident when the alerts end."""
    routing_key: Secret | None = None
    """The integration key of the Events API v2."""
    routing_key_file: str | None = None
    """File that holds the integration key, read for each notification."""
    url: str = ""
    """Where events go; `global.pagerduty_url` where it is not given."""
    http_config: HttpConfig | None = None
    """Authorization, TLS, proxy; that of `global` where it is not given."""
    client: str = "Veriscope"
    """Name of the sender, a template."""
    client_url: str = "{{ .ExternalURL }}"
    """Address of the sender, a template."""
    description: str = ""
    """Summary of the incident, a template; `[FIRING:1] NAME (labels)` where it is not given."""
    severity: str = ""
    """`critical`, `error`, `warning` or `info`, a template; the label `severity`, else `error`."""
    class_: str = msgspec.field(default="", name="class")
    """Kind of the incident, a template."""
    component: str = ""
    """Part that is affected, a template."""
    group: str = ""
    """Logical grouping, a template."""
    source: str = ""
    """What is affected, a template; the label `service` or the sender where it is not given."""
    details: dict[str, str] = msgspec.field(default_factory=dict)
    """Further details, each a template."""

    def __post_init__(self) -> None:
        if (self.routing_key is None) is (self.routing_key_file is None):
            raise ValueError("give routing_key or routing_key_file")


class PagerDutyNotifier:
    """Triggers and resolves one incident for each group."""

    integration = "pagerduty"

    def __init__(self, config: PagerDutyConfig, http: HttpConfig) -> None:
        require_http_url(config.url, "pagerduty_configs.url")
        self.send_resolved = config.send_resolved
        self._config = config
        self._http = HttpSender(config.http_config or http)
        self._details = {name: Template(text) for name, text in config.details.items()}
        self._templates = {
            name: Template(getattr(config, name))
            for name in (
                "client",
                "client_url",
                "description",
                "severity",
                "class_",
                "component",
                "group",
                "source",
            )
        }

    def notify(self, group: AlertGroup) -> Outcome:
        """Send *group* once."""
        try:
            key = secret_of(self._config.routing_key, self._config.routing_key_file) or ""
        except (OSError, UnicodeDecodeError) as error:
            return Outcome.retry(Reason.OTHER, f"cannot read routing_key_file: {error}")
        return self._http.post(self._config.url, {"routing_key": key, **self.event(group)})

    def event(self, group: AlertGroup) -> dict[str, Any]:
        """Return the event for *group*, without the routing key."""
        event: dict[str, Any] = {
            "event_action": "trigger" if group.firing else "resolve",
            "dedup_key": sha256(group.key.encode()).hexdigest(),
        }
        filled = {name: template.fill(group) for name, template in self._templates.items()}
        event |= {key: filled[key] for key in ("client", "client_url") if filled[key]}
        labels = dict(group.common_labels)
        severity = filled["severity"] or labels.get("severity", "")
        payload = {
            "summary": (filled["description"] or subject(group))[:_SUMMARY_CHARACTERS],
            "source": filled["source"] or labels.get("service", "") or filled["client"],
            "severity": severity if severity in _SEVERITIES else "error",
            "timestamp": rfc3339(min(alert.starts_at_ms for alert in group.alerts)),
            "class": filled["class_"],
            "component": filled["component"],
            "group": filled["group"],
            "custom_details": {
                "alerts": body_text(group),
                **{name: template.fill(group) for name, template in self._details.items()},
            },
        }
        return {**event, "payload": {key: value for key, value in payload.items() if value}}
