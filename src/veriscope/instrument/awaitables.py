"""Functions of the application that may be asynchronous."""

import inspect
from collections.abc import Awaitable
from typing import Any, TypeVar

T = TypeVar("T")


def is_async(function: Any) -> bool:
    """Tell whether calling *function* gives a coroutine: also an object's `async __call__`."""
    call = getattr(function, "__call__", None)  # noqa: B004 - of an object, not of a function
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call)


async def resolved(answer: Awaitable[T]) -> T:
    """Return *answer*, whichever kind of awaitable it is, from a coroutine."""
    return await answer
