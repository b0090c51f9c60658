import ast
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import msgspec
import pytest
import yaml

from veriscope.alert.config import (
    AlertingConfig,
    InhibitRule,
    NamedIntervals,
    RouteConfig,
    TimeIntervalConfig,
)
from veriscope.alert.config.time_intervals import TimesConfig
from veriscope.alert.incidents import IncidentOptions
from veriscope.alert.notify import (
    DeliveryOptions,
    ReceiverConfig,
)
from veriscope.alert.notify import (
    GlobalConfig as AlertGlobalConfig,
)
from veriscope.alert.notify import config as alert_config
from veriscope.alert.notify import http as alert_http
from veriscope.alert.notify.chat import rocketchat, slack
from veriscope.alert.notify.forwarding import StaticAlertmanagers
from veriscope.alert.notify.paging import opsgenie, pagerduty
from veriscope.alert.notify.relay.sns import SigV4Config
from veriscope.app import Config, parse_config
from veriscope.app.config import (
    AlertOptions,
    CollectOptions,
    ForwardingConfig,
    LogOptions,
    OutsideAlertmanagers,
    ServerOptions,
    StoreConfig,
    TlsOptions,
)
from veriscope.app.heartbeat import HeartbeatOptions
from veriscope.collect import AgentOptions, GlobalConfig, GpuOptions, HostOptions, ScrapeConfig
from veriscope.collect.scrape import (
    Authorization,
    BasicAuth,
    FileSdConfig,
    HttpClientConfig,
    HttpHeader,
    HttpSdConfig,
    RelabelConfig,
    TargetGroup,
    TlsConfig,
)
from veriscope.facade.framework import FrameworkOptions
from veriscope.ingest import IngestOptions
from veriscope.instrument.delivery import ExportOptions
from veriscope.instrument.logs import LoggingOptions
from veriscope.instrument.tracing import TracingOptions
from veriscope.query import QueryOptions
from veriscope.rules import RuleOptions, parse_rule_groups
from veriscope.signals import decode_unit
from veriscope.store import RetentionOptions
from veriscope.wire.otlp.metrics import OtlpOptions

