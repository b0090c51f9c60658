"""Probes: what a user of an endpoint sees, measured from outside and phase by phase."""

from veriscope.collect.probe.batch import PROBE_METADATA, ended_failure, probe_batch
from veriscope.collect.probe.http import HttpProbe
from veriscope.collect.probe.result import FailureReason, Phases, ProbeResult
from veriscope.collect.probe.target import BodyCheck, IpProtocol, ProbeTarget

__all__ = [
    "PROBE_METADATA",
    "BodyCheck",
    "FailureReason",
    "HttpProbe",
    "IpProtocol",
    "Phases",
    "ProbeResult",
    "ProbeTarget",
    "ended_failure",
    "probe_batch",
]
