"""
An hour of a fleet of hosts, as TSBS's "devops" load has it: labels, metrics, readings.

Ten gauges, ten counters and a histogram a host, and an info metric for each service: 31 series
a host and one for every four hosts, so that 320 hosts have 10,000. The label sets differ even
without the metric's name (but for the histogram's `_sum` and `_count`), so that one `rate()` can be
asked of nearly all of them at once.

Time Series Benchmark Suite: https://github.com/timescale/tsbs
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from veriscope.signals import Labels, to_labels

INTERVAL_S: Final = 10
"""Seconds between two readings of a series."""

_MODES: Final = (
    "user",
    "system",
    "idle",
    "nice",
    "iowait",
    "irq",
    "softirq",
    "steal",
    "guest",
    "guest_nice",
)
_CPUS: Final = 10
_BOUNDS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_LATENCY_SHAPE: Final = (2, 4, 8, 8, 6, 4, 2, 1, 0.05)
"""How many requests end in each bucket, in the mean of hosts: hardly any beyond the last bound."""

_REGIONS: Final = (
    "us-east-1",
    "us-west-1",
    "us-west-2",
    "eu-west-1",
    "eu-central-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-northeast-1",
    "sa-east-1",
)
_SYSTEMS: Final = ("Ubuntu15.10", "Ubuntu16.10", "Ubuntu16.04LTS")
_TEAMS: Final = ("CHI", "LON", "NYC", "SF")
_ENVIRONMENTS: Final = ("production", "staging", "test", "development")
_HOSTS_PER_SERVICE: Final = 16
_REQUESTS_PER_INTERVAL: Final = 40.0


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Some hosts' series: row *i* of `values` is the readings of `labels[i]`, one an interval."""

    labels: tuple[Labels, ...]
    values: NDArray[np.float64]


def fleet(series: int, readings: int, parts: int, seed: int = 7) -> list[Part]:
    """
    Return *series* series (to the nearest 500, a service's) with *readings* each.

    The hosts are dealt out to *parts*: each is what one sender would send.
    """
    of_host = len(_MODES) + _CPUS + len(_BOUNDS) + 3
    of_service = _HOSTS_PER_SERVICE * of_host + len(_ENVIRONMENTS)
    hosts = _HOSTS_PER_SERVICE * max(1, round(series / of_service))
    random = np.random.default_rng(seed)
    identities = [_identity(number, hosts, random) for number in range(hosts)]
    infos = _service_infos(hosts)
    return [
        _part(identities[number::parts], infos[number::parts], readings, random)
        for number in range(parts)
    ]


def services(hosts: int) -> int:
    """Count the services of *hosts* hosts."""
    return hosts // _HOSTS_PER_SERVICE


def _identity(number: int, hosts: int, random: np.random.Generator) -> dict[str, str]:
    region = _REGIONS[int(random.integers(len(_REGIONS)))]
    # Every service runs in every environment, on as many hosts in each.
    places = services(hosts) * len(_ENVIRONMENTS)
    service, environment = divmod(number % places, len(_ENVIRONMENTS))
    return {
        "hostname": f"host_{number}",
        "region": region,
        "datacenter": region + "abc"[int(random.integers(3))],
        "rack": str(random.integers(100)),
        "os": _SYSTEMS[int(random.integers(len(_SYSTEMS)))],
        "arch": ("x64", "x86")[int(random.integers(2))],
        "team": _TEAMS[int(random.integers(len(_TEAMS)))],
        "service": f"service_{service}",
        "service_version": str(random.integers(2)),
        "service_environment": _ENVIRONMENTS[environment],
    }


def _service_infos(hosts: int) -> list[Labels]:
    return [
        to_labels(
            {
                "__name__": "service_info",
                "service": f"service_{service}",
                "service_environment": environment,
                "owner": f"owner_{service % 7}",
                "tier": str(service % 3),
            }
        )
        for service in range(services(hosts))
        for environment in _ENVIRONMENTS
    ]


def _part(
    identities: list[dict[str, str]],
    infos: list[Labels],
    readings: int,
    random: np.random.Generator,
) -> Part:
    labels: list[Labels] = []
    values: list[NDArray[np.float64]] = []
    for identity in identities:
        labels += _host_labels(identity)
        values += [
            _gauges(len(_MODES), readings, random),
            _switches(_CPUS, readings, random),
            _latencies(readings, random),
        ]
    values.append(np.ones((len(infos), readings)))
    return Part((*labels, *infos), np.concatenate(values))


def _host_labels(identity: dict[str, str]) -> list[Labels]:
    family = "http_request_duration_seconds"
    named = [
        *({"__name__": f"cpu_usage_{mode}", "mode": mode} for mode in _MODES),
        *({"__name__": "cpu_context_switches_total", "cpu": str(cpu)} for cpu in range(_CPUS)),
        *({"__name__": f"{family}_bucket", "le": f"{bound:g}"} for bound in _BOUNDS),
        {"__name__": f"{family}_bucket", "le": "+Inf"},
        {"__name__": f"{family}_count"},
        {"__name__": f"{family}_sum"},
    ]
    return [to_labels(identity | own) for own in named]


def _gauges(series: int, readings: int, random: np.random.Generator) -> NDArray[np.float64]:
    """Per cents that wander around a level of their own, with two decimals as exporters write."""
    level = random.uniform(10, 90, (series, 1))
    steps = random.normal(0, 2, (series, readings))
    wander = np.zeros((series, readings))
    for at in range(1, readings):
        wander[:, at] = 0.9 * wander[:, at - 1] + steps[:, at]
    percent: NDArray[np.float64] = np.clip(level + wander, 0, 100)
    return percent.round(2)


def _switches(series: int, readings: int, random: np.random.Generator) -> NDArray[np.float64]:
    """Counters of events, some hundreds an interval on each core."""
    rate = random.uniform(200, 2_000, (series, 1))
    grown = np.maximum(rate * random.normal(1, 0.05, (series, readings)), 0)
    begun = random.uniform(1e7, 1e9, (series, 1))  # up for days: no counter begins at zero
    counted: NDArray[np.float64] = np.floor(begun + np.cumsum(grown, axis=1))
    return counted


def _latencies(readings: int, random: np.random.Generator) -> NDArray[np.float64]:
    """Return one host's histogram: cumulative buckets, then their count and the sum of seconds."""
    count = len(_BOUNDS) + 1
    shares = random.dirichlet(_LATENCY_SHAPE)
    rate = random.uniform(0.5, 1.5) * _REQUESTS_PER_INTERVAL
    arrived = random.poisson(rate * shares[:, None], (count, readings))
    begun = random.integers(1_000, 100_000, (count, 1))
    observed = np.cumsum(arrived, axis=1) + begun
    buckets = np.cumsum(observed, axis=0).astype(np.float64)
    middles = np.array([*_BOUNDS, 4.0]) * 0.75
    noise = random.uniform(0.9, 1.1, readings)
    seconds = np.cumsum(middles @ arrived * noise) + middles @ begun
    return np.concatenate([buckets, buckets[-1:], seconds[None, :]])
