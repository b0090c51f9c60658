"""A decorator that gives every call of a function its span, whatever kind of function it is."""

import inspect
from collections.abc import AsyncGenerator, Callable, Generator
from functools import wraps
from typing import Any

from veriscope.facade.traces.trace import Span

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
        span = open_span()
        active = span.active()
        step, value = steps.send, None
        try:
            while True:
                with active:
                    item = step(value)
                try:
                    step, value = steps.send, (yield item)
                except GeneratorExit:
                    with active:
                        steps.close()
                    raise
                except BaseException as error:  # noqa: BLE001 - what the consumer throws in goes in
                    step, value = steps.throw, error
        except StopIteration as stop:
            span.finish()
            return stop.value
        except GeneratorExit:
            span.finish()
            raise
        except BaseException as error:
            span.record_exception(error)
            span.finish("error")
            raise

    return call


def _async_generator(function: Callable[..., Any], open_span: OpenSpan) -> Callable[..., Any]:
    @wraps(function)
    async def call(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        steps = function(*args, **kwargs)
        span = open_span()
        active = span.active()
        step, value = steps.asend, None
        try:
            while True:
                with active:
                    item = await step(value)
                try:
                    step, value = steps.asend, (yield item)
                except GeneratorExit:
                    with active:
                        await steps.aclose()
                    raise
                except BaseException as error:  # noqa: BLE001 - what the consumer throws in goes in
                    step, value = steps.athrow, error
        except StopAsyncIteration:
            span.finish()
        except GeneratorExit:
            span.finish()
            raise
        except BaseException as error:
            span.record_exception(error)
            span.finish("error")
            raise

    return call
