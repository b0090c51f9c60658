"""Notifiers of receivers as Alertmanager's configuration file spells them, read strictly."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
from prometheus_client import REGISTRY, CollectorRegistry

from veriscope.alert.notify.chat.discord import DiscordNotifier
from veriscope.alert.notify.chat.msteams import MsTeamsNotifier, MsTeamsV2Notifier
from veriscope.alert.notify.chat.rocketchat import RocketchatNotifier
from veriscope.alert.notify.chat.slack import SlackConfig, SlackNotifier
from veriscope.alert.notify.chat.telegram import TelegramNotifier
from veriscope.alert.notify.chat.webex import WebexNotifier
from veriscope.alert.notify.chat.wechat import WeChatNotifier
from veriscope.alert.notify.config import GlobalConfig, RateLimit, ReceiverConfig
from veriscope.alert.notify.delivery import Delivery, DeliveryOptions, Receiver
from veriscope.alert.notify.mail.message import EmailConfig, EmailNotifier
from veriscope.alert.notify.outcome import Notifier
from veriscope.alert.notify.paging.opsgenie import OpsgenieNotifier
from veriscope.alert.notify.paging.pagerduty import PagerDutyNotifier
from veriscope.alert.notify.paging.pushover import PushoverNotifier
from veriscope.alert.notify.paging.victorops import VictorOpsNotifier
from veriscope.alert.notify.relay.alertmanager import AlertmanagerNotifier
from veriscope.alert.notify.relay.apprise import AppriseNotifier
from veriscope.alert.notify.relay.sns import SnsNotifier
from veriscope.alert.notify.relay.webhook import WebhookNotifier
from veriscope.alert.notify.sending import Surroundings
from veriscope.signals import Clock, InvalidInputError, SystemClock, decode_unit
from veriscope.signals.log import get_log
from veriscope.signals.yaml_documents import decode_yaml
from veriscope.templates import TemplateError
from veriscope.templates.alertmanager import NotificationTemplates

__all__ = [
    "GlobalConfig",
    "RateLimit",
    "ReceiverConfig",
    "absolute_files",
    "build_notifiers",
    "load_receivers",
]

_log = get_log(__name__)
_T = TypeVar("_T")


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Alertmanager's file. Its other sections say who gets what: here everybody gets all."""

    receivers: tuple[ReceiverConfig, ...] = ()
    global_: GlobalConfig = msgspec.field(default_factory=GlobalConfig, name="global")
    route: Any = None
    inhibit_rules: Any = None
    time_intervals: Any = None
    mute_time_intervals: Any = None
    templates: Any = None


_ROUTING: Final = (
    "inhibit_rules",
    "mute_time_intervals",
    "route",
    "templates",
    "time_intervals",
)


def build_notifiers(
    config: ReceiverConfig,
    defaults: GlobalConfig,
    clock: Clock,
    templates: NotificationTemplates,
    registry: CollectorRegistry,
) -> list[Notifier]:
    """
    Return the notifiers of the receiver *config*, in the order of its keys.

    What it leaves open is taken from *defaults*; what its texts mean, from *templates*. Nothing
    is connected yet. Raises `InvalidInputError`, which names the receiver, for what cannot work.
    """
    around = Surroundings(defaults.http_config, clock, templates, registry)
    try:
        _check_templates(config, templates)
        return list(_notifiers(config, defaults, around))
    except (ValueError, InvalidInputError) as error:
        raise InvalidInputError(f"receiver `{config.name}`: {error}") from error


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
    if ignored := [key for key in _ROUTING if getattr(file, key) is not None]:
        _log.warning("routing_is_ignored", source=name, sections=ignored)
    defaults = absolute_files(file.global_, directory)
    clock = clock or SystemClock()
    options = options or DeliveryOptions()
    templates = NotificationTemplates((), "", clock)
    found = {}
    for config in absolute_files(file.receivers, directory):
        try:
            notifiers = build_notifiers(config, defaults, clock, templates, registry)
        except InvalidInputError as error:
            raise InvalidInputError(f"{name}: {error}") from error
        found[config.name] = Receiver(
            config.name,
            [
                Delivery(config.name, notifier, clock=clock, registry=registry, options=options)
                for notifier in notifiers
            ],
        )
    return found


