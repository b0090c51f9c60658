"""What the servers are asked: panels of dashboards, alert rules, listings, very large answers."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from peers import connection, dataset

STEPS: Final = 240
"""Steps of a range query."""

_STEP_S: Final = 10
_OFF_GRID_S: Final = 3
_MIX: Final = 200

_CPU: Final = "rate(cpu_context_switches_total[5m])"
_FAMILY: Final = "http_request_duration_seconds"
_BUCKETS: Final = f"rate({_FAMILY}_bucket[5m])"
_REQUESTS: Final = f"rate({_FAMILY}_count[5m])"
_NEARLY_ALL: Final = '{__name__=~"cpu_.+|http_.+_(bucket|sum)"}'

# Where VictoriaMetrics' rules are not Prometheus', so that its values say nothing about ours.
_ITS_OWN_RATE: Final = "its rate() takes the sample before the window in and does not extrapolate"
_ITS_OWN_STEPS: Final = "its subqueries have other steps, and its rate() other rules"


class Kind(Enum):
    """Which row of the table judges a question, beside the mean of all."""

    SCAN = auto()
    LARGE = auto()
    ONE_SERIES = auto()
    HUNDRED_SERIES = auto()
    OTHER = auto()


class Form(Enum):
    """Over a range of `STEPS` steps, at one time (as alert rules are), or a listing."""

    RANGE = auto()
    INSTANT = auto()
    LISTING = auto()


@dataclass(frozen=True, slots=True)
class Question:
    """Something to ask, in PromQL or as a path of the API."""

    text: str
    about: str
    kind: Kind = Kind.OTHER
    form: Form = Form.RANGE
    match: str = ""
    ranked: bool = False
    """Whether series of equal value compete for the last place, so that only values can agree."""
    keeps_names: bool = False
    """Whether VictoriaMetrics leaves the metric's name at its values, where Prometheus drops it."""
    not_compared: str = ""
    """Why VictoriaMetrics' answer is not compared; empty where it must agree."""

    def request(self, when: "Times", extra: Iterable[tuple[str, str]] = ()) -> bytes:
        """Return the HTTP request, with *extra* parameters."""
        return connection.get(*self._target(when, tuple(extra)))

    def _target(
        self, when: "Times", extra: tuple[tuple[str, str], ...]
    ) -> tuple[str, tuple[tuple[str, str], ...]]:
        span = (("start", f"{when.start_s}"), ("end", f"{when.end_s}"))
        match self.form:
            case Form.RANGE:
                asked = (("query", self.text), *span, ("step", f"{_STEP_S}"))
                return "/api/v1/query_range", asked + extra
            case Form.INSTANT:
                return "/api/v1/query", (("query", self.text), ("time", f"{when.end_s}"), *extra)
            case Form.LISTING:
                selectors = (("match[]", self.match),) if self.match else ()
                return self.text, (*selectors, *span)


@dataclass(frozen=True, slots=True)
class Times:
    """When the ranges begin and end, in Unix seconds."""

    start_s: int
    end_s: int

    @classmethod
    def before(cls, last_reading_s: int) -> "Times":
        """
        Return ranges that end shortly before *last_reading_s*.

        No step falls on a reading, nor on a multiple of the steps of subqueries: Prometheus 2
        counts a sample exactly as old as the window, Prometheus 3 does not.
        """
        end = last_reading_s - _STEP_S + _OFF_GRID_S
        return cls(end - (STEPS - 1) * _STEP_S, end)


def questions(hosts: int) -> tuple[Question, ...]:
    """Return what is asked of a fleet of *hosts* hosts."""
    return (*_light(), *_scans(hosts), *_panels(hosts), *_alerts(), *_listings(), *_large(hosts))


def _light() -> tuple[Question, ...]:
    return (
        Question('cpu_usage_user{hostname="host_17"}', "1 series", Kind.ONE_SERIES),
        Question(
            'rate(cpu_context_switches_total{hostname=~"host_1[0-9]"}[5m])',
            "100 series",
            Kind.HUNDRED_SERIES,
            not_compared=_ITS_OWN_RATE,
        ),
    )


def _scans(hosts: int) -> tuple[Question, ...]:
    return (
        Question(
            f"sum by (region) ({_CPU})",
            f"{hosts * 10:,} series",
            Kind.SCAN,
            not_compared=_ITS_OWN_RATE,
        ),
        Question(
            f"histogram_quantile(0.95, sum by (le, service) ({_BUCKETS}))",
            f"{hosts * 9:,} series",
            Kind.SCAN,
            not_compared=_ITS_OWN_RATE,
        ),
        Question(
            f"topk(10, {_CPU})",
            f"{hosts * 10:,} series",
            Kind.SCAN,
            ranked=True,
            not_compared=_ITS_OWN_RATE,
        ),
        Question(
            f"sum by (owner) ({_CPU} * on (service, service_environment)"
            " group_left (owner) service_info)",
            f"{hosts * 10:,} series joined with {dataset.services(hosts) * 4:,}",
            Kind.SCAN,
            not_compared=_ITS_OWN_RATE,
        ),
        Question(
            f"max by (region) (max_over_time({_NEARLY_ALL}[5m]))",
            f"{hosts * 30:,} series of 13 metrics",
            Kind.SCAN,
        ),
    )


