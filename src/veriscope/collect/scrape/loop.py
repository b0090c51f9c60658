"""The scrape loop of one target: fetch, read, report, hand over, at its place in the interval."""

import asyncio
from dataclasses import dataclass
from typing import Final

from veriscope.collect.scrape.client import Answer, HttpClient
from veriscope.collect.scrape.job import Job
from veriscope.collect.scrape.metrics import ScrapeMetrics
from veriscope.collect.scrape.target import ActiveTarget, Health, Target
from veriscope.collect.scrape.target_series import SampleLimitError, Scraped, TargetSeries
from veriscope.collect.sink import Sink
from veriscope.signals import (
    Clock,
    Labels,
    LimitExceededError,
    OverloadedError,
    SampleBatch,
    VeriscopeError,
)
from veriscope.signals.log import get_log
from veriscope.wire.exposition import accept_header, select_parser

_log = get_log(__name__)

_REPORTS: Final = (
    "up",
    "scrape_duration_seconds",
    "scrape_samples_scraped",
    "scrape_samples_post_metric_relabeling",
    "scrape_series_added",
)
_EXTRA_REPORTS: Final = (
    "scrape_timeout_seconds",
    "scrape_sample_limit",
    "scrape_body_size_bytes",
)
_INLINE_BYTES: Final = 65_536
"""Bodies up to this size are parsed on the event loop, in about a millisecond once known."""
_TOLERANCE_MS: Final = 2
"""How far a scrape may be from its due time to be stamped with it, as in Prometheus."""
_FIRST_RETRY_S: Final = 0.1
_LAST_RETRY_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every loop of a scraper shares."""

    sink: Sink
    clock: Clock
    metrics: ScrapeMetrics


@dataclass(slots=True)
class _Outcome:
    """How a scrape went; `error` is empty where it succeeded."""

    scraped: Scraped | None = None
    error: str = ""
    exposed: int = 0
    kept: int = 0
    body_bytes: int = 0


class ScrapeLoop:
    """Scrapes one target until it is cancelled; `end` then marks its series stale."""

    def __init__(
        self,
        job: Job,
        target: Target,
        client: HttpClient,
        surroundings: Surroundings,
        *,
        live: tuple[Labels, ...] = (),
    ) -> None:
        reports = _REPORTS + (_EXTRA_REPORTS if job.config.extra_scrape_metrics else ())
        self.target = target
        self.forced_error = ""
        """Fails every scrape while it is not empty."""
        self._job = job
        self._client = client
        self._around = surroundings
        self._series = TargetSeries(job, target.labels, reports, live)
        self._headers = _request_headers(job, target)
        self._error = ""
        self._scraped_ms = 0
        self._duration_s = 0.0
        self._sink_failing = False

    def live(self) -> tuple[Labels, ...]:
        """Return the series that must go stale, unless a loop that follows goes on with them."""
        return self._series.live()

    def status(self) -> ActiveTarget:
        """Return the target and how its last scrape went."""
        health = Health.DOWN if self._error else Health.UP
        return ActiveTarget(
            discovered_labels=self.target.discovered,
            labels=self.target.labels,
            scrape_pool=self._job.name,
            scrape_url=self.target.url,
            global_url=self.target.url,
            last_error=self._error,
            last_scrape_ms=self._scraped_ms,
            last_scrape_duration_s=self._duration_s,
            health=health if self._scraped_ms else Health.UNKNOWN,
            scrape_interval=self.target.interval,
            scrape_timeout=self.target.timeout,
        )

    async def run(self) -> None:
        """Scrape at the target's place in each interval, until cancelled."""
        loop = asyncio.get_running_loop()
        interval_ms = int(self.target.interval)
        now_ms = self._around.clock.now_ms()
        wait_ms = (self.target.offset_ms() - now_ms) % interval_ms
        due_ms, due_s = now_ms + wait_ms, loop.time() + wait_ms / 1000
        while True:
            await asyncio.sleep(due_s - loop.time())
            now_ms = self._around.clock.now_ms()
            if abs(now_ms - due_ms) > _TOLERANCE_MS:
                due_ms = now_ms
            missed = max(0, int((loop.time() - due_s) * 1000 // interval_ms))
            due_s += (missed + 1) * interval_ms / 1000
            await self._scrape(due_ms, deadline_s=due_s)
            due_ms += (missed + 1) * interval_ms

    async def end(self) -> None:
        """Mark all that is live as stale; call it when the target has gone for good."""
        batch = self._series.end(self._around.clock.now_ms())
        if len(batch):
            deadline_s = asyncio.get_running_loop().time() + self.target.interval.seconds
            await self._deliver(batch, deadline_s)

    async def _scrape(self, time_ms: int, deadline_s: float) -> None:
        started_s = self._around.clock.monotonic_s()
        outcome = await self._attempt(time_ms)
        self._duration_s = self._around.clock.monotonic_s() - started_s
        self._note(outcome, time_ms)
        batch = self._series.batch(outcome.scraped, self._reports(outcome), time_ms)
        if await self._deliver(batch, deadline_s):
            self._series.commit()

    async def _attempt(self, time_ms: int) -> _Outcome:
        """Fetch and read; any failure becomes the outcome's error."""
        outcome = _Outcome(error=self.forced_error)
        if self.forced_error:
            return outcome
        try:
            answer = await self._fetch()
            outcome.body_bytes = len(answer.body)
            outcome.scraped = await self._read(answer, time_ms)
            outcome.exposed, outcome.kept = outcome.scraped.exposed, outcome.scraped.kept
        except TimeoutError:
            outcome.error = f"no complete answer within scrape_timeout ({self.target.timeout})"
        except SampleLimitError as error:
            outcome.error, outcome.exposed, outcome.kept = str(error), error.exposed, error.kept
        except VeriscopeError as error:
            outcome.error = str(error)
            if isinstance(error, LimitExceededError) and not outcome.body_bytes:
                outcome.body_bytes = -1
        except Exception as error:  # noqa: BLE001 one target must not end all scraping
            _log.exception("scrape broke", job=self._job.name, url=self.target.url)
            outcome.error = f"{type(error).__name__}: {error}"
        return outcome

    async def _fetch(self) -> Answer:
        async with asyncio.timeout(self.target.timeout.seconds):
            return await self._client.get(
                self.target.url, self._headers, limit=self._job.body_size_limit
            )

    async def _read(self, answer: Answer, time_ms: int) -> Scraped:
        parser = select_parser(answer.content_type, self._job.config.fallback_scrape_protocol)
        if len(answer.body) <= _INLINE_BYTES:
            return self._series.read(answer.body, parser, time_ms)
        return await asyncio.to_thread(self._series.read, answer.body, parser, time_ms)

    def _note(self, outcome: _Outcome, time_ms: int) -> None:
        metrics = self._around.metrics
        metrics.scrapes.labels("failure" if outcome.error else "success").inc()
        metrics.duration.observe(self._duration_s)
        if outcome.error and outcome.error != self._error:
            _log.warning(
                "scrape failed", job=self._job.name, url=self.target.url, error=outcome.error
            )
        if outcome.scraped is not None and outcome.scraped.duplicates:
            metrics.duplicate_samples.inc(outcome.scraped.duplicates)
            _log.warning(
                "duplicate samples left out",
                job=self._job.name,
                url=self.target.url,
                count=outcome.scraped.duplicates,
            )
        self._error, self._scraped_ms = outcome.error, time_ms

    def _reports(self, outcome: _Outcome) -> tuple[float, ...]:
        reports = (
            float(not outcome.error),
            self._duration_s,
            float(outcome.exposed),
            float(outcome.kept),
            float(outcome.scraped.added if outcome.scraped else 0),
        )
        if not self._job.config.extra_scrape_metrics:
            return reports
        succeeded = not outcome.error or outcome.body_bytes < 0
        return (
            *reports,
            self.target.timeout.seconds,
            float(self._job.sample_limit),
            float(outcome.body_bytes if succeeded else 0),
        )

    async def _deliver(self, batch: SampleBatch, deadline_s: float) -> bool:
        """Hand *batch* over, again while the sink is overloaded and time is left."""
        loop = asyncio.get_running_loop()
        pause_s = _FIRST_RETRY_S
        while True:
            try:
                await self._hand_over(batch)
            except Exception as error:  # noqa: BLE001 a broken sink must not end the loop
                self._note_sink_error(error)
                if not isinstance(error, OverloadedError) or loop.time() + pause_s >= deadline_s:
                    self._around.metrics.dropped_samples.inc(len(batch))
                    return False
            else:
                self._sink_failing = False
                return True
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LAST_RETRY_S)

    async def _hand_over(self, batch: SampleBatch) -> None:
        """Call the sink; a call in flight is let finish when the loop is cancelled."""
        call = asyncio.ensure_future(self._around.sink(batch))
        try:
            await asyncio.shield(call)
        except asyncio.CancelledError:
            await asyncio.wait([call])
            if call.exception() is None:
                self._series.commit()
            raise

    def _note_sink_error(self, error: Exception) -> None:
        self._around.metrics.sink_errors.inc()
        if not self._sink_failing:
            _log.warning("samples not taken", job=self._job.name, error=str(error))
        self._sink_failing = True


def _request_headers(job: Job, target: Target) -> dict[str, str]:
    return {
        "Accept": accept_header(job.protocols),
        "Accept-Encoding": "gzip" if job.config.enable_compression else "identity",
        "User-Agent": "Veriscope",
        "X-Prometheus-Scrape-Timeout-Seconds": f"{target.timeout.seconds:g}",
    }
