"""Evidence that was gathered, kept for pages, chats and later notifications."""

import base64
import binascii
import dataclasses
import secrets
from collections import defaultdict
from dataclasses import dataclass
from typing import Final, TypeAlias

import msgspec

from veriscope.alert.group import Alert, AlertGroup
from veriscope.alert.state import Journal
from veriscope.signals import Clock, Labels
from veriscope.signals.evidence import Evidence
from veriscope.signals.log import get_log

_log = get_log(__name__)
_KIND: Final = "evidence"
# Apart, since it is read when somebody looks only.
_GRAPH_KIND: Final = "evidence_graph"
_MOST: Final = 500
_MOST_ONSETS: Final = 1_000
_RETENTION_MS: Final = 30 * 24 * 3600 * 1000
_ID_BYTES: Final = 16

Onset: TypeAlias = tuple[str, int]
"""Fingerprint of an alert, and when it began, in Unix milliseconds."""


def onset_of(alert: Alert) -> Onset:
    """Return what tells this alert from its next time."""
    return alert.fingerprint, alert.starts_at_ms


@dataclass(frozen=True, slots=True)
class KeptEvidence:
    """What was gathered once, for alerts that began in one group."""

    id: str
    """32 hexadecimal digits that nobody can guess: who knows them may see the graph."""
    group_key: str
    group_labels: Labels
    onsets: tuple[Onset, ...]
    """Of the alerts it was gathered for, at most 1,000."""
    evidence: Evidence
    """Without the graph's bytes, which `EvidenceArchive.graph` returns."""

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """Of the alerts it was gathered for."""
        return tuple(fingerprint for fingerprint, _ in self.onsets)

    @property
    def starts_at_ms(self) -> int:
        """When the first of the alerts began, in Unix milliseconds."""
        return min(starts_at_ms for _, starts_at_ms in self.onsets)


class EvidenceArchive:
    """
    The last 500 gatherings of thirty days, kept over restarts.

    Graphs are not held in memory once they are stored.
    """

    def __init__(self, journal: Journal, clock: Clock, *, external_url: str) -> None:
        self._journal = journal
        self._clock = clock
        self._external_url = external_url
        self._kept: dict[str, KeptEvidence] = {}  # the newest comes last
        self._of_alert: defaultdict[str, list[str]] = defaultdict(list)

    def __len__(self) -> int:
        return len(self._kept)

    async def load(self) -> None:
        """Read what was stored; raises what the store raises."""
        found = []
        for evidence_id, document in (await self._journal.all(_KIND)).items():
            try:
                found.append(_decoded(document))
            except (msgspec.DecodeError, binascii.Error) as error:
                _log.error("evidence_not_readable", id=evidence_id, error=str(error))
        for kept in sorted(found, key=lambda each: each.evidence.gathered_ms):
            self._add(kept)

    def keep(self, group: AlertGroup, evidence: Evidence) -> KeptEvidence:
        """Keep what was gathered for the alerts of *group*; it is on its way to the store."""
        evidence_id = secrets.token_hex(_ID_BYTES)
        url = ""
        if evidence.graph_png:
            url = f"{self._external_url}/api/veriscope/v1/evidence/{evidence_id}/graph.png"
            self._journal.put(_GRAPH_KIND, evidence_id, base64.b64encode(evidence.graph_png))
        kept = KeptEvidence(
            evidence_id,
            group.key,
            group.group_labels,
            tuple(onset_of(alert) for alert in group.alerts[:_MOST_ONSETS]),
            dataclasses.replace(evidence, graph_png=b"", graph_url=url),
        )
        self._journal.put(_KIND, evidence_id, _encoded(kept))
        self._add(kept)
        while len(self._kept) > _MOST:
            self._delete(next(iter(self._kept)))
        return kept

    def all(self) -> list[KeptEvidence]:
        """Return everything, the oldest first."""
        return list(self._kept.values())

    def get(self, evidence_id: str) -> KeptEvidence | None:
        """Return one of them, or None where there is none."""
        return self._kept.get(evidence_id)

    def of(self, fingerprint: str) -> list[KeptEvidence]:
        """Return what was gathered for an alert, the newest first."""
        return [self._kept[each] for each in reversed(self._of_alert.get(fingerprint, ()))]

    async def graph(self, evidence_id: str) -> bytes | None:
        """Return the graph as PNG, None where there is none; raises what the store raises."""
        kept = self._kept.get(evidence_id)
        if kept is None or not kept.evidence.graph_url:
            return None
        document = await self._journal.get(_GRAPH_KIND, evidence_id)
        return None if document is None else base64.b64decode(document)

    def collect(self) -> None:
        """Forget what is older than thirty days."""
        oldest_ms = self._clock.now_ms() - _RETENTION_MS
        for kept in self.all():
            if kept.evidence.gathered_ms < oldest_ms:
                self._delete(kept.id)

    def _add(self, kept: KeptEvidence) -> None:
        self._kept[kept.id] = kept
        for fingerprint in kept.fingerprints:
            self._of_alert[fingerprint].append(kept.id)

    def _delete(self, evidence_id: str) -> None:
        kept = self._kept.pop(evidence_id)
        for fingerprint in kept.fingerprints:
            ids = self._of_alert[fingerprint]
            ids.remove(evidence_id)
            if not ids:
                del self._of_alert[fingerprint]
        self._journal.delete(_KIND, evidence_id)
        if kept.evidence.graph_url:
            self._journal.delete(_GRAPH_KIND, evidence_id)


# MessagePack, since values of alerts may be infinite, which JSON cannot say; as text, since the
# store keeps texts.
def _encoded(kept: KeptEvidence) -> bytes:
    return base64.b64encode(msgspec.msgpack.encode(kept))


def _decoded(document: bytes) -> KeptEvidence:
    return msgspec.msgpack.decode(base64.b64decode(document), type=KeptEvidence)
