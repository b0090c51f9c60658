"""Telling people: alerts, groups of them, and the receivers that deliver them."""

from veriscope.alert.group import Alert, AlertGroup
from veriscope.alert.worker import SerialWorker

__all__ = ["Alert", "AlertGroup", "SerialWorker"]
