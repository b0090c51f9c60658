"""`ApplicationMonitor`: watches a service from outside, and asks it for its business figures."""

import asyncio
import logging
import math
import ssl
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Self

import aiohttp

from veriscope.collect.probe import HttpProbe, ProbeResult, ProbeTarget
from veriscope.facade.application.business import BusinessPaths
from veriscope.facade.application.export import ApplicationExport, ExporterSource
from veriscope.facade.application.metrics import (
    DEFAULT_ENDPOINTS,
    ApplicationMetrics,
    BusinessMetrics,
    Endpoint,
)
from veriscope.facade.application.polls import NO_JOBS, REQUEST_COUNTERS, BusinessPolls
from veriscope.facade.application.summary import summarise_application, summarise_business
from veriscope.facade.local_time import local_now
from veriscope.facade.windows import BufferAttribute, WindowedBuffer
from veriscope.signals import Clock, InvalidInputError, SystemClock

_PROBE_RATE_WINDOW_S: Final = 60.0


class ApplicationMonitor:
    """
    Probes endpoints of a service and polls its business figures, in the running event loop.

    Every probe and every poll leaves a record, also where the service cannot be reached; all of
    a round run at once, and rounds keep to a monotonic schedule. With an exporter configured
    (`veriscope.configure`) they go to the server too. Raises `InvalidInputError` for arguments
    that cannot work. Usable as `async with`.
    """

    metrics_buffer = BufferAttribute[ApplicationMetrics]()
    business_metrics_buffer = BufferAttribute[BusinessMetrics]()

    def __init__(
        self,
        service_name: str,
        base_url: str,
        *,
        endpoints: Sequence[str | Endpoint] = DEFAULT_ENDPOINTS,
        health: str | Endpoint = "/health",
        interval: float = 5.0,
        timeout: float = 5.0,
        retries: int = 0,
        expected_status: Sequence[int | str] = ("2xx", "3xx"),
        headers: Mapping[str, str] | None = None,
        token: str | None = None,
        verify_tls: bool = True,
        ca_file: str = "",
        business: BusinessPaths | None = None,
        prices: Mapping[str, float] | None = None,
        request_counters: Sequence[str] = REQUEST_COUNTERS,
        exporter: ExporterSource | None = None,
        clock: Clock | None = None,
    ) -> None:
        if not 0 < interval < math.inf:
            raise InvalidInputError(f"interval is {interval}; give seconds greater than 0")
        self.service_name = service_name
        self.base_url = base_url
        self.interval = interval
        self.timeout = timeout
        self.business = business or BusinessPaths()
        self._clock = clock or SystemClock()
        self.metrics_buffer = WindowedBuffer(10_000, self._clock)
        self.business_metrics_buffer = WindowedBuffer(1000, self._clock)
        self.monitoring = False
        self.monitor_thread: asyncio.Task[None] | None = None
        self.logger = logging.getLogger(__name__)
        self.session: aiohttp.ClientSession | None = None

        self._headers = dict(headers or {})
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        self._retries, self._expected_status = retries, tuple(expected_status)
        self._verify_tls, self._ca_file = verify_tls, ca_file
        self._tls = _tls(ca_file, verify=verify_tls)
        self._probe = HttpProbe(self._clock)
        self._health = _endpoint(health)
        self.endpoints = tuple(endpoints)
        self._by_path = {e.path: e for e in endpoints if isinstance(e, Endpoint)}
        for endpoint in (health, *endpoints):
            self._target(_endpoint(endpoint))  # what cannot be probed is refused now
        self._export = ApplicationExport(service_name, exporter)
        self._started_s = self._clock.monotonic_s()
        self._failing: set[str] = set()
        self._polls = BusinessPolls(
            base_url,
            self.business,
            prices,
            request_counters,
            session=self._open_session,
            note=self._note,
            clock=self._clock,
        )

    async def __aenter__(self) -> Self:
        await self.start_monitoring()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop_monitoring()

    async def start_monitoring(self) -> None:
        """Start monitoring in a task of the running loop; nothing happens if it runs already."""
        if self.monitor_thread is not None and not self.monitor_thread.done():
            return
        self.monitoring = True
        self._started_s = self._clock.monotonic_s()
        self._open_session()
        self.monitor_thread = asyncio.create_task(
            self._monitor_loop(), name=f"veriscope-application-{self.service_name}"
        )
        self.logger.info("Application monitoring started for %s", self.service_name)

    async def stop_monitoring(self) -> None:
        """Stop monitoring and wait until its task has ended; nothing happens without one."""
        was_monitoring, self.monitoring = self.monitoring, False
        task, self.monitor_thread = self.monitor_thread, None
        if task is not None and not task.done() and task is not asyncio.current_task():
            task.cancel()
            await asyncio.wait([task])
        await self._close_session()
        if was_monitoring:
            self.logger.info("Application monitoring stopped for %s", self.service_name)

    def get_application_summary(self, duration: int = 300) -> dict[str, Any]:
        """Summarise the probes of the last *duration* seconds; `{}` without any."""
        return summarise_application(self.metrics_buffer.recent(duration), duration)

    def get_business_summary(self, duration: int = 3600) -> dict[str, Any]:
        """
        Summarise the business figures of the last *duration* seconds; `{}` without any.

        `total` of a counter is its increase in that time, resets of the service included.
        """
        everything = list(self.business_metrics_buffer)
        recent = self.business_metrics_buffer.recent(duration)
        older = everything[: len(everything) - len(recent)]
        return summarise_business(older[-1] if older else None, recent, duration)

    async def _monitor_loop(self) -> None:
        due_s = self._clock.monotonic_s()
        try:
            while self.monitoring:
                try:
                    await self._monitor_round()
                except Exception:
                    # Only a method that a subclass replaced can raise; the next round is due.
                    self.logger.exception("A round of application monitoring failed")
                now_s = self._clock.monotonic_s()
                # Rounds that would have begun meanwhile are left out, not made up for.
                due_s += self.interval * max(1, -(-(now_s - due_s) // self.interval))
                await asyncio.sleep(due_s - now_s)
        finally:
            # Also where the loop is torn down without `stop_monitoring`.
            await self._close_session()

    async def _monitor_round(self) -> None:
        await asyncio.gather(
            self._monitor_health(),
            self._monitor_performance_metrics(),
            self._monitor_business_metrics(),
        )

    async def _monitor_health(self) -> None:
        """Probe the health endpoint."""
        await self._probe_endpoint(self._health)

    async def _monitor_performance_metrics(self) -> None:
        """Probe all endpoints at once."""
        # A subclass may replace `_monitor_endpoint` by the document's, which takes a path.
        await asyncio.gather(*map(self._monitor_endpoint, self.endpoints))

    async def _monitor_endpoint(self, endpoint: str | Endpoint) -> None:
        """Probe one endpoint, by its path or as a value of its own."""
        if isinstance(endpoint, str):
            endpoint = self._by_path.get(endpoint) or Endpoint(endpoint)
        await self._probe_endpoint(endpoint)

    async def _probe_endpoint(self, endpoint: Endpoint) -> None:
        result = await self._probe.run(self._target(endpoint))
        metrics = _record(self.service_name, endpoint, result)
        self.metrics_buffer.append(metrics, age_s=0.0)
        self._note(f"{endpoint.method} {endpoint.path}", metrics.error)
        self._export.probe(endpoint, result)

    async def _monitor_business_metrics(self) -> None:
        """Poll the business figures; one that cannot be read is recorded with its reason."""
        polls = self._polls
        users, jobs, usage, (rate, source) = await asyncio.gather(
            polls.guarded("active_users", self._get_active_users(), 0),
            polls.guarded("optimization_jobs", self._get_optimization_jobs(), NO_JOBS),
            polls.guarded("model_usage", self._get_model_usage(), {}),
            self._get_request_rate(),
        )
        reading = BusinessMetrics(
            timestamp=local_now(),
            active_users=users,
            requests_per_second=rate,
            optimization_jobs=jobs.get("total", 0),
            completed_optimizations=jobs.get("completed", 0),
            failed_optimizations=jobs.get("failed", 0),
            model_usage=usage,
            revenue_metrics=await polls.guarded("revenue", polls.revenue(usage), {}),
            errors=dict(polls.faults),
            requests_per_second_source=source,
        )
        self.business_metrics_buffer.append(reading, age_s=0.0)
        self._export.business(reading)

    async def _get_active_users(self) -> int:
        """Return the number of active users; 0 where it cannot be read."""
        return await self._polls.active_users()

    async def _get_optimization_jobs(self) -> Mapping[str, int]:
        """Return `total`, `completed` and `failed` jobs; zeros where they cannot be read."""
        return await self._polls.optimization_jobs()

    async def _get_model_usage(self) -> dict[str, int]:
        """Return the uses of each model; empty where they cannot be read."""
        return await self._polls.model_usage()

    async def _get_request_rate(self) -> tuple[float, str]:
        """
        Return requests per second and what was counted.

        `service`: its own counter of requests. `probes`: those of this monitor, where the
        service exposes no such counter. Empty where there is a counter and no rate yet or now.
        """
        polls = self._polls
        rate = await polls.guarded("requests_per_second", polls.request_rate(), math.nan)
        if rate is None:
            return self._probe_rate(), "probes"
        return (0.0, "") if math.isnan(rate) else (rate, "service")

    def _probe_rate(self) -> float:
        """Return the probes per second of the last minute, or since monitoring began."""
        since_s = self._clock.monotonic_s() - self._started_s
        window_s = max(1.0, min(_PROBE_RATE_WINDOW_S, since_s))
        return len(self.metrics_buffer.recent(window_s)) / window_s

    def _note(self, what: str, error: str) -> None:
        """Log where something begins to fail or recovers, and not each time between."""
        if error and what not in self._failing:
            self._failing.add(what)
            self.logger.warning("%s: %s fails: %s", self.service_name, what, error)
        elif not error and what in self._failing:
            self._failing.discard(what)
            self.logger.info("%s: %s works again", self.service_name, what)

    def _url(self, path: str) -> str:
        return self.base_url.rstrip("/") + path

    def _target(self, endpoint: Endpoint) -> ProbeTarget:
        body, described = endpoint.encoded_body()
        return ProbeTarget(
            self._url(endpoint.path),
            method=endpoint.method,
            headers={**described, **self._headers, **endpoint.headers},
            body=body,
            timeout_s=endpoint.timeout or self.timeout,
            retries=self._retries,
            expected_status=(
                self._expected_status
                if endpoint.expected_status is None
                else endpoint.expected_status
            ),
            max_body_bytes=endpoint.max_body_bytes,
            body_check=endpoint.body_check,
            verify_tls=self._verify_tls,
            ca_file=self._ca_file,
        )

    def _open_session(self) -> aiohttp.ClientSession:
        """Return the session of polls; they keep their connections, unlike probes."""
        if self.session is None or self.session.closed:
            self.session = aiohttp.ClientSession(
                headers=self._headers,
                timeout=aiohttp.ClientTimeout(total=self.timeout),
                cookie_jar=aiohttp.DummyCookieJar(),
                connector=aiohttp.TCPConnector(ssl=self._tls),
            )
        return self.session

    async def _close_session(self) -> None:
        session, self.session = self.session, None
        if session is not None:
            await session.close()


def _tls(ca_file: str, *, verify: bool) -> ssl.SSLContext | bool:
    if not (verify and ca_file):
        return verify
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise InvalidInputError(
            f"ca_file {ca_file!r} cannot be used: {error}; give a PEM file of certificates"
        ) from error


def _endpoint(given: str | Endpoint) -> Endpoint:
    return Endpoint(given) if isinstance(given, str) else given


def _record(service_name: str, endpoint: Endpoint, result: ProbeResult) -> ApplicationMetrics:
    return ApplicationMetrics(
        timestamp=local_now(),
        service_name=service_name,
        endpoint=endpoint.path,
        method=endpoint.method,
        response_time=result.duration_s,
        status_code=result.status_code,
        request_size=result.request_bytes,
        response_size=result.body_bytes,
        error_count=int(not result.success),
        success_count=int(result.success),
        reason=result.reason.value if result.reason else "",
        error=result.error,
        phases=result.phases.by_name(),
        retries=result.retries,
        redirects=result.redirects,
        response_header_size=result.header_bytes,
        tls_version=result.tls_version,
        tls_expiry=result.tls_expiry_s,
    )
