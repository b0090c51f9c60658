"""How alerts become incidents."""

from typing import Final

import msgspec

from veriscope.signals import Duration

_FIVE_MINUTES: Final = Duration.parse("5m")


class IncidentOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which alerts belong together, and when an incident has ended."""

    window: Duration = _FIVE_MINUTES
    """How long after its latest alert another one of the same place joins an incident."""
    settle: Duration = _FIVE_MINUTES
    """How long an incident stays open when all of its alerts have ended."""
    labels: tuple[str, ...] = (
        *("service", "instance", "host", "pod"),
        *("job", "model", "namespace"),
        *("sloth_service", "slo_service"),
    )
    """Labels that say of what an alert is: an equal value of one makes two alerts neighbours."""
