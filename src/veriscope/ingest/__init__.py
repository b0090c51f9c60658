"""Accepting: limits, group commit, acknowledged means durable."""

from veriscope.ingest.group_commit import CommitMetrics, GroupCommit
from veriscope.ingest.metrics import MetricIngest, PartlyWrittenError, Written
from veriscope.ingest.options import IngestOptions
from veriscope.ingest.otlp import OtlpIngest
from veriscope.ingest.otlp_metrics import OtlpMetricIngest, PartialSuccess

__all__ = [
    "CommitMetrics",
    "GroupCommit",
    "IngestOptions",
    "MetricIngest",
    "OtlpIngest",
    "OtlpMetricIngest",
    "PartialSuccess",
    "PartlyWrittenError",
    "Written",
]
