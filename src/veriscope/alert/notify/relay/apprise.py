"""All other services, by URLs of the apprise library; a key of Veriscope's own."""

from typing import TYPE_CHECKING, Final

import msgspec

from veriscope.alert.group import AlertGroup
from veriscope.alert.notify.evidence import evidence_text
from veriscope.alert.notify.outcome import Outcome, Reason
from veriscope.alert.notify.sending import SecretUnreadableError, Sending, Surroundings
from veriscope.signals import InvalidInputError, Secret

if TYPE_CHECKING:
    from apprise import Apprise

# Plugins that show, write or run something on this machine instead of telling somebody elsewhere.
_LOCAL: Final = frozenset(
    {
        *("blink1", "dbus", "deltachat", "deltachats", "gio", "glib", "gnome", "kde"),
        *("macosx", "qt", "syslog", "windows"),
    }
)
_FORMATS: Final = ("text", "html", "markdown")


class AppriseConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry of `apprise_configs`."""

    send_resolved: bool = True
    """Whether to send the end of alerts too."""
    url: Secret | None = None
    """Where to send, such as `ntfy://topic`; this, `urls` or `url_file` is needed."""
    urls: tuple[Secret, ...] = ()
    """Several of them, each a receiver of its own."""
    url_file: str | None = None
    """File that holds a URL, read for each notification."""
    title: str = '{{ template "pushover.default.title" . }}'
    """Title, a template."""
    body: str = '{{ template "pushover.default.message" . }}'
    """Text, a template."""
    body_format: str = "text"
    """How the text is written: `text`, `html` or `markdown`."""

    def __post_init__(self) -> None:
        if sum(map(bool, (self.url, self.urls, self.url_file))) != 1:
            raise ValueError("give one of url, urls and url_file")
        if self.body_format not in _FORMATS:
            raise ValueError(f"body_format must be one of {', '.join(_FORMATS)}")

    def each(self) -> list["AppriseConfig"]:
        """Return a configuration for each URL: what one service refuses, the others keep."""
        return [msgspec.structs.replace(self, url=url, urls=()) for url in self.urls] or [self]


class AppriseNotifier:
    """Sends a group to the service of one URL."""

    integration = "apprise"

    def __init__(self, config: AppriseConfig, around: Surroundings) -> None:
        self.send_resolved = config.send_resolved
        self._config = config
        self._around = around
        if config.url is not None:
            _service(config.url.reveal())

    def notify(self, group: AlertGroup) -> Outcome:
        """Send *group* once; apprise does not tell what may pass later, so all is tried again."""
        sending = Sending(self.integration, group, self._around)
        config = self._config
        try:
            service = _service(sending.secrets.read(config.url, config.url_file, "url_file"))
        except SecretUnreadableError as error:
            return Outcome.retry(Reason.OTHER, str(error))
        except InvalidInputError as error:
            return Outcome.failed(Reason.CLIENT_ERROR, str(error))
        body = (sending.html if config.body_format == "html" else sending.text)(config.body)
        if group.evidence is not None and config.body_format == "text":
            body = f"{body}\n\n{evidence_text(group.evidence)}"
        sent = service.notify(
            title=sending.text(config.title),
            body=body.strip() or "(no details)",
            body_format=config.body_format,
            notify_type="failure" if group.firing else "success",
        )
        if sent:
            return Outcome.delivered()
        return Outcome.retry(Reason.OTHER, "not taken; the log of `apprise` says more")


def _service(url: str) -> "Apprise":
    """Return the service of *url*; raises `InvalidInputError`, which does not show it."""
    # Some 250 plugins: whoever has no such receiver need not read them.
    from apprise import Apprise, AppriseAsset, PersistentStoreMode  # noqa: PLC0415

    scheme = url.partition("://")[0].strip().lower()
    if scheme in _LOCAL:
        raise InvalidInputError(
            f"apprise_configs: {scheme}:// acts on the server's own machine and is refused; "
            "use a service elsewhere"
        )
    asset = AppriseAsset(
        app_id="Veriscope",
        app_desc="Veriscope",
        async_mode=False,
        secure_logging=True,
        storage_mode=PersistentStoreMode.MEMORY,
    )
    service = Apprise(asset=asset)
    if not service.add(url) or len(service) != 1:
        raise InvalidInputError(
            "apprise_configs: url is not one that apprise knows; "
            "its form is SCHEME://..., see apprise's list of services"
        )
    return service
