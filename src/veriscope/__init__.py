"""Veriscope: observability for AI and ML services in one install."""

__version__ = "0.1.0"

__all__ = ["__version__"]