PAGE = "docs/configuration.md"
FRAMEWORK = "docs/framework.md"
RECEIVERS = "docs/receivers.md"
ALERTMANAGER = "docs/alertmanager.md"
SECTIONS: dict[type, tuple[str, str]] = {
    Config: (PAGE, "Sections"),
    ServerOptions: (PAGE, "`server`"),
    TlsOptions: (PAGE, "`server.tls`"),
    CollectOptions: (PAGE, "`collect`"),
    HostOptions: ("docs/host-metrics.md", "Options (`HostOptions`)"),
    GpuOptions: ("docs/host-metrics.md", "Options (`GpuOptions`)"),
    StoreConfig: (PAGE, "`store`"),
    RetentionOptions: (PAGE, "`store.retention`"),
    IngestOptions: (PAGE, "`ingest`"),
    OtlpOptions: ("docs/otlp.md", "`otlp`"),
    QueryOptions: (PAGE, "`query`"),
    AgentOptions: ("docs/agent.md", "`agent`"),
    RuleOptions: (PAGE, "`rules`"),
    AlertOptions: (PAGE, "`alert`"),
    IncidentOptions: (PAGE, "`alert.incidents`"),
    ForwardingConfig: (PAGE, "`alerting`"),
    HeartbeatOptions: (PAGE, "`heartbeat`"),
    AlertingConfig: (ALERTMANAGER, "Sections"),
    RouteConfig: (ALERTMANAGER, "`route`"),
    InhibitRule: (ALERTMANAGER, "`inhibit_rules`"),
    NamedIntervals: (ALERTMANAGER, "`time_intervals`"),
    TimeIntervalConfig: (ALERTMANAGER, "`time_interval`"),
    TimesConfig: (ALERTMANAGER, "`times`"),
    LogOptions: (PAGE, "`log`"),
    GlobalConfig: (PAGE, "`global`"),
    ScrapeConfig: (PAGE, "`scrape_configs`"),
    HttpClientConfig: (PAGE, "HTTP client"),
    BasicAuth: (PAGE, "`basic_auth`"),
    Authorization: (PAGE, "`authorization`"),
    TlsConfig: (PAGE, "`tls_config`"),
    HttpHeader: (PAGE, "`http_headers`"),
    TargetGroup: (PAGE, "`static_configs`"),
    FileSdConfig: (PAGE, "`file_sd_configs`"),
    HttpSdConfig: (PAGE, "`http_sd_configs`"),
    RelabelConfig: (PAGE, "`relabel_configs`"),
    ExportOptions: ("docs/library.md", "Options (`ExportOptions`)"),
    TracingOptions: ("docs/tracing.md", "`TracingOptions`"),
    LoggingOptions: ("docs/logging.md", "Options (`LoggingOptions`)"),
    FrameworkOptions: (FRAMEWORK, "`FrameworkOptions`"),
    DeliveryOptions: (FRAMEWORK, "`DeliveryOptions`"),
    AlertGlobalConfig: (RECEIVERS, "`global`"),
    ReceiverConfig: (RECEIVERS, "`receivers`"),
    alert_config.RateLimit: (RECEIVERS, "`rate_limit`"),
    alert_config.WebhookConfig: (RECEIVERS, "`webhook_configs`"),
    alert_config.EmailConfig: (RECEIVERS, "`email_configs`"),
    alert_config.SlackConfig: (RECEIVERS, "`slack_configs`"),
    alert_config.PagerDutyConfig: (RECEIVERS, "`pagerduty_configs`"),
    alert_config.OpsgenieConfig: (RECEIVERS, "`opsgenie_configs`"),
    alert_config.VictorOpsConfig: (RECEIVERS, "`victorops_configs`"),
    alert_config.PushoverConfig: (RECEIVERS, "`pushover_configs`"),
    alert_config.MsTeamsConfig: (RECEIVERS, "`msteams_configs`"),
    alert_config.MsTeamsV2Config: (RECEIVERS, "`msteamsv2_configs`"),
    alert_config.DiscordConfig: (RECEIVERS, "`discord_configs`"),
    alert_config.TelegramConfig: (RECEIVERS, "`telegram_configs`"),
    alert_config.WebexConfig: (RECEIVERS, "`webex_configs`"),
    alert_config.WeChatConfig: (RECEIVERS, "`wechat_configs`"),
    alert_config.RocketchatConfig: (RECEIVERS, "`rocketchat_configs`"),
    alert_config.SnsConfig: (RECEIVERS, "`sns_configs`"),
    alert_config.AppriseConfig: (RECEIVERS, "`apprise_configs`"),
    alert_config.AlertmanagerConfig: (RECEIVERS, "`alertmanager_configs`"),
    slack.SlackField: (RECEIVERS, "`fields` (Slack)"),
    slack.SlackAction: (RECEIVERS, "`actions` (Slack)"),
    slack.SlackConfirmation: (RECEIVERS, "`confirm` (Slack)"),
    pagerduty.PagerDutyImage: (RECEIVERS, "`images` (PagerDuty)"),
    pagerduty.PagerDutyLink: (RECEIVERS, "`links` (PagerDuty)"),
    opsgenie.OpsgenieResponder: (RECEIVERS, "`responders` (Opsgenie)"),
    rocketchat.RocketchatField: (RECEIVERS, "`fields` (Rocket.Chat)"),
    rocketchat.RocketchatAction: (RECEIVERS, "`actions` (Rocket.Chat)"),
    SigV4Config: (RECEIVERS, "`sigv4`"),
    alert_http.HttpConfig: (RECEIVERS, "`http_config`"),
    alert_http.BasicAuth: (RECEIVERS, "`basic_auth`"),
    alert_http.Authorization: (RECEIVERS, "`authorization`"),
    alert_http.OAuth2: (RECEIVERS, "`oauth2`"),
    alert_http.TlsConfig: (RECEIVERS, "`tls_config`"),
    alert_http.HttpHeader: (RECEIVERS, "`http_headers`"),
    OutsideAlertmanagers: (RECEIVERS, "`alertmanagers`"),
    StaticAlertmanagers: (RECEIVERS, "`static_configs` (Alertmanagers)"),
}
OTHER_FILES = ("# prometheus.yml\n", "# rules.yml\n", "# rules.test.yml\n", "# slos.yml\n")
ROW = re.compile(r"^\| `(\w+)` \| (.+?) \| (.+) \|$", re.MULTILINE)


