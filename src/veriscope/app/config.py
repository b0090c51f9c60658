"""The configuration file: YAML, read strictly; every fault names its line and its cure."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import yaml
from msgspec.structs import replace

from veriscope.collect import (
    GlobalConfig,
    GpuOptions,
    HostOptions,
    ScrapeConfig,
    resolve_paths,
)
from veriscope.ingest import IngestOptions
from veriscope.query import QueryOptions
from veriscope.signals import Duration, InvalidInputError, decode_unit
from veriscope.store import RetentionOptions


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


class CollectOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is collected of this machine."""

    interval: Duration = Duration.parse("1s")
    """Time between two collections."""
    host: HostOptions = msgspec.field(default_factory=HostOptions)
    """CPU, memory, disks, network, processes, sensors."""
    gpu: GpuOptions = msgspec.field(default_factory=GpuOptions)
    """NVIDIA GPUs."""


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
    jobs = tuple(resolve_paths(job, directory) for job in config.scrape_configs)
    return replace(config, server=server, scrape_configs=jobs)


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


def _refuse_duplicates(node: Any, name: str) -> None:
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                line = key.start_mark.line + 1
                raise ConfigError(f"{name}:{line}: key `{key.value}` is given twice; remove one")
            seen.add(key.value)
            _refuse_duplicates(value, name)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            _refuse_duplicates(value, name)
