"""Both services, a server that watches them, and users who come and go."""

from examples.demo.running import Demo, DemoOptions

__all__ = ["Demo", "DemoOptions"]
