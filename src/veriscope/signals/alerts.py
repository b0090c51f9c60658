"""Alerts on their way from those who find that something is wrong to those who tell people."""

from dataclasses import dataclass

from veriscope.signals.labels import Labels


@dataclass(frozen=True, slots=True)
class PostedAlert:
    """
    What Alertmanager's API takes: an alert fires from its start until its end.

    Times are Unix milliseconds, and None where the sender does not say: then it began now, and
    ends unless it is sent again within `resolve_timeout`. A rule sends an end in the future with
    each firing alert, for the case that nothing more is heard of it.
    """

    labels: Labels
    annotations: Labels = ()
    starts_at_ms: int | None = None
    ends_at_ms: int | None = None
    generator_url: str = ""
