"""Targets: from discovered labels through relabelling to a URL and the labels of its series."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, TypeAlias

from yarl import URL

from veriscope.collect.scrape.job import Job
from veriscope.signals import Duration, InvalidInputError, Labels, to_labels

ADDRESS: Final = "__address__"
_SCHEME: Final = "__scheme__"
_PATH: Final = "__metrics_path__"
_INTERVAL: Final = "__scrape_interval__"
_TIMEOUT: Final = "__scrape_timeout__"
_PARAM: Final = "__param_"
_RESERVED: Final = "__"


TargetKey: TypeAlias = tuple[Labels, str]
"""What tells targets apart: the labels of their series, and their URL."""


class Health(StrEnum):
    """How the last scrape of a target ended."""

    UP = "up"
    DOWN = "down"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Target:
    """One endpoint to scrape, and how often."""

    labels: Labels
    url: str
    interval: Duration
    timeout: Duration
    discovered: Labels = field(compare=False)

    @property
    def key(self) -> TargetKey:
        """The target's identity, which outlives a change of its interval."""
        return self.labels, self.url

    def offset_ms(self) -> int:
        """Return the target's place within its interval, spread evenly by its identity."""
        identity = repr(self.key).encode()
        return int.from_bytes(hashlib.blake2b(identity, digest_size=8).digest()) % self.interval


@dataclass(frozen=True, slots=True)
class ActiveTarget:
    """A target that is scraped, and how its last scrape went."""

    discovered_labels: Labels
    labels: Labels
    scrape_pool: str
    scrape_url: str
    global_url: str
    last_error: str
    last_scrape_ms: int
    """Unix milliseconds; 0 before the first scrape."""
    last_scrape_duration_s: float
    health: Health
    scrape_interval: Duration
    scrape_timeout: Duration


@dataclass(frozen=True, slots=True)
class DroppedTarget:
    """A target that relabelling dropped."""

    discovered_labels: Labels
    scrape_pool: str


@dataclass(frozen=True, slots=True)
class TargetsSnapshot:
    """All targets at one moment, in the order of their pools."""

    active: tuple[ActiveTarget, ...] = ()
    dropped: tuple[DroppedTarget, ...] = ()


def discovered_labels(job: Job, found: Mapping[str, str]) -> dict[str, str]:
    """Return the labels *found* by discovery with the job's defaults where they have none."""
    labels = {name: value for name, value in found.items() if value}
    config = job.config
    defaults = {
        "job": config.job_name,
        _INTERVAL: str(job.interval),
        _TIMEOUT: str(job.timeout),
        _PATH: config.metrics_path,
        _SCHEME: config.scheme,
    }
    params = {_PARAM + name: values[0] for name, values in config.params.items() if values}
    return {name: value for name, value in {**defaults, **params}.items() if value} | labels


def build_target(job: Job, found: Mapping[str, str]) -> Target | None:
    """
    Relabel what discovery *found* into a target; None where a rule drops it.

    Raises `InvalidInputError` where the labels that result are no target.
    """
    labels = discovered_labels(job, found)
    discovered = to_labels(labels)
    if not job.target_rules.apply(labels):
        return None
    address = labels.get(ADDRESS, "")
    if not address or "/" in address:
        raise InvalidInputError(f"{ADDRESS} {address!r} is not host:port; correct the relabelling")
    interval, timeout = _times(labels)
    url = _url(job, labels)
    labels.setdefault("instance", address)
    public = {name: value for name, value in labels.items() if not name.startswith(_RESERVED)}
    return Target(to_labels(public), url, interval, timeout, discovered)


def _times(labels: Mapping[str, str]) -> tuple[Duration, Duration]:
    interval = Duration.parse(labels.get(_INTERVAL, ""))
    timeout = Duration.parse(labels.get(_TIMEOUT, ""))
    if not interval or not timeout or timeout > interval:
        raise InvalidInputError(
            f"{_INTERVAL} {interval} and {_TIMEOUT} {timeout} do not fit;"
            " both must be above 0, and the timeout not above the interval"
        )
    return interval, timeout


def _url(job: Job, labels: Mapping[str, str]) -> str:
    scheme = labels.get(_SCHEME, "")
    if scheme not in ("http", "https"):
        raise InvalidInputError(f"{_SCHEME} is {scheme!r}; use http or https")
    params = {name: list(values) for name, values in job.config.params.items()}
    for name, value in labels.items():
        if name.startswith(_PARAM):
            params[name.removeprefix(_PARAM)] = [
                value,
                *params.get(name.removeprefix(_PARAM), [])[1:],
            ]
    query = [(name, value) for name in sorted(params) for value in params[name]]
    path = labels.get(_PATH, "")
    try:
        base = URL(f"{scheme}://{labels[ADDRESS]}")
        return str(base.with_path(f"/{path.removeprefix('/')}").with_query(query))
    except ValueError as error:
        raise InvalidInputError(f"{ADDRESS} {labels[ADDRESS]!r}: {error}") from error
