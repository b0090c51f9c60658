"""Notifiers: how a group of alerts reaches people, one module for each way."""

from veriscope.alert.notify.delivery import Delivery, DeliveryOptions, Receiver
from veriscope.alert.notify.outcome import Notifier, Outcome, Reason, Verdict
from veriscope.alert.notify.receivers import (
    GlobalConfig,
    ReceiverConfig,
    load_receivers,
)

__all__ = [
    "Delivery",
    "DeliveryOptions",
    "GlobalConfig",
    "Notifier",
    "Outcome",
    "Reason",
    "Receiver",
    "ReceiverConfig",
    "Verdict",
    "load_receivers",
]
