"""A dead man's switch: tells somebody elsewhere again and again that this server is watching."""

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

import msgspec
import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge

from veriscope.alert.notify.http.config import HttpConfig, require_http_url
from veriscope.alert.notify.http.sender import (
    HttpSender,
    Request,
    RequestFailedError,
    outcome_of,
)
from veriscope.alert.notify.outcome import Outcome, Reason, Verdict
from veriscope.alert.notify.sending import Secrets, SecretUnreadableError
from veriscope.signals import Clock, Duration, Secret, VeriscopeError, require_at_least

if TYPE_CHECKING:
    # An agent reads the same configuration and evaluates no rules.
    from veriscope.rules import GroupState

_log = structlog.get_logger(__name__)
_LATE_INTERVALS: Final = 3
_STARTING_S: Final = 60.0


class HeartbeatOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who misses this server when it falls silent."""

    url: Secret | None = None
    """Where to post; it may hold a token, and is never shown. Without one nobody is told."""
    url_file: str | None = None
    """File that holds the URL, read for each post."""
    interval: Duration = Duration(60_000)
    """How often."""
    http_config: HttpConfig = HttpConfig()
    """Authorization, TLS, proxy."""

    def __post_init__(self) -> None:
        require_at_least(self, 1_000, "interval")
        if self.url is not None and self.url_file is not None:
            raise ValueError("give url or url_file, not both")
        if self.url is not None:
            try:
                require_http_url(self.url.reveal(), "heartbeat.url")
            except VeriscopeError as error:
                raise ValueError(str(error)) from error


class Heartbeat:
    """
    Posts to the URL of *options* while rules are evaluated and the store answers.

    A post says that alerts would be noticed. So none is sent while a group of rules is more than
    three of its intervals late, or *check*, which blocks, raises. The dispatcher of notifications
    runs on the same event loop: where that hangs, so does this.
    """

    def __init__(
        self,
        options: HeartbeatOptions,
        *,
        rules: "Callable[[], Sequence[GroupState]]",
        check: Callable[[], None],
        clock: Clock,
        registry: CollectorRegistry,
    ) -> None:
        self._options = options
        self._rules = rules
        self._check = check
        self._clock = clock
        self._began_s = clock.monotonic_s()
        self._http = HttpSender(options.http_config)
        self._sent = Counter(
            "veriscope_heartbeats_total",
            "Heartbeats that arrived.",
            registry=registry,
        )
        self._failed = Counter(
            "veriscope_heartbeats_failed_total",
            "Heartbeats that were to be sent and did not arrive.",
            registry=registry,
        )
        self._withheld = Gauge(
            "veriscope_heartbeat_withheld",
            "Whether heartbeats are withheld because rules or store are stuck.",
            registry=registry,
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Post at each interval until *stop* is set; at once, where there is nobody to tell."""
        if self._options.url is None and self._options.url_file is None:
            await stop.wait()
            return
        while not stop.is_set():
            await self.beat()
            try:
                async with asyncio.timeout(self._options.interval.seconds):
                    await stop.wait()
            except TimeoutError:
                continue

    async def beat(self) -> bool:
        """Post once, unless something is stuck; tell whether it arrived."""
        reason = self._late_group() or await asyncio.to_thread(self._store_fault)
        self._withheld.set(bool(reason))
        if reason:
            _log.error("heartbeat_withheld", reason=reason)
            return False
        outcome = await asyncio.to_thread(self._post)
        arrived = outcome.verdict is Verdict.DELIVERED
        (self._sent if arrived else self._failed).inc()
        if not arrived:
            _log.warning("heartbeat_failed", reason=outcome.detail)
        return arrived

    def _late_group(self) -> str:
        """Return which group of rules is late, or nothing."""
        now_ms = self._clock.now_ms()
        up_s = self._clock.monotonic_s() - self._began_s
        for state in self._rules():
            allowed_ms = _LATE_INTERVALS * state.interval_ms + _STARTING_S * 1000
            since_ms = min(now_ms - state.evaluated_ms, up_s * 1000)
            if since_ms > allowed_ms:
                return f"group {state.group.name} was last evaluated {since_ms / 1000:.0f} s ago"
        return ""

    def _store_fault(self) -> str:
        try:
            self._check()
        except VeriscopeError as error:
            return f"the store does not answer: {error}"
        return ""

    def _post(self) -> Outcome:
        options, secrets = self._options, Secrets()
        try:
            url = secrets.read(options.url, options.url_file, "heartbeat.url")
            answer = self._http.send(Request.json(url, {"status": "alive"}), secrets)
        except SecretUnreadableError as error:
            return Outcome.retry(Reason.OTHER, str(error))
        except RequestFailedError as error:
            return error.outcome
        return outcome_of(answer, secrets)
