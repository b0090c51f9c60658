"""What checks find, and the two JSON documents made of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from veriscope.instrument.health.redaction import redacted

_MAX_REASON: Final = 500


class CheckStatus(StrEnum):
    """How a check ended."""

    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    SKIPPED = "skipped"
    """It was not run, since a check that it depends on is not healthy."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """
    What a check found, where it has more to say than yes or no.

    *text* stands in the document instead of `healthy`, as `no_gpu`. *observed* with *unit* and
    *component_type* (`component`, `datastore` or `system`) are those of health+json.
    """

    ok: bool = True
    reason: str = ""
    text: str = ""
    observed: float | int | str | None = None
    unit: str = ""
    component_type: str = "component"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one check in one report."""

    name: str
    status: CheckStatus
    result: CheckResult
    critical: bool
    duration_s: float
    time_s: float
    """When it was found, Unix seconds."""
    age_s: float = 0.0
    """How old it is, where it comes from the cache."""
    cached: bool = False

    @property
    def ok(self) -> bool:
        """Whether the check is healthy."""
        return self.status is CheckStatus.HEALTHY

    @property
    def reason(self) -> str:
        """Why it is not healthy; without credentials, bounded. Empty where it is."""
        return "" if self.ok else redacted(self.result.reason)[:_MAX_REASON]

    @property
    def text(self) -> str:
        """The words of the document: `healthy`, `no_gpu`, `unhealthy: …`, `skipped: …`."""
        if self.ok:
            return self.result.text or self.status.value
        return f"{self.status.value}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Report:
    """All outcomes of one run, in the order in which the checks were added."""

    service_name: str
    version: str
    time_s: float
    outcomes: tuple[Outcome, ...]

    @property
    def healthy(self) -> bool:
        """Whether every critical check is healthy."""
        return all(outcome.ok or not outcome.critical for outcome in self.outcomes)

    @property
    def degraded(self) -> tuple[str, ...]:
        """Names of the checks that are not healthy and not critical."""
        return tuple(o.name for o in self.outcomes if not (o.ok or o.critical))

    def as_document(self) -> dict[str, Any]:
        """Return the JSON of the document, with `details`, `degraded`, `service` and `version`."""
        return {
            "timestamp": self.time_s,
            "status": "healthy" if self.healthy else "unhealthy",
            "checks": {outcome.name: outcome.text for outcome in self.outcomes},
            "details": {outcome.name: _details(outcome) for outcome in self.outcomes},
            "degraded": list(self.degraded),
            "service": self.service_name,
            "version": self.version,
        }

    def as_health_json(self) -> dict[str, Any]:
        """Return the JSON of draft-inadarei-api-health-check-06 (`application/health+json`)."""
        status = "fail" if not self.healthy else "warn" if self.degraded else "pass"
        document: dict[str, Any] = {
            "status": status,
            "version": self.version,
            "serviceId": self.service_name,
            "checks": {outcome.name: [_check(outcome)] for outcome in self.outcomes},
        }
        if status != "pass":
            document["output"] = "; ".join(
                f"{o.name}: {o.reason}" for o in self.outcomes if not o.ok
            )
        return {key: value for key, value in document.items() if value != ""}


def _details(outcome: Outcome) -> Mapping[str, Any]:
    return {
        "status": outcome.status.value,
        "duration_ms": round(outcome.duration_s * 1000, 3),
        "reason": outcome.reason,
        "critical": outcome.critical,
        "cached": outcome.cached,
        "age_s": round(outcome.age_s, 3),
        "observed": outcome.result.observed,
        "unit": outcome.result.unit,
    }


def _check(outcome: Outcome) -> Mapping[str, Any]:
    failed = "fail" if outcome.critical else "warn"
    check = {
        "componentType": outcome.result.component_type,
        "observedValue": outcome.result.observed,
        "observedUnit": outcome.result.unit,
        "status": "pass" if outcome.ok else failed,
        "time": datetime.fromtimestamp(outcome.time_s, UTC).isoformat(timespec="milliseconds"),
        "output": "" if outcome.ok else outcome.reason,
    }
    return {key: value for key, value in check.items() if value not in ("", None)}
