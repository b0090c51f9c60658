"""Incidents: alerts that begin together, and what people do about them."""

from veriscope.alert.incidents.incident import Incident, IncidentState, Member, TimelineEntry
from veriscope.alert.incidents.incidents import Incidents, UnknownIncidentError
from veriscope.alert.incidents.options import IncidentOptions

__all__ = [
    "Incident",
    "IncidentOptions",
    "IncidentState",
    "Incidents",
    "Member",
    "TimelineEntry",
    "UnknownIncidentError",
]
