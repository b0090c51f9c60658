"""Prometheus' `alerting` section: alerts of the rules also to Alertmanagers elsewhere."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

import msgspec
from prometheus_client import CollectorRegistry, Counter, Gauge

from veriscope.alert.group import rfc3339
from veriscope.alert.notify.http.config import (
    Authorization,
    BasicAuth,
    HttpConfig,
    OAuth2,
    TlsConfig,
    require_http_url,
)
from veriscope.alert.notify.http.sender import (
    HttpSender,
    Request,
    RequestFailedError,
    outcome_of,
)
from veriscope.alert.notify.outcome import Outcome, Reason, Verdict
from veriscope.alert.notify.sending import Secrets, SecretUnreadableError
from veriscope.signals import Clock, Duration, Labels, Secret
from veriscope.signals.alerts import PostedAlert
from veriscope.signals.log import get_log

_log = get_log(__name__)
_MOST_WAITING: Final = 10_000
_BATCH: Final = 64

Relabel: TypeAlias = Callable[[Labels], Labels | None]
"""Rewrites the labels of an alert; None where it is not to be sent."""


class StaticAlertmanagers(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry of `static_configs`."""

    targets: tuple[str, ...] = ()
    """Addresses, `host:port`."""
    labels: dict[str, str] = msgspec.field(default_factory=dict)
    """Read for compatibility; no label of an Alertmanager is sent anywhere."""


class OutsideConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry of `alerting.alertmanagers`: servers that are spoken to alike."""

    static_configs: tuple[StaticAlertmanagers, ...] = ()
    """Which."""
    scheme: str = "http"
    """`http` or `https`."""
    path_prefix: str = "/"
    """What stands before `/api/v2/alerts`."""
    timeout: Duration = Duration.parse("10s")
    """How long one try may take."""
    api_version: str = "v2"
    """The API; Alertmanager has no other one left."""
    basic_auth: BasicAuth | None = None
    """HTTP basic authentication."""
    authorization: Authorization | None = None
    """Any other `Authorization` header."""
    oauth2: OAuth2 | None = None
    """A token that is fetched."""
    tls_config: TlsConfig = TlsConfig()
    """TLS settings."""
    follow_redirects: bool = True
    """Whether to follow redirects; they never lead to another host."""
    enable_http2: bool = True
    """Read for compatibility; HTTP/1.1, which every server speaks, is always used."""
    proxy_url: Secret | None = None
    """HTTP proxy to go through."""

    def __post_init__(self) -> None:
        if self.scheme not in ("http", "https"):
            raise ValueError("scheme must be http or https")
        if self.api_version != "v2":
            raise ValueError("api_version must be v2; Alertmanager 0.27 took v1 away")
        self.http()

    def http(self) -> HttpConfig:
        """Return how these servers are spoken to; raises `ValueError` for what does not fit."""
        return HttpConfig(
            basic_auth=self.basic_auth,
            authorization=self.authorization,
            oauth2=self.oauth2,
            tls_config=self.tls_config,
            follow_redirects=self.follow_redirects,
            proxy_url=self.proxy_url,
            timeout_s=self.timeout.seconds,
        )

    def urls(self) -> list[str]:
        """Return where alerts are posted."""
        prefix = self.path_prefix.strip("/")
        path = f"/{prefix}/api/v2/alerts" if prefix else "/api/v2/alerts"
        return [
            f"{self.scheme}://{target}{path}"
            for static in self.static_configs
            for target in static.targets
        ]


class ForwardingMetrics:
    """What forwarding counts: Prometheus' names, with our prefix."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.sent = Counter(
            "veriscope_forwarded_alerts_total",
            "Alerts that were sent to an Alertmanager.",
            ["alertmanager"],
            registry=registry,
        )
        self.errors = Counter(
            "veriscope_forwarding_errors_total",
            "Alerts that an Alertmanager did not take.",
            ["alertmanager"],
            registry=registry,
        )
        self.dropped = Counter(
            "veriscope_forwarding_dropped_total",
            "Alerts that were given up: no Alertmanager took them, or too many waited.",
            registry=registry,
        )
        self.waiting = Gauge(
            "veriscope_forwarding_queue_length", "Alerts that wait.", registry=registry
        )


