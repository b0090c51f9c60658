"""Decoded samples of hot metrics, in memory and kept current with what is committed."""

from veriscope.store.head.head import Head
from veriscope.store.head.hot import HeadUse
from veriscope.store.head.warming import warm_up

__all__ = ["Head", "HeadUse", "warm_up"]
