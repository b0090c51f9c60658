"""The terminal: every command of `veriscope`."""

from veriscope.cli.main import main

__all__ = ["main"]
