"""What the API shows of the server: its configuration, flags, rules, targets and store."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import yaml

from veriscope.app.config import Config
from veriscope.collect.scrape import Scraper
from veriscope.query.promql.floats import format_exponent
from veriscope.rules import Alert, GroupState, RuleState
from veriscope.signals import ByteSize, Clock, Duration, Secret, SeriesFetch
from veriscope.store import Store
from veriscope.web import (
    AlertingRuleState,
    AlertState,
    ApiSources,
    RecordingRuleState,
    RuleGroupState,
    ServerFacts,
    rfc3339,
)

_HIDDEN: Final = "<secret>"
_USER_INFO: Final = re.compile(r"(?<=://)[^/@\s]+@")


def create_api_sources(
    config: Config,
    data: Path,
    *,
    version: str,
    store: Store,
    scraper: Scraper,
    rules: Callable[[], Sequence[GroupState]],
    clock: Clock,
    current: Callable[[], Config],
) -> ApiSources:
    """Return where the API's answers come from that are not queries."""
    return ApiSources(
        exemplars=store.exemplars,
        statistics=store.cardinality,
        facts=ServerFacts(
            version=version,
            started_ms=clock.now_ms(),
            config=lambda: config_text(current()),
            flags=flags(config, data),
            retention=str(config.store.retention.metrics),
        ),
        admin=_Admin(store, clock) if config.server.enable_admin_api else None,
        groups=lambda: [_group(state) for state in rules()],
        targets=scraper.targets,
        external_labels=config.global_.external_labels,
    )


def config_text(config: Config) -> str:
    """Return *config* as YAML, defaults included and secrets hidden."""
    plain = _plain(config)
    routing = plain.pop("routing")
    if config.routing.route is not None:
        plain["global"] |= routing.pop("global")
        plain |= routing
    return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True)


def flags(config: Config, data: Path) -> dict[str, str]:
    """Return what the server was started with, under the names of Prometheus' flags."""
    query, server = config.query, config.server
    return {
        "query.lookback-delta": str(query.lookback),
        "query.max-concurrency": str(query.max_concurrent),
        "query.max-samples": str(query.max_samples),
        "query.timeout": str(query.timeout),
        "storage.tsdb.path": str(data / "store"),
        "storage.tsdb.retention.time": str(config.store.retention.metrics),
        "web.cors.origin": server.cors_origin,
        "web.enable-admin-api": str(server.enable_admin_api).lower(),
        "web.enable-lifecycle": "true",
        "web.enable-otlp-receiver": "true",
        "web.enable-remote-write-receiver": "true",
        "web.listen-address": server.listen,
        "web.max-connections": str(server.max_connections),
        "web.read-timeout": str(server.read_timeout),
    }


class _Admin:
    """The store's changes behind the one Protocol that the API knows."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def delete_series(self, fetches: Sequence[SeriesFetch]) -> None:
        self._store.deletion.delete_series(fetches)

    def clean_tombstones(self) -> None:
        self._store.deletion.clean_tombstones()

    def snapshot(self) -> str:
        return self._store.snapshots.create(self._clock.now_ms())


def _plain(value: Any) -> Any:  # noqa: PLR0911 - one arm for each kind of value
    """Return *value* as YAML can show it; what is not set is left out."""
    match value:
        case msgspec.Struct():
            names = type(value).__struct_encode_fields__
            pairs = zip(names, msgspec.structs.astuple(value), strict=True)
            return {name: _plain(inner) for name, inner in pairs if inner is not None}
        case Mapping():
            return {str(key): _plain(inner) for key, inner in value.items()}
        case tuple() | list():
            return [_plain(inner) for inner in value]
        case Secret():
            return _HIDDEN
        case Duration():
            return str(value)
        case ByteSize():
            return int(value)
        case str():
            return _USER_INFO.sub(f"{_HIDDEN}@", str(value))
        case _:
            return value


def _group(state: GroupState) -> RuleGroupState:
    return RuleGroupState(
        name=state.group.name,
        file=state.group.file,
        rules=tuple(_rule(rule, state.group.labels) for rule in state.rules),
        interval=state.interval_ms / 1000,
        limit=state.group.limit,
        evaluation_time=state.seconds,
        last_evaluation=rfc3339(state.evaluated_ms),
    )


def _rule(
    state: RuleState, group_labels: Mapping[str, str]
) -> RecordingRuleState | AlertingRuleState:
    rule = state.rule
    shared: dict[str, Any] = {
        "name": rule.name,
        "query": state.text,
        "labels": dict(sorted({**group_labels, **rule.labels}.items())),
        "health": state.health,
        "last_error": state.error or msgspec.UNSET,
        "evaluation_time": state.seconds,
        "last_evaluation": rfc3339(state.evaluated_ms),
    }
    if state.alerting is None:
        return RecordingRuleState(**shared)
    return AlertingRuleState(
        state=state.alerting.state,
        duration=rule.for_.seconds,
        keep_firing_for=rule.keep_firing_for.seconds,
        annotations=dict(sorted(rule.annotations.items())),
        alerts=tuple(map(_alert, state.active)),
        **shared,
    )


def _alert(alert: Alert) -> AlertState:
    return AlertState(
        labels=dict(alert.labels),
        annotations=dict(alert.annotations),
        state=alert.state,
        active_at=rfc3339(alert.active_at_ms),
        value=format_exponent(alert.value),
        keep_firing_since=rfc3339(since) if (since := alert.keep_firing_since_ms) else "",
    )
