"""A job: one scrape configuration, merged with the global defaults, checked and compiled."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Final

from yarl import URL

from veriscope.collect.scrape.config import (
    DEFAULT_BODY_SIZE_LIMIT,
    GlobalConfig,
    HttpSdConfig,
    ScrapeConfig,
)
from veriscope.collect.scrape.http_config import HttpClientConfig
from veriscope.collect.scrape.relabel import Relabeller
from veriscope.signals import Duration, InvalidInputError
from veriscope.wire.exposition import ScrapeProtocol

_DEFAULT_TIMEOUT: Final = Duration(10_000)
_SD_SUFFIXES: Final = frozenset({".json", ".yml", ".yaml"})


@dataclass(frozen=True, slots=True)
class LabelLimits:
    """Bounds on the labels of a sample; 0 is no limit, lengths are in bytes of UTF-8."""

    count: int
    name_length: int
    value_length: int


@dataclass(frozen=True, slots=True)
class Job:
    """What the scrapers of one job need; equal jobs scrape alike."""

    config: ScrapeConfig
    interval: Duration
    timeout: Duration
    protocols: tuple[ScrapeProtocol, ...]
    body_size_limit: int
    sample_limit: int
    label_limits: LabelLimits
    target_limit: int
    keep_dropped_targets: int
    target_rules: Relabeller = field(compare=False)
    metric_rules: Relabeller = field(compare=False)

    @property
    def name(self) -> str:
        """The job's name."""
        return self.config.job_name


def build_jobs(defaults: GlobalConfig, configs: Sequence[ScrapeConfig]) -> tuple[Job, ...]:
    """
    Merge *defaults* into each configuration, check it and compile its rules.

    Raises `InvalidInputError` with the job's name, the cause and the cure.
    """
    counts = Counter(config.job_name for config in configs)
    for name, count in counts.items():
        if not name:
            raise InvalidInputError("scrape_configs: job_name is empty; name the job")
        if count > 1:
            raise InvalidInputError(
                f"job {name!r}: {count} scrape_configs have this job_name; rename all but one"
            )
    return tuple(_build(defaults, config) for config in configs)


def _build(defaults: GlobalConfig, config: ScrapeConfig) -> Job:
    try:
        interval, timeout = _times(defaults, config)
        _check(config)
        return Job(
            config=config,
            interval=interval,
            timeout=timeout,
            protocols=_protocols(defaults, config),
            body_size_limit=_limit(defaults, config, "body_size_limit") or DEFAULT_BODY_SIZE_LIMIT,
            sample_limit=_limit(defaults, config, "sample_limit"),
            label_limits=LabelLimits(
                _limit(defaults, config, "label_limit"),
                _limit(defaults, config, "label_name_length_limit"),
                _limit(defaults, config, "label_value_length_limit"),
            ),
            target_limit=_limit(defaults, config, "target_limit"),
            keep_dropped_targets=_limit(defaults, config, "keep_dropped_targets"),
            target_rules=_compile(config, "relabel_configs"),
            metric_rules=_compile(config, "metric_relabel_configs"),
        )
    except InvalidInputError as error:
        raise InvalidInputError(f"job {config.job_name!r}: {error}") from error


def _times(defaults: GlobalConfig, config: ScrapeConfig) -> tuple[Duration, Duration]:
    interval = config.scrape_interval or defaults.scrape_interval
    timeout = config.scrape_timeout or min(
        defaults.scrape_timeout or _DEFAULT_TIMEOUT, interval, key=int
    )
    if not interval:
        raise InvalidInputError("scrape_interval is 0; give a time such as 15s")
    if timeout > interval:
        raise InvalidInputError(
            f"scrape_timeout {timeout} is longer than scrape_interval {interval};"
            " shorten the timeout or lengthen the interval"
        )
    return interval, timeout


def _limit(defaults: GlobalConfig, config: ScrapeConfig, key: str) -> int:
    own = getattr(config, key)
    value = int(getattr(defaults, key) if own is None else own)
    if value < 0:
        raise InvalidInputError(f"{key} is {value}; give 0 for no limit, or a number above it")
    return value


def _protocols(defaults: GlobalConfig, config: ScrapeConfig) -> tuple[ScrapeProtocol, ...]:
    protocols = config.scrape_protocols
    if protocols is None:
        protocols = defaults.scrape_protocols
    if not protocols or len(set(protocols)) != len(protocols):
        raise InvalidInputError("scrape_protocols is empty or repeats one; list each once")
    return protocols


def _compile(config: ScrapeConfig, key: str) -> Relabeller:
    try:
        return Relabeller.compile(getattr(config, key))
    except InvalidInputError as error:
        raise InvalidInputError(f"{key}: {error}") from error


def _check(config: ScrapeConfig) -> None:
    if config.scheme not in ("http", "https"):
        raise InvalidInputError(f"scheme {config.scheme!r} is unknown; use http or https")
    _check_client(config)
    for group in config.static_configs:
        _check_label_names(group.labels)
        for address in group.targets:
            if "/" in address or not address:
                raise InvalidInputError(
                    f"target {address!r} is not host:port; set scheme and metrics_path apart"
                )
    for file_sd in config.file_sd_configs:
        for path in file_sd.files:
            _check_sd_path(path)
    for http_sd in config.http_sd_configs:
        _check_sd_url(http_sd)


def _check_label_names(names: Iterable[str]) -> None:
    if not all(names):
        raise InvalidInputError("static_configs: a label name is empty; name it")


def _check_sd_path(path: str) -> None:
    pattern = PurePath(path)
    if pattern.suffix.lower() not in _SD_SUFFIXES or "*" in str(pattern.parent):
        raise InvalidInputError(
            f"file_sd_configs: {path!r} must end in .json, .yml or .yaml,"
            " with a * only in the file's own name"
        )


def _check_sd_url(config: HttpSdConfig) -> None:
    if not config.url.startswith(("http://", "https://")) or not URL(config.url).host:
        raise InvalidInputError(f"http_sd_configs: {config.url!r} is not an http(s) URL")
    _check_client(config)


def _check_client(config: HttpClientConfig) -> None:
    """Refuse credentials that are given twice."""
    tokens = (config.bearer_token, config.bearer_token_file)
    ways = (config.basic_auth, config.authorization, *tokens)
    if sum(way is not None for way in ways) > 1:
        raise InvalidInputError(
            "more than one of basic_auth, authorization, bearer_token and bearer_token_file;"
            " keep one"
        )
    basic, header, tls = config.basic_auth, config.authorization, config.tls_config
    exclusive = [
        ("ca", tls.ca, tls.ca_file),
        ("username", basic and basic.username, basic and basic.username_file),
        ("password", basic and basic.password, basic and basic.password_file),
        ("credentials", header and header.credentials, header and header.credentials_file),
    ]
    for key, value, file in exclusive:
        if value and file:
            raise InvalidInputError(f"both {key} and {key}_file are set; keep one")
    if header and header.type.lower() == "basic":
        raise InvalidInputError("authorization type is Basic; use basic_auth")
    if bool(tls.cert_file) is not bool(tls.key_file):
        raise InvalidInputError("tls_config: cert_file and key_file go together; set both")
    if config.proxy_url and not config.proxy_url.startswith(("http://", "https://")):
        raise InvalidInputError(f"proxy_url {config.proxy_url!r} is not an http(s) URL")
