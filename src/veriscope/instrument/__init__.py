"""The host process: what a program says of itself."""

from veriscope.instrument.registry import RegistryCollector

__all__ = ["RegistryCollector"]
