"""Decoded samples of hot metrics, in memory and kept current with what is committed."""

from veriscope.store.head.head import Head
from veriscope.store.head.warming import warm_up

__all__ = ["Head", "warm_up"]
