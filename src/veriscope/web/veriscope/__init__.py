"""Veriscope's own API of alerting: events, how telling people goes, reading the files again."""

from veriscope.web.veriscope.events import Events, EventsApi
from veriscope.web.veriscope.evidence import EvidenceApi
from veriscope.web.veriscope.incidents import IncidentsApi
from veriscope.web.veriscope.notifications import NotificationsApi
from veriscope.web.veriscope.reload import Configuration, ReloadApi

__all__ = [
    "Configuration",
    "Events",
    "EventsApi",
    "EvidenceApi",
    "IncidentsApi",
    "NotificationsApi",
    "ReloadApi",
]
