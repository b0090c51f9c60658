"""One try to send a group: its texts, its secrets, and what the others must not see of them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry

from veriscope.alert.group import AlertGroup
from veriscope.alert.notify.http.config import HttpConfig
from veriscope.alert.notify.metrics import metrics_of
from veriscope.alert.notify.template import data_of
from veriscope.signals import Clock, Secret, VeriscopeError
from veriscope.signals.log import get_log
from veriscope.templates import TemplateError

if TYPE_CHECKING:
    from veriscope.templates.alertmanager import NotificationTemplates

_log = get_log(__name__)
# Shorter ones would take every letter of an error's text for a secret.
_SHORTEST_HIDDEN: Final = 4
# Of a URL: `v1` and `hooks` are no secrets, and words of many a message.
_SHORTEST_PART: Final = 8
_PARTS: Final = re.compile(r"[/?&=]")
_HIDDEN: Final = "<secret>"


class SecretUnreadableError(VeriscopeError):
    """The file of a secret cannot be read; it may be there at the next try."""


class Secrets:
    """Reads secrets where they are needed, and hides them from what is said afterwards."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def read(self, value: Secret | None, file: str | None, key: str) -> str:
        """
        Return the secret *key*: what *file* holds, without white space at its ends, or *value*.

        Empty where neither is given. Raises `SecretUnreadableError`.
        """
        text = "" if value is None else value.reveal()
        if file is not None:
            try:
                text = Path(file).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                cause = getattr(error, "strerror", None) or type(error).__name__
                raise SecretUnreadableError(f"cannot read {key}: {cause}") from error
        return self.keep(text)

    def keep(self, text: str) -> str:
        """Return *text*, which is secret from now on; of a URL also its parts but for the host."""
        rest = text.partition("://")[2]
        parts, user = _PARTS.split(rest.partition("/")[2]), rest.rpartition("@")[0]
        self._seen.update(part for part in [*parts, user] if len(part) >= _SHORTEST_PART)
        if len(text) >= _SHORTEST_HIDDEN:
            self._seen.add(text)
        return text

    def hide(self, text: str) -> str:
        """Return *text* without the secrets that were read."""
        for secret in sorted(self._seen, key=len, reverse=True):
            text = text.replace(secret, _HIDDEN)
        return text


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every notifier is given."""

    http: HttpConfig
    clock: Clock
    templates: "NotificationTemplates"
    registry: CollectorRegistry


class Sending:
    """The texts of one notification. A template that fails leaves its error in its place."""

    def __init__(self, integration: str, group: AlertGroup, around: Surroundings) -> None:
        self.group = group
        self.secrets = Secrets()
        self._integration = integration
        self._templates = around.templates
        self._failures = metrics_of(around.registry).template_errors
        self._data = data_of(group)

    def text(self, template: str) -> str:
        """Return what *template* makes of the group."""
        if "{{" not in template:
            return template
        try:
            return self._templates.text(template, self._data)
        except TemplateError as error:
            return self._failed(error)

    def html(self, template: str) -> str:
        """Return what *template* makes of the group, values escaped for HTML."""
        if "{{" not in template:
            return template
        try:
            return self._templates.html(template, self._data)
        except TemplateError as error:
            return self._failed(error).replace("&", "&amp;").replace("<", "&lt;")

    def texts(self, templates: Mapping[str, str]) -> dict[str, str]:
        """Return what each of *templates* makes of the group."""
        return {name: self.text(template) for name, template in templates.items()}

    def _failed(self, error: TemplateError) -> str:
        self._failures.labels(self._integration).inc()
        _log.warning("template_failed", integration=self._integration, reason=str(error))
        return f"template error: {error}"


def cut(text: str, characters: int) -> str:
    """Return *text* with at most so many *characters*; what is cut off is told by an ellipsis."""
    return text if len(text) <= characters else text[: characters - 1] + "…"


def cut_bytes(text: str, size: int) -> str:
    """Return *text* in at most *size* bytes of UTF-8; what is cut off is told by an ellipsis."""
    raw = text.encode()
    if len(raw) <= size:
        return text
    return raw[: size - len("…".encode())].decode(errors="ignore") + "…"
