"""PagerDuty: one incident for each group, by the Events API v2 or, with a service key, v1."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Any, Final

import msgspec

from veriscope.alert.group import AlertGroup
from veriscope.alert.notify.evidence import evidence_links, evidence_text
from veriscope.alert.notify.http import HttpConfig, require_http_url
from veriscope.alert.notify.http.notifier import HttpNotifier
from veriscope.alert.notify.http.sender import Answer, Request, outcome_of
from veriscope.alert.notify.outcome import Outcome
from veriscope.alert.notify.sending import Secrets, Sending, Surroundings, cut
from veriscope.signals import Secret

V1_URL: Final = "https://events.pagerduty.com/generic/2010-04-15/create_event.json"
_SUMMARY_CHARACTERS: Final = 1024
_LARGEST_EVENT_BYTES: Final = 512_000
_SEVERITIES: Final = frozenset({"critical", "error", "warning", "info"})
_TOO_MANY_V1: Final = frozenset({403})
_DETAILS: Final = {
    "firing": '{{ template "pagerduty.default.instances" .Alerts.Firing }}',
    "resolved": '{{ template "pagerduty.default.instances" .Alerts.Resolved }}',
    "num_firing": "{{ .Alerts.Firing | len }}",
    "num_resolved": "{{ .Alerts.Resolved | len }}",
}


class PagerDutyImage(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A picture of the incident."""

    src: str = ""
    """Where it is, a template; without it there is no picture."""
    alt: str = ""
    """Text in its stead, a template."""
    href: str = ""
    """Where it leads, a template."""