def structs_in(kind: Any, found: set[type] | None = None) -> set[type]:
    """Return the option types that *kind* leads to, itself included; routes hold routes."""
    found = set() if found is None else found
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind not in found:
        found.add(kind)
        for field in msgspec.structs.fields(kind):
            structs_in(field.type, found)
    for part in getattr(kind, "__args__", ()):
        structs_in(part, found)
    return found


def own_fields(kind: type) -> list[msgspec.structs.FieldInfo]:
    """Return the fields of *kind* that its section shows; those of HTTP clients have their own."""
    shared: set[str] = set()
    if kind is not HttpClientConfig and issubclass(kind, HttpClientConfig):
        shared = {field.name for field in msgspec.structs.fields(HttpClientConfig)}
    if kind is Config:
        shared = {"routing"}  # no key: Alertmanager's sections stand there themselves
    return [field for field in msgspec.structs.fields(kind) if field.name not in shared]


def spellings(text: str) -> Iterator[object]:
    """Return what *text* may stand for: a word, or a literal of YAML or Python."""
    if not text.startswith("["):
        yield text
    if text[0].isalnum() or text.startswith("["):
        yield yaml.safe_load(text)
    with suppress(ValueError, SyntaxError):
        yield ast.literal_eval(text)


def shows_default(cell: str, field: msgspec.structs.FieldInfo) -> bool:
    """Tell whether *cell* of the column *default* stands for the field's default."""
    if field.required:
        return cell == "needed"
    default = field.default_factory() if field.default is msgspec.NODEFAULT else field.default
    if cell in {"none", "empty"}:
        return not default or default == type(default)()
    for value in spellings(cell.strip("`").replace("\\|", "|")):
        if value == default:
            return True
        with suppress(msgspec.ValidationError):
            if msgspec.convert(value, field.type, dec_hook=decode_unit) == default:
                return True
    return False


def test_every_kind_of_option_has_a_section() -> None:
    """Whatever can stand in a configuration file is explained somewhere."""
    kinds = structs_in(Config) | structs_in(AlertGlobalConfig) | structs_in(ReceiverConfig)
    assert kinds <= set(SECTIONS)


@pytest.mark.parametrize("kind", SECTIONS, ids=lambda kind: kind.__name__)
def test_options_are_documented_with_their_defaults(documents: dict[str, Any], kind: type) -> None:
    """A section has a row for each option, no other row, and the defaults are those of the code."""
    page, title = SECTIONS[kind]
    rows = {
        name: (default, meaning)
        for name, default, meaning in ROW.findall(
            documents[page].section(title).replace("\\|", "\0")
        )
    }
    fields = own_fields(kind)
    assert set(rows) == {field.encode_name for field in fields}
    for field in fields:
        cell, meaning = rows[field.encode_name]
        assert len(meaning) > len("...")
        if cell == "see below":
            assert all(f"`{word}`" in documents[page].text for word in field.default)
        else:
            assert shows_default(cell.replace("\0", "|"), field), field.name


def test_examples_of_configuration_are_read(documents: dict[str, Any]) -> None:
    """Each YAML example is a configuration, unless it says that it is another file."""
    examples = [
        (name, block)
        for name, document in documents.items()
        for block in document.blocks("yaml")
        if not block.startswith(OTHER_FILES)
    ]
    assert examples
    for name, block in examples:
        parse_config(block, name)


def test_the_long_example_shows_defaults(documents: dict[str, Any]) -> None:
    """What the example of the configuration page sets is the default, but for its scrape jobs."""
    text = documents[PAGE].blocks("yaml")[0]
    config = parse_config(text[: text.index("global:")], PAGE)
    assert config == Config()


def test_examples_of_rule_files_are_read(documents: dict[str, Any]) -> None:
    """Each example that says it is a rule file is one."""
    examples = [
        block
        for document in documents.values()
        for block in document.blocks("yaml")
        if block.startswith("# rules.yml\n")
    ]
    assert examples
    for block in examples:
        assert parse_rule_groups(block, "rules.yml")
