"""Where collectors' batches go, and how a loop waits between two of them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from veriscope.signals import SampleBatch

Sink: TypeAlias = Callable[[SampleBatch], Awaitable[None]]
"""Takes a batch for good when it returns; raises a `VeriscopeError` where it did not."""


async def pause(stop: asyncio.Event, seconds: float) -> None:
    """Wait for *stop*, at most *seconds*."""
    try:
        async with asyncio.timeout(max(seconds, 0)):
            await stop.wait()
    except TimeoutError:
        return
