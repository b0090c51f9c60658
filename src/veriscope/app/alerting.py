"""Composes what finds that something is wrong and what tells people, and changes both at once."""

import asyncio
import glob
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog
from msgspec.structs import astuple
from prometheus_client import CollectorRegistry

from veriscope.alert.alerting import Alerting
from veriscope.alert.notify.forwarding import Forwarder
from veriscope.app.config import Config
from veriscope.app.evidence import EvidenceRoom
from veriscope.collect.scrape import RelabelConfig, Relabeller, Scraper, build_jobs
from veriscope.rules import RuleGroup, RuleLoop, load_rule_groups
from veriscope.rules.builtin import meta_groups
from veriscope.rules.sending import SendAlerts
from veriscope.rules.slo import load_slo_groups
from veriscope.signals import Clock, Labels, VeriscopeError, to_labels
from veriscope.signals.alerts import PostedAlert
from veriscope.signals.events import Event
from veriscope.store import Store

_log = structlog.get_logger(__name__)
_RELOADED: Final = frozenset(
    {"global_", "scrape_configs", "rule_files", "slo_files", "routing", "alert"}
)


def load_groups(config: Config) -> tuple[RuleGroup, ...]:
    """Return the groups of rule files, objectives and the server; raises `DocumentError`."""
    own = meta_groups() if config.rules.meta else ()
    return load_rule_groups(config.rule_files) + load_slo_groups(config.slo_files) + own


def create_forwarder(config: Config, clock: Clock, registry: CollectorRegistry) -> Forwarder:
    """Return what hands alerts to Alertmanagers elsewhere, where there are any."""
    outside = config.alerting.alertmanagers
    return Forwarder(
        [(each, _relabel(each.alert_relabel_configs)) for each in outside],
        relabel=_relabel(config.alerting.alert_relabel_configs),
        clock=clock,
        registry=registry,
    )


def _relabel(configs: Sequence[RelabelConfig]) -> Callable[[Labels], Labels | None]:
    relabeller = Relabeller.compile(configs)

    def relabel(labels: Labels) -> Labels | None:
        changed = dict(labels)
        return to_labels(changed) if relabeller.apply(changed) else None

    return relabel


def send_to(alerting: Alerting, forwarder: Forwarder) -> SendAlerts:
    """Return what takes the alerts of the rules, for the people and servers that want them."""

    async def send(alerts: Sequence[PostedAlert]) -> None:
        await forwarder.put(alerts)
        await alerting.put(alerts)

    return send


@dataclass(frozen=True, slots=True)
class ConfigSource:
    """Where the configuration comes from: its file, if there is one, and how it is read."""

    file: Path | None
    read: Callable[[], Config]


class Reloading:
    """
    Goes over to another configuration: rules, objectives, receivers, routes and targets.

    Every file is read before anything changes. What else has changed needs a restart, which the
    log says.
    """

    def __init__(
        self,
        source: ConfigSource,
        *,
        running: Config,
        rules: RuleLoop,
        alerting: Alerting,
        evidence: EvidenceRoom,
        scraper: Scraper,
        store: Store,
        clock: Clock,
    ) -> None:
        self._source = source
        self.config = running
        """What is in force."""
        self._read = running
        self._rules = rules
        self._alerting = alerting
        self._evidence = evidence
        self._scraper = scraper
        self._store = store
        self._clock = clock

    def files(self) -> Iterator[str]:
        """
        Give the files that a reload would read, as globs.

        Those that the last reload named are among them where it failed: one of them may be mended.
        """
        if self._source.file is not None:
            yield glob.escape(str(self._source.file))
        for config in (self.config, self._read):
            yield from (*config.rule_files, *config.slo_files, *config.routing.templates)
            if config.alert.config_file is not None:
                yield glob.escape(config.alert.config_file)

    async def apply(self) -> None:
        """Read and change; raises `VeriscopeError`, having changed nothing, for a bad file."""
        self._read = config = await asyncio.to_thread(self._source.read)
        groups = await asyncio.to_thread(load_groups, config)
        build_jobs(config.global_, config.scrape_configs)
        if config.routing != self.config.routing or config.routing.templates:
            await self._alerting.reload(config.routing)
        self._evidence.is_open = config.alert.evidence
        self._alerting.incidents.use(config.alert.incidents)
        await self._scraper.apply(config.global_, config.scrape_configs)
        await self._rules.reload(
            groups,
            interval=config.global_.evaluation_interval,
            query_offset=config.global_.rule_query_offset,
            external_labels=config.global_.external_labels,
        )
        self._warn(config)
        self.config = config
        await asyncio.to_thread(self._note)

    def _warn(self, config: Config) -> None:
        names = config.__struct_fields__
        pairs = zip(names, astuple(self.config), astuple(config), strict=True)
        changed = [name for name, old, new in pairs if old != new and name not in _RELOADED]
        if changed:
            _log.warning("restart_needed", sections=changed)

    def _note(self) -> None:
        event = Event(time_ms=self._clock.now_ms(), kind="config", title="Configuration reloaded")
        try:
            self._store.events.add([event])
        except VeriscopeError as error:
            _log.warning("reload_not_recorded", error=str(error))