class PagerDutyLink(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A link of the incident."""

    href: str = ""
    """Where it leads, a template; without it there is no link."""
    text: str = ""
    """What stands on it, a template."""


class PagerDutyConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry of `pagerduty_configs`."""

    send_resolved: bool = True
    """Whether to resolve the incident when the alerts end."""
    http_config: HttpConfig | None = None
    """Authorization, TLS, proxy; that of `global` where it is not given."""
    routing_key: Secret | None = None
    """The integration key of the Events API v2."""
    routing_key_file: str | None = None
    """File that holds the integration key, read for each notification."""
    service_key: Secret | None = None
    """The integration key of the older API, v1."""
    service_key_file: str | None = None
    """File that holds the key of the older API, read for each notification."""
    url: str = ""
    """Where events of v2 go; `global.pagerduty_url` where it is not given."""
    client: str = '{{ template "pagerduty.default.client" . }}'
    """Name of the sender, a template."""
    client_url: str = '{{ template "pagerduty.default.clientURL" . }}'
    """Address of the sender, a template."""
    description: str = '{{ template "pagerduty.default.description" . }}'
    """Summary of the incident, a template; cut after 1,024 characters."""
    severity: str = "error"
    """`critical`, `error`, `warning` or `info`, a template; whatever else it gives is `error`."""
    source: str = ""
    """What is affected, a template; `client` where it is not given."""
    class_: str = msgspec.field(default="", name="class")
    """Kind of the incident, a template."""
    component: str = ""
    """Part that is affected, a template."""
    group: str = ""
    """Logical grouping, a template."""
    details: dict[str, str] = msgspec.field(default_factory=dict)
    """Further details, each a template; `firing`, `resolved` and their numbers are there."""
    images: tuple[PagerDutyImage, ...] = ()
    """Pictures."""
    links: tuple[PagerDutyLink, ...] = ()
    """Links."""

    def __post_init__(self) -> None:
        for key in ("routing_key", "service_key"):
            if getattr(self, key) is not None and getattr(self, f"{key}_file") is not None:
                raise ValueError(f"give {key} or {key}_file, not both")
        if not self.has_service_key and self.routing_key is self.routing_key_file:
            raise ValueError("give routing_key, routing_key_file, service_key or service_key_file")

    @property
    def has_service_key(self) -> bool:
        """Whether events go to the older API."""
        return self.service_key is not None or self.service_key_file is not None


class PagerDutyNotifier(HttpNotifier):
    """Triggers, acknowledges and resolves one incident for each group."""

    integration = "pagerduty"

    def __init__(self, config: PagerDutyConfig, around: Surroundings) -> None:
        super().__init__(config, around)
        require_http_url(config.url, "pagerduty_configs.url")
        self._config = config

    def requests(self, sending: Sending) -> Sequence[Request]:
        """Return the event that triggers or resolves the group's incident."""
        action = "trigger" if sending.group.firing else "resolve"
        if self._config.has_service_key:
            return [Request.json(V1_URL, self._event_v1(sending, action))]
        event = self._event(sending, action)
        if len(msgspec.json.encode(event)) > _LARGEST_EVENT_BYTES:
            removed = f"The details made the event larger than {_LARGEST_EVENT_BYTES:,} bytes."
            event["payload"]["custom_details"] = {"error": removed}
        return [Request.json(self._config.url, event)]

    def judge(self, answer: Answer, secrets: Secrets) -> Outcome:
        """Tell what the *answer* means: v1 answers 403 to too many events."""
        retried = _TOO_MANY_V1 if self._config.has_service_key else frozenset()
        return outcome_of(answer, secrets, retried)

    def acknowledge(self, group: AlertGroup) -> Outcome:
        """Say once that somebody is looking after the incident of *group*."""
        return self.deliver(Sending(self.integration, group, self._around), self._acknowledgement)

    def _acknowledgement(self, sending: Sending) -> Sequence[Request]:
        key = _key_of(sending.group)
        if self._config.has_service_key:
            event = {**self._service_key(sending), "event_type": "acknowledge", "incident_key": key}
            return [Request.json(V1_URL, event)]
        event = {**self._routing_key(sending), "event_action": "acknowledge", "dedup_key": key}
        return [Request.json(self._config.url, event)]

    def _event(self, sending: Sending, action: str) -> dict[str, Any]:
        names = ("client", "client_url", "description", "severity", "source", "class_")
        filled = sending.texts(
            {name: getattr(self._config, name) for name in (*names, "component", "group")}
        )
        severity = filled["severity"]
        needed = {
            "summary": cut(filled["description"], _SUMMARY_CHARACTERS),
            "source": filled["source"] or filled["client"],
            "severity": severity if severity in _SEVERITIES else "error",
        }
        optional = {
            "class": filled["class_"],
            "component": filled["component"],
            "group": filled["group"],
            "custom_details": self._details(sending),
        }
        return {
            **self._routing_key(sending),
            "event_action": action,
            "dedup_key": _key_of(sending.group),
            "payload": {**needed, **_given(optional)},
            **_given({"client": filled["client"], "client_url": filled["client_url"]}),
            **_given({"images": self._images(sending), "links": self._links(sending)}),
        }

    def _event_v1(self, sending: Sending, action: str) -> dict[str, Any]:
        config = self._config
        event: dict[str, Any] = {
            **self._service_key(sending),
            "event_type": action,
            "incident_key": _key_of(sending.group),
            "description": cut(sending.text(config.description), _SUMMARY_CHARACTERS),
            "details": self._details(sending),
        }
        if action == "trigger":
            event |= sending.texts({"client": config.client, "client_url": config.client_url})
        return event

    def _details(self, sending: Sending) -> dict[str, str]:
        details = sending.texts({**_DETAILS, **self._config.details})
        if (evidence := sending.group.evidence) is not None:
            details.setdefault("evidence", evidence_text(evidence))
        return details

    def _images(self, sending: Sending) -> list[dict[str, str]]:
        images = [
            sending.texts({"src": image.src, "alt": image.alt, "href": image.href})
            for image in self._config.images
        ]
        evidence = sending.group.evidence
        if evidence is not None and evidence.graph_url.startswith("https:"):  # it takes no other
            images.append({"src": evidence.graph_url, "alt": "The expression around the onset"})
        return [image for image in images if image["src"]]

    def _links(self, sending: Sending) -> list[dict[str, str]]:
        links = [
            sending.texts({"href": link.href, "text": link.text}) for link in self._config.links
        ]
        if (evidence := sending.group.evidence) is not None:
            links += [{"href": url, "text": text} for text, url in evidence_links(evidence)]
        return [link for link in links if link["href"]]

    def _routing_key(self, sending: Sending) -> dict[str, str]:
        config = self._config
        key = sending.secrets.read(config.routing_key, config.routing_key_file, "routing_key_file")
        return {"routing_key": key}

    def _service_key(self, sending: Sending) -> dict[str, str]:
        config = self._config
        key = sending.secrets.read(config.service_key, config.service_key_file, "service_key_file")
        return {"service_key": key}


def _key_of(group: AlertGroup) -> str:
    return sha256(group.key.encode()).hexdigest()


def _given(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value}