class Forwarder:
    """
    Sends alerts to all Alertmanagers of *configs*, from a queue of 10,000, 64 at a time.

    As Prometheus: rules send a firing alert again and again, so what finds nobody is given up
    after one try more and counted; of too many waiting ones the oldest go.
    """

    def __init__(
        self,
        configs: Sequence[tuple[OutsideConfig, Relabel]],
        *,
        relabel: Relabel,
        clock: Clock,
        registry: CollectorRegistry,
    ) -> None:
        self._relabel = relabel
        self._clock = clock
        self._outside = [
            _Outside(url, HttpSender(config.http()), own)
            for config, own in configs
            for url in config.urls()
        ]
        self._metrics = ForwardingMetrics(registry)
        self._waiting: deque[PostedAlert] = deque()
        self._arrived = asyncio.Event()

    async def put(self, alerts: Sequence[PostedAlert]) -> None:
        """Queue *alerts* without waiting."""
        if not self._outside:
            return
        for alert in alerts:
            labels = self._relabel(alert.labels)
            if labels:
                self._waiting.append(_with_labels(alert, labels))
        over = len(self._waiting) - _MOST_WAITING
        for _ in range(over):
            self._waiting.popleft()
        if over > 0:
            self._metrics.dropped.inc(over)
            _log.warning("forwarding_queue_full", dropped=over, cure="look at the Alertmanagers")
        self._metrics.waiting.set(len(self._waiting))
        if self._waiting:
            self._arrived.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Send what is queued until *stop*; what is left then has one try."""
        stopping = asyncio.create_task(stop.wait())
        try:
            while not stop.is_set():
                arriving = asyncio.create_task(self._arrived.wait())
                await asyncio.wait({arriving, stopping}, return_when=asyncio.FIRST_COMPLETED)
                arriving.cancel()
                self._arrived.clear()
                await self._send_all()
            await self._send_all()
        finally:
            stopping.cancel()

    async def _send_all(self) -> None:
        while self._waiting:
            count = min(_BATCH, len(self._waiting))
            batch = [self._waiting.popleft() for _ in range(count)]
            self._metrics.waiting.set(len(self._waiting))
            taken = await asyncio.gather(*(self._send(each, batch) for each in self._outside))
            if not any(taken):
                self._metrics.dropped.inc(len(batch))

    async def _send(self, outside: "_Outside", batch: Sequence[PostedAlert]) -> bool:
        now_ms = self._clock.now_ms()
        outcome = await asyncio.to_thread(outside.send, batch, now_ms)
        if outcome.verdict is Verdict.RETRY:
            outcome = await asyncio.to_thread(outside.send, batch, now_ms)
        if outcome.verdict is Verdict.DELIVERED:
            self._metrics.sent.labels(outside.url).inc(len(batch))
            return True
        self._metrics.errors.labels(outside.url).inc(len(batch))
        _log.warning("alerts_not_forwarded", alertmanager=outside.url, reason=outcome.detail)
        return False


class _Outside:
    """One Alertmanager."""

    def __init__(self, url: str, http: HttpSender, relabel: Relabel) -> None:
        require_http_url(url, "alerting.alertmanagers.static_configs.targets")
        self.url = url
        self._http = http
        self._relabel = relabel

    def send(self, batch: Sequence[PostedAlert], now_ms: int) -> Outcome:
        """Post *batch* once, as far as the labels of its alerts are kept."""
        body = [
            _payload(alert, labels, now_ms)
            for alert in batch
            if (labels := self._relabel(alert.labels))
        ]
        if not body:
            return Outcome.delivered()
        secrets = Secrets()
        try:
            return outcome_of(self._http.send(Request.json(self.url, body), secrets), secrets)
        except SecretUnreadableError as error:
            return Outcome.retry(Reason.OTHER, str(error))
        except RequestFailedError as error:
            return error.outcome


def _with_labels(alert: PostedAlert, labels: Labels) -> PostedAlert:
    return PostedAlert(
        labels, alert.annotations, alert.starts_at_ms, alert.ends_at_ms, alert.generator_url
    )


def _payload(alert: PostedAlert, labels: Labels, now_ms: int) -> dict[str, Any]:
    starts_ms = now_ms if alert.starts_at_ms is None else alert.starts_at_ms
    payload: dict[str, Any] = {
        "labels": dict(labels),
        "annotations": dict(alert.annotations),
        "startsAt": rfc3339(starts_ms),
        "generatorURL": alert.generator_url,
    }
    if alert.ends_at_ms is not None:
        payload["endsAt"] = rfc3339(alert.ends_at_ms)
    return payload
