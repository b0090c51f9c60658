"""Events: what somebody did, or what happened, at a moment: deploys, restarts, new rules."""

import msgspec

from veriscope.signals.labels import Labels


class Event(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something that happened once and may explain what came after it."""

    time_ms: int
    """When, in Unix milliseconds."""
    kind: str
    """One word: `deploy`, `restart`, `config`, or the sender's own."""
    title: str
    """What happened, on one line."""
    text: str = ""
    """More of it."""
    url: str = ""
    """Where to read on."""
    labels: Labels = ()
    """What it concerns, such as `service` and `instance`."""
    id: str = ""
    """Unique; what is sent again under one id is stored once."""
