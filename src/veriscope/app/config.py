"""The configuration file: YAML, read strictly; every fault names its line and its cure."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final, TypeAlias

import msgspec
import re2
import yaml
from msgspec.structs import replace

from veriscope.alert.config import (
    AlertingConfig,
    decode_alerting_config,
    load_alerting_config,
)
from veriscope.alert.incidents import IncidentOptions
from veriscope.alert.notify.forwarding import OutsideConfig
from veriscope.alert.notify.receivers import GlobalConfig as RoutingGlobal
from veriscope.app.heartbeat import HeartbeatOptions
from veriscope.collect import (
    AgentOptions,
    GlobalConfig,
    GpuOptions,
    HostOptions,
    ScrapeConfig,
    resolve_paths,
)
from veriscope.collect.scrape import RelabelConfig
from veriscope.ingest import IngestOptions
from veriscope.query import QueryOptions
from veriscope.rules import RuleOptions
from veriscope.signals import ByteSize, Duration, InvalidInputError, require_at_least
from veriscope.signals.yaml_documents import DocumentError, compose_yaml, decode_node
from veriscope.store import RetentionOptions
from veriscope.wire.otlp.metrics.options import OtlpOptions

# Reading the machine takes milliseconds; more often than this it would mostly read itself.
_SHORTEST_MS: Final = 50
_ROUTING: Final = frozenset(AlertingConfig.__struct_encode_fields__) - {"global"}
_ROUTING_GLOBAL: Final = frozenset(RoutingGlobal.__struct_encode_fields__)
_Pair: TypeAlias = tuple[yaml.Node, yaml.Node]
_NO_ENVIRONMENT: Final[Mapping[str, str]] = MappingProxyType({})


class ConfigError(InvalidInputError):
    """The configuration cannot be used; the message names file, line, fault and cure."""


class TlsOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The certificate that the server shows."""

    cert_file: str
    """PEM file of the certificate, with its chain."""
    key_file: str
    """PEM file of its private key."""


class ServerOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who may reach the server, and how."""

    listen: str = "127.0.0.1:7070"
    """`host:port` of everything HTTP; port 0 takes a free one."""
    otlp_grpc_listen: str | None = None
    """`host:port` of OTLP/gRPC, or `off`; else 127.0.0.1:4317 where that is free."""
    otlp_http_listen: str | None = None
    """`host:port` of OTLP/HTTP beside `listen`, or `off`; else 127.0.0.1:4318 where it is free."""
    token_file: str | None = None
    """File with the token that every request must carry; needed off loopback unless TLS is set."""
    tls: TlsOptions | None = None
    """Serve HTTPS."""
    max_connections: int = 1_000
    """Connections that may be open at once; a request on a further one is answered 503."""
    read_timeout: Duration = Duration.parse("30s")
    """Time for a request's head to arrive, and then for its body; a late one is answered 408."""
    cors_origin: str = r"https?://(localhost|127\.0\.0\.1|\[::1\])(:[0-9]+)?"
    """Regular expression of the origins whose pages may read the API; by default this machine's."""
    external_url: str | None = None
    """Address that links in notifications lead to; that of `listen` where it is not given."""
    enable_admin_api: bool = False
    """Whether series can be deleted and the store copied through the API."""

    def __post_init__(self) -> None:
        require_at_least(self, 1, "max_connections")
        require_at_least(self, _SHORTEST_MS, "read_timeout")
        options = re2.Options()
        options.log_errors = False
        try:
            re2.compile(self.cors_origin, options)
        except re2.error as error:
            reason = error.args[0].decode()
            raise ValueError(f"cors_origin is not a regular expression: {reason}") from error


class CollectOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is collected of this machine."""

    interval: Duration = Duration.parse("1s")
    """Time between two collections."""
    host: HostOptions = msgspec.field(default_factory=HostOptions)
    """CPU, memory, disks, network, processes, sensors."""
    gpu: GpuOptions = msgspec.field(default_factory=GpuOptions)
    """NVIDIA GPUs."""

    def __post_init__(self) -> None:
        require_at_least(self, _SHORTEST_MS, "interval")


class StoreConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the data rests."""

    url: str | None = None
    """`clickhouse://…`; embedded in the data directory where it is not given."""
    database: str = "veriscope"
    """Database that holds every table."""
    max_concurrent_queries: int = 4
    """Engine queries that run at once."""
    cache_bytes: ByteSize | None = None
    """
    Memory for samples of metrics that are asked for often; embedded engine only. Where it is not
    given, a thirty-second part of what the process may use, between 128 MiB and 2 GiB.
    """
    retention: RetentionOptions = msgspec.field(default_factory=RetentionOptions)
    """How long each signal is kept."""

    def __post_init__(self) -> None:
        require_at_least(self, 1, "max_concurrent_queries")


class LogOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The server's own log, on standard error."""

    level: str = "info"
    """`debug`, `info`, `warning` or `error`."""
    format: str = "auto"
    """`json`, `console`, or `auto`: console on a terminal, JSON elsewhere."""


class OutsideAlertmanagers(OutsideConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry of `alerting.alertmanagers`: servers that are spoken to alike."""

    alert_relabel_configs: tuple[RelabelConfig, ...] = ()
    """Rewrites the labels of alerts for these servers, or leaves alerts out."""


class ForwardingConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Alertmanagers elsewhere, which get the alerts of the rules too."""

    alert_relabel_configs: tuple[RelabelConfig, ...] = ()
    """Rewrites the labels of alerts for all of them, or leaves alerts out."""
    alertmanagers: tuple[OutsideAlertmanagers, ...] = ()
    """The Alertmanagers."""


class AlertOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who is told of alerts."""

    config_file: str | None = None
    """Alertmanager's file; where it is given, its sections may not stand in this one."""
    evidence: bool = True
    """Whether what was seen around the onset of alerts is gathered, and sent with them."""
    incidents: IncidentOptions = msgspec.field(default_factory=IncidentOptions)
    """How alerts become incidents."""


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    The whole file.

    `global`, `scrape_configs`, `rule_files`, `alerting` and `otlp` are Prometheus', key for key.
    `route`, `receivers`, `inhibit_rules`, `time_intervals` and `templates` are Alertmanager's, and
    so are the other keys of `global`; together they are `routing`, which is no key of the file.
    """

    global_: GlobalConfig = msgspec.field(default_factory=GlobalConfig, name="global")
    """Defaults of every scrape."""
    scrape_configs: tuple[ScrapeConfig, ...] = ()
    """Targets to scrape."""
    rule_files: tuple[str, ...] = ()
    """Rule files, as globs; relative ones are taken from this file's directory."""
    rules: RuleOptions = msgspec.field(default_factory=RuleOptions)
    """How rules are evaluated."""
    slo_files: tuple[str, ...] = ()
    """Files of objectives (OpenSLO, Sloth), as globs like `rule_files`."""
    alert: AlertOptions = msgspec.field(default_factory=AlertOptions)
    """Who is told of alerts."""
    alerting: ForwardingConfig = msgspec.field(default_factory=ForwardingConfig)
    """Alertmanagers elsewhere."""
    heartbeat: HeartbeatOptions = msgspec.field(default_factory=HeartbeatOptions)
    """Who misses this server when it falls silent."""
    server: ServerOptions = msgspec.field(default_factory=ServerOptions)
    """Who may reach the server."""
    collect: CollectOptions = msgspec.field(default_factory=CollectOptions)
    """What is collected of this machine."""
    store: StoreConfig = msgspec.field(default_factory=StoreConfig)
    """Where the data rests."""
    ingest: IngestOptions = msgspec.field(default_factory=IngestOptions)
    """Limits on what is accepted."""
    otlp: OtlpOptions = msgspec.field(default_factory=OtlpOptions)
    """How metrics that come by OTLP are named and labelled."""
    query: QueryOptions = msgspec.field(default_factory=QueryOptions)
    """Limits on what is asked."""
    agent: AgentOptions = msgspec.field(default_factory=AgentOptions)
    """How `veriscope agent` sends to its server."""
    log: LogOptions = msgspec.field(default_factory=LogOptions)
    """The server's own log."""
    routing: AlertingConfig = msgspec.field(default_factory=AlertingConfig)
    """Alertmanager's sections, from this file or from `alert.config_file`."""


def load_config(path: Path, *, environment: Mapping[str, str] = _NO_ENVIRONMENT) -> Config:
    """
    Read the file at *path*, and Alertmanager's where it names one.

    `${NAME}` in a secret of Alertmanager's sections is what *environment* holds. Raises
    `ConfigError`.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {path}: {error}") from error
    config = parse_config(text, str(path), path.parent, environment=environment)
    config = _resolve_paths(config, path.parent)
    if config.alert.config_file is None:
        return config
    try:
        routing = load_alerting_config(Path(config.alert.config_file), environment=environment)
    except DocumentError as error:
        raise ConfigError(str(error)) from error
    return replace(config, routing=routing)


def parse_config(
    text: str,
    name: str,
    directory: Path = Path(),
    *,
    environment: Mapping[str, str] = _NO_ENVIRONMENT,
) -> Config:
    """Read the file's *text* alone; *name* is what errors call it. Raises `ConfigError`."""
    try:
        own, theirs = _split(compose_yaml(text, name))
        _refuse_routing(own, name)
        config = decode_node(own, name, Config)
        if not theirs.value:
            return config
        if config.alert.config_file is not None:
            section = theirs.value[0][0]
            raise ConfigError(
                f"{name}:{section.start_mark.line + 1}: `{section.value}` stands here and in"
                " `alert.config_file` too; remove one of them"
            )
        routing = decode_alerting_config(theirs, name, directory, environment=environment)
    except DocumentError as error:
        raise ConfigError(str(error)) from error
    return replace(config, routing=routing)


def _split(root: yaml.Node) -> tuple[yaml.Node, yaml.MappingNode]:
    """Return what of a file is the server's own, and what is Alertmanager's."""
    if not isinstance(root, yaml.MappingNode):
        return root, _part(root, [])
    own: list[_Pair] = []
    theirs: list[_Pair] = []
    for key, value in root.value:
        if key.value in _ROUTING:
            theirs.append((key, value))
        elif key.value == "global" and isinstance(value, yaml.MappingNode):
            mine = [pair for pair in value.value if pair[0].value not in _ROUTING_GLOBAL]
            other = [pair for pair in value.value if pair[0].value in _ROUTING_GLOBAL]
            own.append((key, _part(value, mine)))
            theirs += [(key, _part(value, other))] if other else []
        else:
            own.append((key, value))
    return _part(root, own), _part(root, theirs)


def _part(node: yaml.Node, pairs: list[_Pair]) -> yaml.MappingNode:
    return yaml.MappingNode(node.tag, pairs, node.start_mark, node.end_mark)


def _refuse_routing(root: yaml.Node, name: str) -> None:
    """Raise `DocumentError` where the file has the field that is no key of it."""
    for key, _ in root.value if isinstance(root, yaml.MappingNode) else ():
        if key.value == "routing":
            raise DocumentError(
                f"{name}:{key.start_mark.line + 1}: unknown key `routing`; write `route` and"
                " `receivers` as Alertmanager has them"
            )


def _resolve_paths(config: Config, directory: Path) -> Config:
    """Take relative file names from the *directory* of the configuration file."""
    server = config.server
    if server.token_file is not None:
        server = replace(server, token_file=str(directory / server.token_file))
    if (tls := server.tls) is not None:
        files = replace(
            tls, cert_file=str(directory / tls.cert_file), key_file=str(directory / tls.key_file)
        )
        server = replace(server, tls=files)
    agent = config.agent
    if agent.token_file is not None:
        agent = replace(agent, token_file=str(directory / agent.token_file))
    if agent.ca_file is not None:
        agent = replace(agent, ca_file=str(directory / agent.ca_file))
    jobs = tuple(resolve_paths(job, directory) for job in config.scrape_configs)
    heartbeat = config.heartbeat
    if heartbeat.url_file is not None:
        heartbeat = replace(heartbeat, url_file=str(directory / heartbeat.url_file))
    alert = config.alert
    if alert.config_file is not None:
        alert = replace(alert, config_file=str(directory / alert.config_file))
    return replace(
        config,
        server=server,
        alert=alert,
        heartbeat=heartbeat,
        agent=agent,
        scrape_configs=jobs,
        rule_files=tuple(str(directory / pattern) for pattern in config.rule_files),
        slo_files=tuple(str(directory / pattern) for pattern in config.slo_files),
    )
