"""Notifiers: how a group of alerts reaches people, one module for each way."""

from veriscope.alert.notify.delivery import Delivery, DeliveryOptions, Receiver
from veriscope.alert.notify.outcome import Acknowledger, Notifier, Outcome, Reason, Verdict
from veriscope.alert.notify.receivers import (
    GlobalConfig,
    RateLimit,
    ReceiverConfig,
    build_notifiers,
    load_receivers,
)

__all__ = [
    "Acknowledger",
    "Delivery",
    "DeliveryOptions",
    "GlobalConfig",
    "Notifier",
    "Outcome",
    "RateLimit",
    "Reason",
    "Receiver",
    "ReceiverConfig",
    "Verdict",
    "build_notifiers",
    "load_receivers",
]
