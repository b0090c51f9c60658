"""A decorator that gives every call of a function its span, whatever kind of function it is."""

import inspect
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

from veriscope.facade.traces.trace import Span
from veriscope.instrument.stepwise import drive

OpenSpan = Callable[[], Span]


def trace_calls(function: Callable[..., Any], open_span: OpenSpan) -> Callable[..., Any]:
    """
    Wrap *function* so that each call runs in the span that *open_span* gives.

    The span of a generator, synchronous or not, lasts from its first step to its end and is
    active only while the generator itself runs, not while its consumer does.
    """
    if inspect.isasyncgenfunction(function):
        return _async_generator(function, open_span)
    if inspect.isgeneratorfunction(function):
        return _generator(function, open_span)
    if inspect.iscoroutinefunction(function):
        return _coroutine(function, open_span)

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        with open_span():
            return function(*args, **kwargs)

    return call


def _coroutine(function: Callable[..., Any], open_span: OpenSpan) -> Callable[..., Any]:
    @wraps(function)
    async def call(*args: Any, **kwargs: Any) -> Any:
        with open_span():
            return await function(*args, **kwargs)

    return call


def _generator(function: Callable[..., Any], open_span: OpenSpan) -> Callable[..., Any]:
    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        steps = function(*args, **kwargs)
        with _ended_by_block(open_span()) as span:
            return (yield from drive(steps, span.active()))

    return call


def _async_generator(function: Callable[..., Any], open_span: OpenSpan) -> Callable[..., Any]:
    @wraps(function)
    async def call(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        steps = function(*args, **kwargs)
        with _ended_by_block(open_span()) as span:
            active = span.active()
            step, value = steps.asend, None
            while True:
                try:
                    with active:
                        item = await step(value)
                except StopAsyncIteration:
                    return
                try:
                    step, value = steps.asend, (yield item)
                except GeneratorExit:
                    with active:
                        await steps.aclose()
                    raise
                except BaseException as error:  # noqa: BLE001 - what the consumer throws in goes in
                    step, value = steps.athrow, error

    return call


@contextmanager
def _ended_by_block(span: Span) -> Iterator[Span]:
    """End *span* with the block, by the block's exception if there is one; it is not active."""
    try:
        yield span
    except BaseException as error:
        span.end_by(error)
        raise
    else:
        span.end_by(None)
