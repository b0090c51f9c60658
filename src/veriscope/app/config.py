"""The configuration file: YAML, read strictly; every fault names its line and its cure."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
import yaml
from msgspec.structs import replace

from veriscope.collect import (
    AgentOptions,
    GlobalConfig,
    GpuOptions,
    HostOptions,
    ScrapeConfig,
    resolve_paths,
)
from veriscope.ingest import IngestOptions
from veriscope.query import QueryOptions
from veriscope.signals import Duration, InvalidInputError, decode_unit, require_at_least
from veriscope.store import RetentionOptions

# Reading the machine takes milliseconds; more often than this it would mostly read itself.
_SHORTEST_MS: Final = 50


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
    token_file: str | None = None
    """File with the token that every request must carry; needed off loopback unless TLS is set."""
    tls: TlsOptions | None = None
    """Serve HTTPS."""
    max_connections: int = 1_000
    """Connections that may be open at once; a request on a further one is answered 503."""

    def __post_init__(self) -> None:
        require_at_least(self, 1, "max_connections")


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


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file. `global` and `scrape_configs` are Prometheus', key for key."""

    global_: GlobalConfig = msgspec.field(default_factory=GlobalConfig, name="global")
    """Defaults of every scrape."""
    scrape_configs: tuple[ScrapeConfig, ...] = ()
    """Targets to scrape."""
    server: ServerOptions = msgspec.field(default_factory=ServerOptions)
    """Who may reach the server."""
    collect: CollectOptions = msgspec.field(default_factory=CollectOptions)
    """What is collected of this machine."""
    store: StoreConfig = msgspec.field(default_factory=StoreConfig)
    """Where the data rests."""
    ingest: IngestOptions = msgspec.field(default_factory=IngestOptions)
    """Limits on what is accepted."""
    query: QueryOptions = msgspec.field(default_factory=QueryOptions)
    """Limits on what is asked."""
    agent: AgentOptions = msgspec.field(default_factory=AgentOptions)
    """How `veriscope agent` sends to its server."""
    log: LogOptions = msgspec.field(default_factory=LogOptions)
    """The server's own log."""


def load_config(path: Path) -> Config:
    """Read the file at *path*; raises `ConfigError`."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {path}: {error}") from error
    return _resolve_paths(parse_config(text, str(path)), path.parent)


def parse_config(text: str, name: str) -> Config:
    """Read the file's *text*; *name* is what errors call it."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        if root is None:
            return Config()
        _refuse_duplicates(root, name)
        data = yaml.safe_load(text)
    except yaml.reader.ReaderError as error:
        raise ConfigError(f"{name}: not YAML: {error.reason}: U+{error.character:04X}") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(f"{name}:{line}: not YAML: {error.problem}") from error
    try:
        return msgspec.convert(data, Config, dec_hook=decode_unit)
    except msgspec.ValidationError as error:
        message, _, place = str(error).partition(" - at `")
        path = list(_steps(place.rstrip("`")))
        if unknown := _UNKNOWN.search(message):
            path.append(unknown[1])
            message = f"unknown key `{unknown[1]}`; remove it or correct its spelling"
        raise ConfigError(f"{name}:{_line(root, path)}: {message}") from error


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
    return replace(config, server=server, agent=agent, scrape_configs=jobs)


_UNKNOWN: Final = re.compile(r"unknown field `(.+)`")
_STEP: Final = re.compile(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]")


def _steps(place: str) -> Iterator[str | int]:
    for name, index in _STEP.findall(place):
        yield name or (int(index) if index.isdigit() else index)


def _line(root: yaml.Node, path: list[str | int]) -> int:
    """Return the line, from 1, of what *path* leads to, as far as it leads."""
    node, line = root, root.start_mark.line
    for step in path:
        if isinstance(node, yaml.MappingNode):
            found = next(((k, v) for k, v in node.value if k.value == step), None)
            if found is None:
                break
            line, node = found[0].start_mark.line, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int):
            node = node.value[step]
            line = node.start_mark.line
        else:
            break
    return line + 1


def _refuse_duplicates(root: yaml.Node, name: str) -> None:
    # An alias leads to a node that was seen before, or is being looked into.
    waiting, known = [root], {id(root)}
    while waiting:
        node = waiting.pop()
        parts = list(node.value) if isinstance(node, yaml.SequenceNode) else []
        if isinstance(node, yaml.MappingNode):
            _refuse_duplicate_keys([key for key, _ in node.value], name)
            parts = [value for _, value in node.value]
        waiting += (part for part in parts if id(part) not in known)
        known.update(map(id, parts))


def _refuse_duplicate_keys(keys: list[yaml.Node], name: str) -> None:
    seen: set[str] = set()
    for key in keys:
        place = f"{name}:{key.start_mark.line + 1}"
        if not isinstance(key, yaml.ScalarNode):
            raise ConfigError(f"{place}: a key is a word, not a list or a mapping")
        if key.value in seen:
            raise ConfigError(f"{place}: key `{key.value}` is given twice; remove one")
        seen.add(key.value)
