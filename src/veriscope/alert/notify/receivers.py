"""Receivers as Alertmanager's configuration file spells them, read strictly."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import yaml
from prometheus_client import REGISTRY, CollectorRegistry

from veriscope.alert.notify.alertmanager import AlertmanagerConfig, AlertmanagerNotifier
from veriscope.alert.notify.delivery import Delivery, DeliveryOptions, Receiver
from veriscope.alert.notify.http import HttpConfig
from veriscope.alert.notify.mail import EmailConfig, EmailNotifier, complete
from veriscope.alert.notify.outcome import Notifier
from veriscope.alert.notify.pagerduty import PagerDutyConfig, PagerDutyNotifier
from veriscope.alert.notify.slack import SlackConfig, SlackNotifier
from veriscope.alert.notify.webhook import WebhookConfig, WebhookNotifier
from veriscope.signals import Clock, Duration, InvalidInputError, Secret, SystemClock, decode_unit
from veriscope.signals.log import get_log

_log = get_log(__name__)
_PAGERDUTY: Final = "https://events.pagerduty.com/v2/enqueue"
# Sections of Alertmanager's file that say who gets what; here every receiver gets everything.
_ROUTING: Final = frozenset(
    {"route", "inhibit_rules", "time_intervals", "mute_time_intervals", "templates"}
)


class GlobalConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Alertmanager's `global`: what receivers leave open."""

    resolve_timeout: Duration = Duration.parse("5m")
    """Read for compatibility: the library tells itself when an alert ends."""
    http_config: HttpConfig = HttpConfig()
    """Authorization, TLS and proxy of every HTTP notifier."""
    smtp_from: str = ""
    """The sender's address."""
    smtp_smarthost: str = ""
    """`host:port` of the mail server."""
    smtp_hello: str = ""
    """Name of this machine in SMTP's greeting."""
    smtp_auth_username: str = ""
    """Login."""
    smtp_auth_password: Secret | None = None
    """Its password."""
    smtp_auth_password_file: str | None = None
    """File that holds the password."""
    smtp_require_tls: bool = True
    """Whether to send nothing unless the connection is encrypted."""
    slack_api_url: Secret | None = None
    """Slack's incoming webhook."""
    slack_api_url_file: str | None = None
    """File that holds Slack's incoming webhook."""
    pagerduty_url: str = _PAGERDUTY
    """Where PagerDuty takes events."""


class ReceiverConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry of `receivers`."""

    name: str
    """What it is called."""
    webhook_configs: tuple[WebhookConfig, ...] = ()
    """Alertmanager's JSON by HTTP POST."""
    email_configs: tuple[EmailConfig, ...] = ()
    """Email over SMTP."""
    slack_configs: tuple[SlackConfig, ...] = ()
    """Slack, by incoming webhook."""
    pagerduty_configs: tuple[PagerDutyConfig, ...] = ()
    """PagerDuty, Events API v2."""
    alertmanager_configs: tuple[AlertmanagerConfig, ...] = ()
    """A real Alertmanager; a key of Veriscope's own."""


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    receivers: tuple[ReceiverConfig, ...]
    global_: GlobalConfig = msgspec.field(default_factory=GlobalConfig, name="global")


def load_receivers(
    source: str | Path | Sequence[Mapping[str, Any]] | Mapping[str, Any],
    *,
    clock: Clock | None = None,
    registry: CollectorRegistry = REGISTRY,
    options: DeliveryOptions | None = None,
) -> dict[str, Receiver]:
    """
    Return the receivers of *source*, by name.

    *source* is the path of a YAML file with Alertmanager's sections `receivers` and `global`,
    the same as a mapping, or the list of receivers alone. Relative file names in a file are
    taken from its directory. Nothing is sent and no thread starts before the first
    notification. Raises `InvalidInputError`, which names the key, for anything that is not
    understood.
    """
    file, name, directory = _read(source)
    names = [receiver.name for receiver in file.receivers]
    for each in names:
        if names.count(each) > 1:
            raise InvalidInputError(f"{name}: receiver `{each}` is given twice; rename one")
    defaults = _absolute(file.global_, directory)
    clock = clock or SystemClock()
    options = options or DeliveryOptions()

    def delivery(receiver: str, notifier: Notifier) -> Delivery:
        return Delivery(receiver, notifier, clock=clock, registry=registry, options=options)

    return {
        receiver.name: Receiver(
            receiver.name,
            [
                delivery(receiver.name, notifier)
                for notifier in _notifiers(receiver, defaults, clock, name)
            ],
        )
        for receiver in (_absolute(each, directory) for each in file.receivers)
    }