def absolute_files(config: _T, directory: Path) -> _T:
    """Return *config* with the file names in it, at any depth, taken from *directory*."""
    found: Any = _absolute(config, directory)
    return found  # type: ignore[no-any-return]


def _absolute(config: Any, directory: Path) -> Any:
    if isinstance(config, tuple):
        return tuple(_absolute(each, directory) for each in config)
    if isinstance(config, dict):
        return {key: _absolute(each, directory) for key, each in config.items()}
    if not isinstance(config, msgspec.Struct):
        return config
    changed: dict[str, Any] = {}
    for name in config.__struct_fields__:
        value = getattr(config, name)
        if name.endswith("_file") and value is not None:
            changed[name] = str(directory / value)
        elif name == "files" and value:
            changed[name] = tuple(str(directory / each) for each in value)
        else:
            changed[name] = _absolute(value, directory)
    return msgspec.structs.replace(config, **changed)


def _read(
    source: str | Path | Sequence[Mapping[str, Any]] | Mapping[str, Any],
) -> tuple[_File, str, Path]:
    """Return what *source* says, what errors call it, and the directory of its file names."""
    if isinstance(source, str | Path):
        path, name = Path(source), str(source)
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidInputError(f"cannot read {name}: {error}") from error
        return decode_yaml(text, name, _File, as_text=True), name, path.parent
    data = source if isinstance(source, Mapping) else {"receivers": list(source)}
    try:
        return msgspec.convert(data, _File, dec_hook=decode_unit), "receivers", Path()
    except msgspec.ValidationError as error:
        raise InvalidInputError(f"receivers: {error}") from error


def _check_templates(config: Any, templates: NotificationTemplates) -> None:
    """Raise `InvalidInputError` where a text in *config*, at any depth, is no template."""
    if isinstance(config, str):
        if "{{" in config:
            try:
                templates.check(config, "template")
            except TemplateError as error:
                raise InvalidInputError(f"{error}, in {config!r}") from error
    elif isinstance(config, dict):
        for each in config.values():
            _check_templates(each, templates)
    elif isinstance(config, tuple):
        for each in config:
            _check_templates(each, templates)
    elif isinstance(config, msgspec.Struct):
        for name in config.__struct_fields__:
            _check_templates(getattr(config, name), templates)


def _notifiers(
    config: ReceiverConfig, defaults: GlobalConfig, around: Surroundings
) -> Iterator[Notifier]:
    for webhook in config.webhook_configs:
        yield WebhookNotifier(webhook, around)
    for email in config.email_configs:
        yield EmailNotifier(_with_smtp(email, defaults), around)
    for slack in config.slack_configs:
        yield SlackNotifier(_with_slack_url(slack, defaults), around)
    for pagerduty in config.pagerduty_configs:
        yield PagerDutyNotifier(_filled(pagerduty, url=defaults.pagerduty_url), around)
    yield from _pagers(config, defaults, around)
    yield from _chats(config, defaults, around)
    for sns in config.sns_configs:
        yield SnsNotifier(sns, around)
    for apprise in config.apprise_configs:
        for each in apprise.each():
            yield AppriseNotifier(each, around)
    for alertmanager in config.alertmanager_configs:
        yield AlertmanagerNotifier(alertmanager, around)


