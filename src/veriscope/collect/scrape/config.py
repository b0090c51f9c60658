"""`global` and `scrape_configs`: Prometheus' keys, with their defaults."""

from pathlib import Path

import msgspec

from veriscope.collect.scrape.http_config import HttpClientConfig
from veriscope.collect.scrape.relabel import RelabelConfig
from veriscope.signals import ByteSize, Duration, Labels, require_at_least, to_labels
from veriscope.wire.exposition import DEFAULT_PROTOCOLS, ScrapeProtocol

DEFAULT_BODY_SIZE_LIMIT = ByteSize(64 * 1024**2)
"""Decompressed bytes that an answer may have where no limit is set; Prometheus has none."""


class GlobalConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The `global` section: defaults of every scrape; a limit of 0 is no limit."""

    scrape_interval: Duration = Duration(60_000)
    """How often targets are scraped."""
    scrape_timeout: Duration | None = None
    """How long a scrape may take; 10s, or the interval where that is shorter."""
    evaluation_interval: Duration = Duration(60_000)
    """How often rules are evaluated, and the step of a subquery that names none."""
    rule_query_offset: Duration = Duration(0)
    """How far before the present rules are evaluated, for data that comes late."""
    external_labels: dict[str, str] = msgspec.field(default_factory=dict)
    """Labels for the outside world; like Prometheus, they are not stored with samples."""
    scrape_protocols: tuple[ScrapeProtocol, ...] = DEFAULT_PROTOCOLS
    """Formats to ask for, most wanted first."""
    body_size_limit: ByteSize = ByteSize(0)
    """Decompressed bytes an answer may have; 0 means 64MB, so that none is ever unbounded."""
    sample_limit: int = 0
    """Samples that a scrape may have after relabelling."""
    label_limit: int = 0
    """Labels that a sample may have."""
    label_name_length_limit: int = 0
    """Bytes that a label name may have."""
    label_value_length_limit: int = 0
    """Bytes that a label value may have."""
    target_limit: int = 0
    """Targets that a job may have; beyond it, all of its scrapes fail."""
    keep_dropped_targets: int = 0
    """Dropped targets that are kept, per job, to be shown."""

    def __post_init__(self) -> None:
        require_at_least(self, 1, "scrape_interval", "evaluation_interval")

    def labels(self) -> Labels:
        """Return the external labels as a label set."""
        return to_labels(self.external_labels)


class TargetGroup(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Addresses with the labels that they share."""

    targets: tuple[str, ...] = ()
    """`host:port` of each target."""
    labels: dict[str, str] = {}
    """Labels of all of them."""


class FileSdConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Targets from JSON or YAML files, re-read when they change."""

    files: tuple[str, ...]
    """Paths; the last part may hold a `*`."""
    refresh_interval: Duration = Duration(300_000)
    """How often the files are read even where no change was seen."""


class HttpSdConfig(HttpClientConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Targets from an HTTP endpoint that answers a JSON list of target groups."""

    url: str
    """The endpoint."""
    refresh_interval: Duration = Duration(60_000)
    """How often it is asked."""


class ScrapeConfig(HttpClientConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One job: what to scrape and how. What is unset comes from `global`."""

    job_name: str
    """The job's name and the default of the `job` label."""
    scrape_interval: Duration | None = None
    """How often each target is scraped."""
    scrape_timeout: Duration | None = None
    """How long a scrape may take; at most the interval."""
    scrape_protocols: tuple[ScrapeProtocol, ...] | None = None
    """Formats to ask for, most wanted first."""
    fallback_scrape_protocol: ScrapeProtocol | None = None
    """Format to assume where the answer's content type says none."""
    metrics_path: str = "/metrics"
    """Path of the metrics."""
    scheme: str = "http"
    """`http` or `https`."""
    params: dict[str, tuple[str, ...]] = msgspec.field(default_factory=dict)
    """URL parameters."""
    honor_labels: bool = False
    """Whether an exposed label wins over the target's; else it becomes `exported_…`."""
    honor_timestamps: bool = True
    """Whether exposed timestamps are used."""
    track_timestamps_staleness: bool = False
    """Whether series with exposed timestamps go stale when they disappear."""
    enable_compression: bool = True
    """Whether to ask for gzip."""
    extra_scrape_metrics: bool = False
    """Whether to add `scrape_timeout_seconds`, `scrape_sample_limit`, `scrape_body_size_bytes`."""
    body_size_limit: ByteSize | None = None
    """Decompressed bytes an answer may have; 0 means 64MB."""
    sample_limit: int | None = None
    """Samples that a scrape may have after relabelling."""
    label_limit: int | None = None
    """Labels that a sample may have."""
    label_name_length_limit: int | None = None
    """Bytes that a label name may have."""
    label_value_length_limit: int | None = None
    """Bytes that a label value may have."""
    target_limit: int | None = None
    """Targets that the job may have; beyond it, all of its scrapes fail."""
    keep_dropped_targets: int | None = None
    """Dropped targets that are kept to be shown."""
    static_configs: tuple[TargetGroup, ...] = ()
    """Targets listed here."""
    file_sd_configs: tuple[FileSdConfig, ...] = ()
    """Targets listed in files."""
    http_sd_configs: tuple[HttpSdConfig, ...] = ()
    """Targets listed by HTTP endpoints."""
    relabel_configs: tuple[RelabelConfig, ...] = ()
    """Rules for targets."""
    metric_relabel_configs: tuple[RelabelConfig, ...] = ()
    """Rules for samples."""


_PATH_KEYS = frozenset(
    {
        "username_file",
        "password_file",
        "credentials_file",
        "bearer_token_file",
        "ca_file",
        "cert_file",
        "key_file",
        "files",
    }
)


def resolve_paths(config: ScrapeConfig, directory: Path) -> ScrapeConfig:
    """Return *config* with its relative file names taken from *directory*, as Prometheus does."""
    resolved = _resolve(config, directory)
    if not isinstance(resolved, ScrapeConfig):
        raise TypeError("a structure resolves to its own type")
    return resolved


def _resolve(node: object, directory: Path) -> object:
    if isinstance(node, tuple):
        return tuple(_resolve(item, directory) for item in node)
    if isinstance(node, dict):
        return {key: _resolve(value, directory) for key, value in node.items()}
    if not isinstance(node, msgspec.Struct):
        return node
    changes = {}
    for key in node.__struct_fields__:
        value = getattr(node, key)
        if key not in _PATH_KEYS or value is None:
            changes[key] = _resolve(value, directory)
        elif isinstance(value, tuple):
            changes[key] = tuple(str(directory / path) for path in value)
        else:
            changes[key] = str(directory / value)
    return msgspec.structs.replace(node, **changes)