def _read(
    source: str | Path | Sequence[Mapping[str, Any]] | Mapping[str, Any],
) -> tuple[_File, str, Path]:
    """Return what *source* says, what errors call it, and the directory of its file names."""
    if isinstance(source, str | Path):
        path, name = Path(source), str(source)
        try:
            data = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidInputError(f"cannot read {name}: {error}") from error
        except yaml.YAMLError as error:
            raise InvalidInputError(f"{name}: not YAML: {error}") from error
        return _convert(data, name), name, path.parent
    data = source if isinstance(source, Mapping) else {"receivers": list(source)}
    return _convert(data, "receivers"), "receivers", Path()


def _convert(data: object, name: str) -> _File:
    if isinstance(data, Mapping):
        if ignored := sorted(_ROUTING.intersection(data)):
            _log.warning("routing_is_ignored", source=name, sections=ignored)
        data = {key: value for key, value in data.items() if key not in _ROUTING}
    try:
        return msgspec.convert(data, _File, dec_hook=decode_unit)
    except msgspec.ValidationError as error:
        raise InvalidInputError(f"{name}: {error}") from error


def _notifiers(
    config: ReceiverConfig, defaults: GlobalConfig, clock: Clock, name: str
) -> Iterator[Notifier]:
    http = defaults.http_config
    try:
        for webhook in config.webhook_configs:
            yield WebhookNotifier(webhook, http)
        for email in config.email_configs:
            yield EmailNotifier(complete(email, _smtp(defaults)), clock)
        for slack in config.slack_configs:
            yield SlackNotifier(_with_slack_url(slack, defaults), http)
        for pagerduty in config.pagerduty_configs:
            url = pagerduty.url or defaults.pagerduty_url
            yield PagerDutyNotifier(msgspec.structs.replace(pagerduty, url=url), http)
        for alertmanager in config.alertmanager_configs:
            yield AlertmanagerNotifier(alertmanager, http, clock)
    except (ValueError, InvalidInputError) as error:
        raise InvalidInputError(f"{name}: receiver `{config.name}`: {error}") from error


def _smtp(defaults: GlobalConfig) -> dict[str, object]:
    return {
        "from_": defaults.smtp_from,
        "smarthost": defaults.smtp_smarthost,
        "hello": defaults.smtp_hello,
        "auth_username": defaults.smtp_auth_username,
        "auth_password": defaults.smtp_auth_password,
        "auth_password_file": defaults.smtp_auth_password_file,
        "require_tls": defaults.smtp_require_tls,
    }


def _with_slack_url(config: SlackConfig, defaults: GlobalConfig) -> SlackConfig:
    if config.api_url is not None or config.api_url_file is not None:
        return config
    if defaults.slack_api_url is None and defaults.slack_api_url_file is None:
        raise ValueError("api_url is missing, here and as global.slack_api_url")
    return msgspec.structs.replace(
        config, api_url=defaults.slack_api_url, api_url_file=defaults.slack_api_url_file
    )


def _absolute(config: Any, directory: Path) -> Any:
    """Return *config* with the file names in it, at any depth, taken from *directory*."""
    if isinstance(config, tuple):
        return tuple(_absolute(each, directory) for each in config)
    if not isinstance(config, msgspec.Struct):
        return config
    changed = {}
    for name in config.__struct_fields__:
        value = getattr(config, name)
        if name.endswith("_file") and value is not None:
            changed[name] = str(directory / value)
        else:
            changed[name] = _absolute(value, directory)
    return msgspec.structs.replace(config, **changed)