def _pagers(
    config: ReceiverConfig, defaults: GlobalConfig, around: Surroundings
) -> Iterator[Notifier]:
    for opsgenie in config.opsgenie_configs:
        filled = _filled(opsgenie, api_url=defaults.opsgenie_api_url)
        filled = _with_secret(
            filled, "api_key", defaults.opsgenie_api_key, defaults.opsgenie_api_key_file
        )
        yield OpsgenieNotifier(filled, around)
    for victorops in config.victorops_configs:
        filled_victorops = _filled(victorops, api_url=defaults.victorops_api_url)
        filled_victorops = _with_secret(
            filled_victorops,
            "api_key",
            defaults.victorops_api_key,
            defaults.victorops_api_key_file,
        )
        yield VictorOpsNotifier(filled_victorops, around)
    for pushover in config.pushover_configs:
        yield PushoverNotifier(pushover, around)


def _chats(
    config: ReceiverConfig, defaults: GlobalConfig, around: Surroundings
) -> Iterator[Notifier]:
    for msteams in config.msteams_configs:
        yield MsTeamsNotifier(msteams, around)
    for msteamsv2 in config.msteamsv2_configs:
        yield MsTeamsV2Notifier(msteamsv2, around)
    for discord in config.discord_configs:
        yield DiscordNotifier(discord, around)
    for telegram in config.telegram_configs:
        yield TelegramNotifier(_filled(telegram, api_url=defaults.telegram_api_url), around)
    for webex in config.webex_configs:
        yield WebexNotifier(_filled(webex, api_url=defaults.webex_api_url), around)
    for wechat in config.wechat_configs:
        filled = _filled(
            wechat,
            api_url=defaults.wechat_api_url,
            api_secret=defaults.wechat_api_secret,
            corp_id=defaults.wechat_api_corp_id,
        )
        if not filled.api_secret or not filled.corp_id:
            raise ValueError("wechat_configs: api_secret and corp_id are missing, here and global")
        yield WeChatNotifier(filled, around)
    for rocketchat in config.rocketchat_configs:
        filled_rocketchat = _filled(rocketchat, api_url=defaults.rocketchat_api_url)
        for key in ("token", "token_id"):
            filled_rocketchat = _with_secret(
                filled_rocketchat,
                key,
                getattr(defaults, f"rocketchat_{key}"),
                getattr(defaults, f"rocketchat_{key}_file"),
            )
        yield RocketchatNotifier(filled_rocketchat, around)


def _filled(config: _T, **defaults: Any) -> _T:
    """Return *config* with *defaults* where it gives nothing."""
    open_ = {name: value for name, value in defaults.items() if not getattr(config, name)}
    filled: Any = msgspec.structs.replace(config, **open_)  # type: ignore[type-var]
    return filled  # type: ignore[no-any-return]


def _with_secret(config: _T, key: str, value: Any, file: str | None) -> _T:
    """Return *config* with the secret *key*, of its own or the given; raises `ValueError`."""
    names = (key, f"{key}_file")
    if all(getattr(config, name) is None for name in names):
        if value is None and file is None:
            raise ValueError(f"{key} is missing, here and in global")
        config = _filled(config, **dict(zip(names, (value, file), strict=True)))
    return config


def _with_slack_url(config: SlackConfig, defaults: GlobalConfig) -> SlackConfig:
    if config.is_app:
        return config
    try:
        return _with_secret(config, "api_url", defaults.slack_api_url, defaults.slack_api_url_file)
    except ValueError:
        raise ValueError("api_url is missing, here and as global.slack_api_url") from None


def _with_smtp(config: EmailConfig, defaults: GlobalConfig) -> EmailConfig:
    found = {
        name.removeprefix("smtp_"): getattr(defaults, name)
        for name in defaults.__struct_fields__
        if name.startswith("smtp_")
    }
    if config.auth_password is not None or config.auth_password_file is not None:
        found = {name: value for name, value in found.items() if "password" not in name}
    wanted = {{"from": "from_"}.get(name, name): value for name, value in found.items()}
    open_ = {name: value for name, value in wanted.items() if getattr(config, name) in ("", None)}
    filled = msgspec.structs.replace(config, **open_)
    for name, key in (("from_", "from"), ("smarthost", "smarthost")):
        if not getattr(filled, name):
            raise ValueError(f"{key} is missing, here and as global.smtp_{key}")
    return filled
