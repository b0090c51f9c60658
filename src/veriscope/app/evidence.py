"""Composes what finds out what there is to see around alerts that begin to fire."""

from typing import Final

from veriscope.alert.group import AlertGroup
from veriscope.insight.evidence import EvidenceGatherer, EvidenceSources
from veriscope.query.promql import PromqlEngine
from veriscope.signals import Clock
from veriscope.signals.evidence import Evidence, FiringAlerts
from veriscope.store import Store

_MOST_ALERTS: Final = 100


class EvidenceRoom:
    """Gathers evidence for groups of alerts; `close` at the end."""

    def __init__(
        self, store: Store, metrics: PromqlEngine, external_url: str, clock: Clock
    ) -> None:
        self.is_open = True
        """Whether any is to be gathered."""
        self._gatherer = EvidenceGatherer(
            EvidenceSources(
                metrics=metrics,
                logs=store.log_search,
                spans=store.span_search,
                events=store.events,
            ),
            external_url=external_url,
            clock=clock,
        )

    async def gather(self, group: AlertGroup, within_s: float) -> Evidence | None:
        """Return what is found in *within_s* seconds; None where nothing is to be gathered."""
        if not self.is_open:
            return None
        return await self._gatherer.gather(firing_alerts(group), deadline_s=within_s)

    def close(self) -> None:
        """Begin nothing more."""
        self._gatherer.close()


def firing_alerts(group: AlertGroup) -> FiringAlerts:
    """Return the alerts of *group* as evidence is gathered for them, a hundred at most."""
    alerts = group.alerts[:_MOST_ALERTS]
    return FiringAlerts(
        labels=tuple(alert.labels for alert in alerts),
        common_labels=group.common_labels,
        common_annotations=group.common_annotations,
        starts_at_ms=min(alert.starts_at_ms for alert in group.alerts),
        generator_urls=tuple(alert.generator_url for alert in alerts),
    )
