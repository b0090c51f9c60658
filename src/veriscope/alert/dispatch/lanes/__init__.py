"""Lanes to receivers: tries, limits, what was told, and what could not be."""
