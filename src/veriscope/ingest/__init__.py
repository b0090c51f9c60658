"""Accepting: limits, group commit, acknowledged means durable."""

from veriscope.ingest.group_commit import CommitMetrics, GroupCommit
from veriscope.ingest.metrics import MetricIngest
from veriscope.ingest.options import IngestOptions
from veriscope.ingest.otlp import OtlpIngest

__all__ = ["CommitMetrics", "GroupCommit", "IngestOptions", "MetricIngest", "OtlpIngest"]
