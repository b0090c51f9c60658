"""Gathers evidence: every part on its own, all of them until one deadline."""

import asyncio
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias
from urllib.parse import urlencode

import structlog

from veriscope.insight.evidence import curve, history, host, neighbours, telemetry
from veriscope.insight.evidence.asking import (
    Asking,
    Case,
    EvidenceSources,
    NothingToSayError,
    Part,
)
from veriscope.insight.evidence.expression import Expression, expression_of
from veriscope.signals import Clock, Duration, VeriscopeError
from veriscope.signals.evidence import Evidence, FiringAlerts

_log = structlog.get_logger(__name__)
_THREADS: Final = 2  # what evaluates rules and answers people goes on beside it
_DAY_MS: Final = 86_400_000
_VIEW_MS: Final = 3_600_000
_Outcome: TypeAlias = tuple[str, Mapping[str, Any], str]
"""A part's name, the fields it found, and why it found none."""
_RUNBOOKS: Final = ("runbook_url", "runbook")
PARTS: Final[Mapping[str, Part]] = {
    "graph": curve.draw,
    "values": curve.tell_values,
    "events": telemetry.find_events,
    "log patterns": telemetry.find_patterns,
    "traces": telemetry.find_traces,
    "changed series": neighbours.find_changed,
    "host": host.find_host,
    "hints": history.find_hints,
}
"""The most telling first: it is they that are there where time runs out."""


class EvidenceGatherer:
    """
    Finds out what there is to see around alerts that begin to fire.

    Links begin with *external_url*. `close` at the end.
    """

    def __init__(self, sources: EvidenceSources, *, external_url: str, clock: Clock) -> None:
        self._sources = sources
        self._external_url = external_url
        self._clock = clock
        self._threads = ThreadPoolExecutor(_THREADS, "evidence")

    def close(self) -> None:
        """Begin nothing more; what is under way ends by its deadline."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def gather(self, firing: FiringAlerts, *, deadline_s: float = 1.8) -> Evidence:
        """
        Return what was found within *deadline_s* seconds; never raises for a part of it.

        Parts that failed, came too late or make no sense for these alerts are named in `missing`
        with the reason.
        """
        asking = Asking(self._sources, self._clock, self._clock.monotonic_s() + deadline_s)
        expression = expression_of(firing.generator_urls)
        now_ms = self._clock.now_ms()
        before = asyncio.wrap_future(
            self._threads.submit(_onset_ms, firing, expression, now_ms, asking)
        )
        missing = dict.fromkeys(PARTS, "not ready in time")
        fields: dict[str, Any] = {}
        work: list[Future[_Outcome]] = []
        try:
            async with asyncio.timeout(deadline_s):
                case = Case(firing, expression, await before, now_ms)
                work = [
                    self._threads.submit(_run, name, part, case, asking)
                    for name, part in PARTS.items()
                ]
                await asyncio.wait([asyncio.wrap_future(each) for each in work])
        except TimeoutError:
            asking.cancel.cancel()
        for future in work:
            if not future.cancel() and future.done():
                name, found, missing[name] = future.result()
                fields |= found
        return Evidence(
            gathered_ms=now_ms,
            view_url=self._view_url(firing, expression, now_ms),
            runbook_url=_runbook(firing),
            missing=tuple(f"{name}: {reason}" for name, reason in missing.items() if reason),
            **fields,
        )

    def _view_url(self, firing: FiringAlerts, expression: Expression | None, now_ms: int) -> str:
        if expression is None:
            return ""
        end = datetime.fromtimestamp(now_ms / 1000, UTC)
        span_ms = _VIEW_MS + min(max(0, now_ms - firing.starts_at_ms), _DAY_MS)
        asked = {
            "g0.expr": expression.shown,
            "g0.range_input": str(Duration(span_ms // 60_000 * 60_000)),
            "g0.end_input": f"{end:%Y-%m-%d %H:%M:%S}",
            "g0.tab": "0",
        }
        return f"{self._external_url}/graph?{urlencode(asked)}"


def _onset_ms(
    firing: FiringAlerts, expression: Expression | None, now_ms: int, asking: Asking
) -> int:
    """Return since when the condition holds: of a rule with `for` that is before it fires."""
    starts_ms = min(firing.starts_at_ms, now_ms)
    case = Case(firing, expression, starts_ms, now_ms)
    try:
        selector = history.selector_of(case)
        found = asking.instant(f"min(ALERTS_FOR_STATE{{{selector}}})", now_ms)
    except (NothingToSayError, VeriscopeError):
        return starts_ms
    if not len(found.labels):
        return starts_ms
    active_ms = int(found.values[0, 0] * 1000)
    # An older alert of the same name and place says nothing of these.
    return active_ms if starts_ms - _DAY_MS < active_ms <= starts_ms else starts_ms


def _runbook(firing: FiringAlerts) -> str:
    annotations = dict(firing.common_annotations)
    found = (annotations.get(name, "") for name in _RUNBOOKS)
    return next((url for url in found if url.startswith(("http://", "https://"))), "")


def _run(name: str, part: Part, case: Case, asking: Asking) -> _Outcome:
    """Find one part; called in a thread."""
    try:
        return name, part(case, asking), ""
    except (NothingToSayError, VeriscopeError) as error:
        return name, {}, str(error)
    except Exception as error:  # noqa: BLE001 - whatever it was, the other parts are told
        _log.exception("evidence_part_failed", part=name)
        return name, {}, f"internal error ({type(error).__name__}), see the server's log"
