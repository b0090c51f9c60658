"""Evidence of alerts: what there is to see around their onset, within a deadline."""

from veriscope.insight.evidence.asking import EvidenceSources
from veriscope.insight.evidence.gatherer import EvidenceGatherer

__all__ = ["EvidenceGatherer", "EvidenceSources"]
