"""The set of checks of a service, and how they are run."""

import asyncio
import threading
from collections.abc import Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, replace
from typing import Any, Final

from prometheus_client import REGISTRY, CollectorRegistry

from veriscope.instrument.forking import in_forked_child
from veriscope.instrument.health.flight import Check, Flight
from veriscope.instrument.health.metrics import metrics_of
from veriscope.instrument.health.result import CheckResult, CheckStatus, Outcome, Report
from veriscope.signals import Clock, InvalidInputError, SystemClock
from veriscope.signals.log import get_log

_log = get_log(__name__)
_MAX_CHECKS: Final = 100


@dataclass(frozen=True, slots=True)
class _Entry:
    """A check and how it is to be run."""

    name: str
    check: Check
    timeout_s: float
    cache_s: float
    critical: bool
    after: tuple[str, ...]


class HealthChecks:
    """
    Checks of what a service needs; safe from any thread and from asyncio.

    Checks run beside each other, each at most once at a time however many ask: who asks during
    a run gets the answer of that run. A check that hangs keeps one thread and no more; until it
    ends it is reported as still running.
    """

    def __init__(
        self,
        service_name: str,
        version: str = "",
        *,
        registry: CollectorRegistry | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.service_name: Final = service_name
        self.version: Final = version
        self._metrics = metrics_of(registry or REGISTRY)
        self._clock = clock or SystemClock()
        self._entries: dict[str, _Entry] = {}
        self._last: dict[str, CheckStatus] = {}
        self._reset()
        in_forked_child(self, HealthChecks._reset)

    def add(
        self,
        name: str,
        check: Check,
        *,
        timeout_s: float = 5.0,
        cache_s: float = 5.0,
        critical: bool = True,
        after: Iterable[str] = (),
    ) -> None:
        """
        Add *check* as *name*.

        It is healthy when it returns None, True, a `CheckResult` with `ok`, or a string, which
        then stands for `healthy`; it is unhealthy when it returns False, raises, or gives no
        answer within *timeout_s* seconds. Its outcome is kept for *cache_s* seconds. Only a
        *critical* check makes the service unhealthy. It is skipped while one of *after* is not
        healthy. Raises `InvalidInputError` for a name that is taken and for a name in *after*
        that was not added before, which also leaves no room for cycles.
        """
        after = (after,) if isinstance(after, str) else tuple(after)
        if not name or name in self._entries:
            raise InvalidInputError(f"a check needs a name of its own; {name!r} is taken or empty")
        if unknown := [wanted for wanted in after if wanted not in self._entries]:
            raise InvalidInputError(
                f"check {name!r} is to run after {', '.join(map(repr, unknown))}, which must be"
                " added before it; checks cannot wait for each other in a cycle"
            )
        if timeout_s <= 0 or cache_s < 0:
            raise InvalidInputError("timeout_s must be positive, cache_s not negative")
        if len(self._entries) >= _MAX_CHECKS:
            raise InvalidInputError(f"more than {_MAX_CHECKS} checks")
        entry = _Entry(name, check, timeout_s, cache_s, critical, after)
        # A new dictionary, so that a run in another thread keeps the one it began with.
        self._entries = {**self._entries, name: entry}
        self._metrics.declare(self.service_name, name)

    def run(self) -> dict[str, Any]:
        """
        Run the checks that are due and return the document's JSON; blocks until they ended.

        In asyncio use `run_async`.
        """
        return self.report().as_document()

    async def run_async(self) -> dict[str, Any]:
        """Run the checks that are due and return the document's JSON."""
        return (await self.report_async()).as_document()

    def report(self) -> Report:
        """Run the checks that are due and return all outcomes; blocks until they ended."""
        future, is_first = self._join()
        if is_first:
            self._execute(future, None)
        return future.result()

    async def report_async(self) -> Report:
        """Run the checks that are due and return all outcomes."""
        future, is_first = self._join()
        if is_first:
            self._execute_beside(future, asyncio.get_running_loop())
        # A caller that goes away must not take the answer from the others.
        return await asyncio.shield(asyncio.wrap_future(future))

    def _reset(self) -> None:
        """Forget what runs: threads do not survive a fork."""
        self._lock = threading.Lock()
        self._current: Future[Report] | None = None
        self._flights: dict[str, Flight] = {}
        self._kept: dict[str, tuple[float, Outcome]] = {}

    def _join(self) -> tuple["Future[Report]", bool]:
        """Return the run in progress, or a new one that the caller is to execute."""
        with self._lock:
            if self._current is not None:
                return self._current, False
            self._current = Future()
            return self._current, True

    def _execute_beside(self, future: "Future[Report]", loop: asyncio.AbstractEventLoop) -> None:
        thread = threading.Thread(
            target=self._execute, args=(future, loop), name="veriscope-health", daemon=True
        )
        try:
            thread.start()
        except RuntimeError as error:  # the machine gives no more threads
            self._finish()
            future.set_exception(error)

    def _execute(self, future: "Future[Report]", loop: asyncio.AbstractEventLoop | None) -> None:
        try:
            outcomes = self._outcomes(self._entries, loop)
            now_s = self._clock.now_ms() / 1000
            report = Report(self.service_name, self.version, now_s, outcomes)
        except BaseException as error:  # noqa: BLE001 - whoever waits must hear of it
            self._finish()
            future.set_exception(error)
        else:
            self._finish()
            future.set_result(report)

    def _finish(self) -> None:
        with self._lock:
            self._current = None

    def _outcomes(
        self, entries: Mapping[str, _Entry], loop: asyncio.AbstractEventLoop | None
    ) -> tuple[Outcome, ...]:
        found: dict[str, Outcome] = {}
        flying: dict[str, Flight] = {}
        while len(found) < len(entries):
            before = len(found)
            for name, entry in entries.items():
                ready = all(wanted in found for wanted in entry.after)
                if name in found or name in flying or not ready:
                    continue
                outcome = self._known(entry, found)
                if outcome is None:
                    flying[name] = self._launch(entry, loop)
                else:
                    found[name] = outcome
            if len(found) == before:
                self._land(entries, flying, found)
        return tuple(found[name] for name in entries)

    def _known(self, entry: _Entry, found: Mapping[str, Outcome]) -> Outcome | None:
        """Return the outcome of *entry* where it need not run, or must not."""
        for wanted in entry.after:
            if not found[wanted].ok:
                reason = f"{wanted} is {found[wanted].status.value}"
                outcome = self._outcome(entry, CheckResult(ok=False, reason=reason), 0.0)
                return self._noted(replace(outcome, status=CheckStatus.SKIPPED))
        now_s = self._clock.monotonic_s()
        if entry.name in self._kept:
            found_s, kept = self._kept[entry.name]
            if now_s - found_s < entry.cache_s:
                return replace(kept, cached=True, age_s=now_s - found_s)
        flight = self._flights.get(entry.name)
        if flight is not None and flight.is_running:
            since_s = now_s - flight.started_s
            reason = f"still running after {since_s:.1f} s (timeout {entry.timeout_s:g} s)"
            return self._noted(self._outcome(entry, CheckResult(ok=False, reason=reason), since_s))
        return None

    def _launch(self, entry: _Entry, loop: asyncio.AbstractEventLoop | None) -> Flight:
        flight = Flight(entry.name, entry.check, loop, self._clock.monotonic_s())
        self._flights[entry.name] = flight
        return flight

    def _land(
        self,
        entries: Mapping[str, _Entry],
        flying: dict[str, Flight],
        found: dict[str, Outcome],
    ) -> None:
        """Wait until one check has ended or run out of time, and take in all that have."""
        now_s = self._clock.monotonic_s()
        left = {
            name: flight.started_s + entries[name].timeout_s - now_s
            for name, flight in flying.items()
        }
        futures = [flight.future for flight in flying.values()]
        wait(futures, timeout=max(min(left.values()), 0), return_when=FIRST_COMPLETED)
        now_s = self._clock.monotonic_s()
        for name, flight in list(flying.items()):
            entry, took_s = entries[name], now_s - flight.started_s
            if not flight.future.done() and took_s < entry.timeout_s:
                continue
            outcome = self._outcome(entry, _result(flight, entry), flight.took_s or took_s)
            self._noted(outcome)
            self._kept[name] = (now_s, outcome)
            found[name] = outcome
            del flying[name]

    def _outcome(self, entry: _Entry, result: CheckResult, duration_s: float) -> Outcome:
        status = CheckStatus.HEALTHY if result.ok else CheckStatus.UNHEALTHY
        time_s = self._clock.now_ms() / 1000
        return Outcome(entry.name, status, result, entry.critical, duration_s, time_s)

    def _noted(self, outcome: Outcome) -> Outcome:
        self._metrics.note(self.service_name, outcome)
        last = self._last.get(outcome.name)
        self._last[outcome.name] = outcome.status
        if last not in (None, outcome.status):
            log = _log.info if outcome.ok else _log.warning
            log("health check changed", check=outcome.name, found=outcome.text)
        return outcome


def _result(flight: Flight, entry: _Entry) -> CheckResult:
    """Return what the check of *flight* answered, or that it did not."""
    if not flight.future.done():
        flight.give_up()
        return CheckResult(ok=False, reason=f"no answer within {entry.timeout_s:g} s")
    if flight.future.cancelled():
        return CheckResult(ok=False, reason="it was cancelled")
    error = flight.future.exception()
    if error is not None:
        return CheckResult(ok=False, reason=str(error) or type(error).__name__)
    return _read(flight.future.result())


def _read(answer: object) -> CheckResult:
    """Return what an answer means; see `HealthChecks.add`."""
    match answer:
        case CheckResult():
            return answer
        case None | True:
            return CheckResult()
        case str():
            return CheckResult(text=answer)
        case False:
            return CheckResult(ok=False, reason="the check returned False")
    kind = type(answer).__name__
    return CheckResult(ok=False, reason=f"the check returned a {kind}, which says nothing")
