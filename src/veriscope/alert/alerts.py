"""The alerts that are known, merged as Alertmanager merges them, and kept over restarts."""

from dataclasses import dataclass

from veriscope.alert.group import Alert, fingerprint_of
from veriscope.signals import Labels


@dataclass(frozen=True, slots=True)
class StoredAlert:
    """An alert as it was last heard of; times are Unix milliseconds."""

    labels: Labels
    annotations: Labels
    starts_at_ms: int
    ends_at_ms: int
    """When it ended; in the future, when it ends unless it is heard of again."""
    updated_at_ms: int
    generator_url: str = ""
    times_out: bool = False
    """Whether the end is not the sender's word but `resolve_timeout` from when it was sent."""

    @property
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits that stand for the labels."""
        return fingerprint_of(self.labels)

    def resolved_at(self, now_ms: int) -> bool:
        """Tell whether it has ended by *now_ms*."""
        return self.ends_at_ms <= now_ms

    def notified(self, now_ms: int) -> Alert:
        """Return it as notifications say it: what still fires at *now_ms* has no end."""
        return Alert(
            self.labels,
            self.annotations,
            self.starts_at_ms,
            self.ends_at_ms if self.resolved_at(now_ms) else None,
            self.generator_url,
        )
