"""Alertmanager's HTTP API v2."""

from veriscope.web.alertmanager.api import AlertmanagerApi

__all__ = ["AlertmanagerApi"]