def _panels(hosts: int) -> tuple[Question, ...]:
    return (
        Question(
            f"sum by (service) ({_REQUESTS})", f"{hosts:,} series", not_compared=_ITS_OWN_RATE
        ),
        Question(
            f"max_over_time(sum by (service) (rate({_FAMILY}_count[1m]))[10m:30s])",
            f"{hosts:,} series, subquery",
            not_compared=_ITS_OWN_STEPS,
        ),
        Question("avg by (datacenter) (avg_over_time(cpu_usage_user[5m]))", f"{hosts:,} series"),
        Question(
            'avg by (service) ({__name__=~"cpu_usage_(user|system|iowait)",'
            'hostname=~"host_.*[05]"})',
            f"{hosts * 3 // 5:,} series by regex",
        ),
        Question(
            'quantile_over_time(0.9, cpu_usage_iowait{service_environment="production"}[10m])',
            f"{hosts // 4:,} series",
            keeps_names=True,
        ),
        Question(
            "sum by (team) (stddev_over_time(cpu_usage_system[10m]))",
            f"{hosts:,} series",
        ),
        Question("count by (region) (cpu_usage_idle < 20)", f"{hosts:,} series"),
        Question("cpu_usage_user + ignoring (mode) cpu_usage_system", f"{hosts * 2:,} series"),
        Question(
            f'increase({_FAMILY}_count{{service="service_1"}}[10m])',
            "16 series",
            not_compared=_ITS_OWN_RATE,
        ),
    )


def _alerts() -> tuple[Question, ...]:
    slow = (
        f'1 - sum by (service) (rate({_FAMILY}_bucket{{le="0.5"}}[5m]))'
        f" / sum by (service) ({_REQUESTS}) > 0.05"
    )
    return (
        _alert("avg by (hostname) (avg_over_time(cpu_usage_idle[5m])) < 20"),
        _alert(slow, not_compared=_ITS_OWN_RATE),
        _alert("predict_linear(cpu_usage_idle[30m], 3600) < 50", keeps_names=True),
        _alert(
            f"histogram_quantile(0.99, sum by (le) ({_BUCKETS})) > 1", not_compared=_ITS_OWN_RATE
        ),
        _alert('absent(cpu_usage_user{hostname="host_none"})'),
    )


def _alert(text: str, *, not_compared: str = "", keeps_names: bool = False) -> Question:
    return Question(
        text,
        "alert",
        form=Form.INSTANT,
        not_compared=not_compared,
        keeps_names=keeps_names,
    )


def _listings() -> tuple[Question, ...]:
    return (
        Question("/api/v1/label/hostname/values", "all series", form=Form.LISTING),
        Question(
            "/api/v1/label/service/values",
            'of cpu_usage_user{region="eu-west-1"}',
            form=Form.LISTING,
            match='cpu_usage_user{region="eu-west-1"}',
        ),
        Question(
            "/api/v1/series", "of 10 hosts", form=Form.LISTING, match='{hostname=~"host_1[0-9]"}'
        ),
    )


def _large(hosts: int) -> tuple[Question, ...]:
    return (
        Question(_CPU, f"{hosts * 10:,} series, all shown", Kind.LARGE, not_compared=_ITS_OWN_RATE),
        Question(
            f"rate({_NEARLY_ALL}[5m])",
            f"{hosts * 30:,} series, all shown",
            Kind.LARGE,
            not_compared=_ITS_OWN_RATE,
        ),
    )


def dashboard_mix(
    hosts: int, when: Times, extra: Sequence[tuple[str, str]], seed: int = 7
) -> list[bytes]:
    """
    Return requests as dashboards of single hosts and services send them, in a mixed order.

    Each panel is asked of many hosts or services, so that a cache must hold more than one of each.
    """
    chance = random.Random(seed)  # noqa: S311 - it chooses hosts
    mixed = []
    for number in range(_MIX):
        host = f'hostname="host_{chance.randrange(hosts)}"'
        service = f'service="service_{chance.randrange(dataset.services(hosts))}"'
        panels = (
            Question(f"cpu_usage_user{{{host}}}", ""),
            Question(f"rate(cpu_context_switches_total{{{host}}}[5m])", ""),
            Question(f"sum by (hostname) (rate(cpu_context_switches_total{{{service}}}[5m]))", ""),
            Question(
                f"histogram_quantile(0.99, sum by (le) (rate({_FAMILY}_bucket{{{service}}}[5m])))",
                "",
            ),
            Question(f"max_over_time(cpu_usage_iowait{{{service}}}[5m])", ""),
            Question(f'{{__name__=~"cpu_usage_.+",{host}}}', "", form=Form.INSTANT),
            Question(f"avg_over_time(cpu_usage_idle{{{service}}}[5m]) < 20", "", form=Form.INSTANT),
            Question(f"sum by (service) ({_FAMILY}_count{{{service}}})", "", form=Form.INSTANT),
        )
        mixed.append(panels[number % len(panels)].request(when, extra))
    chance.shuffle(mixed)
    return mixed
