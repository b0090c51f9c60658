"""Accepting: limits, group commit, acknowledged means durable."""

from veriscope.ingest.group_commit import CommitMetrics, GroupCommit
from veriscope.ingest.metrics import MetricIngest
from veriscope.ingest.options import IngestOptions

__all__ = ["CommitMetrics", "GroupCommit", "IngestOptions", "MetricIngest"]
