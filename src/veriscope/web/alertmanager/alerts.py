"""`alerts` and `alerts/groups`: what fires, and who is told of it together."""

from collections.abc import Sequence
from typing import Any

from prometheus_client import CollectorRegistry, Counter
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from veriscope.alert.alerting import Alerting
from veriscope.alert.dispatch.views import AlertView
from veriscope.signals import Clock, InvalidInputError
from veriscope.web.alertmanager.filters import alert_filter, receiver_filter
from veriscope.web.alertmanager.posted import read_posted
from veriscope.web.alertmanager.posted_alerts import DECODER, fault_of, read_alerts
from veriscope.web.alertmanager.refusals import json, refusing
from veriscope.web.alertmanager.times import spell
from veriscope.web.parameters import Parameters


class AlertsApi:
    """`alerts` and `alerts/groups`."""

    def __init__(self, alerting: Alerting, clock: Clock, registry: CollectorRegistry) -> None:
        self._alerting = alerting
        self._clock = clock
        self._invalid = Counter(
            "veriscope_alerts_invalid_total",
            "Alerts that were posted and refused, as something in them is wrong.",
            registry=registry,
        )

    def routes(self, prefix: str) -> Sequence[Route]:
        """Return the routes below *prefix*."""
        return [
            Route(f"{prefix}/alerts", refusing(self.every), methods=["GET"]),
            Route(f"{prefix}/alerts", refusing(self.post), methods=["POST"]),
            Route(f"{prefix}/alerts/groups", refusing(self.groups), methods=["GET"]),
        ]

    async def every(self, request: Request) -> Response:
        """Answer with the alerts that have not ended, narrowed as the parameters say."""
        given = await Parameters.of(request)
        wanted, receiver = alert_filter(given), receiver_filter(given)
        return json(
            [
                _shown(view)
                for view in self._alerting.alerts()
                if receiver(view.receivers) and wanted(view)
            ]
        )

    async def groups(self, request: Request) -> Response:
        """Answer with the groups and those of their alerts that the parameters select."""
        given = await Parameters.of(request)
        wanted, receiver = alert_filter(given), receiver_filter(given)
        groups = []
        for group in self._alerting.groups():
            alerts = [_shown(view) for view in group.alerts if wanted(view)]
            if alerts and receiver([group.receiver]):
                groups.append(
                    {
                        "alerts": alerts,
                        "labels": dict(group.labels),
                        "receiver": {"name": group.receiver},
                    }
                )
        return json(groups)

    async def post(self, request: Request) -> Response:
        """Take the alerts that are valid, and answer what is wrong with the others."""
        posted = read_alerts(await read_posted(request, "alerts", DECODER))
        latest_ms = self._clock.now_ms() + self._resolve_timeout_ms
        valid, faults = [], []
        for alert in posted:
            if fault := fault_of(alert, latest_ms):
                faults.append(fault)
            else:
                valid.append(alert)
        if valid:
            await self._alerting.put(valid)
        if faults:
            self._invalid.inc(len(faults))
            raise InvalidInputError("; ".join(faults))
        return Response()

    @property
    def _resolve_timeout_ms(self) -> int:
        return int(self._alerting.config.global_.resolve_timeout.seconds * 1000)


def _shown(view: AlertView) -> dict[str, Any]:
    """Return the alert in the words and in the order of Alertmanager's API."""
    alert, status = view.alert, view.status
    url = {"generatorURL": alert.generator_url} if alert.generator_url else {}
    return {
        "annotations": dict(alert.annotations),
        "endsAt": spell(alert.ends_at_ms),
        "fingerprint": alert.fingerprint,
        "receivers": [{"name": name} for name in view.receivers],
        "startsAt": spell(alert.starts_at_ms),
        "status": {
            "inhibitedBy": status.inhibited_by,
            "mutedBy": status.muted_by,
            "silencedBy": status.silenced_by,
            "state": status.state,
        },
        "updatedAt": spell(alert.updated_at_ms),
        **url,
        "labels": dict(alert.labels),
    }
