"""`profile_generation`: a file for each call of the functions that wear it."""

import asyncio
import inspect
import itertools
import marshal
import os
import re
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from functools import wraps
from pathlib import Path
from typing import Any, Final, ParamSpec, TypeVar, overload

from prometheus_client import REGISTRY, CollectorRegistry

from veriscope.instrument.disk import failure_reason, write_whole
from veriscope.instrument.profiling.folder import file_stem, keep_newest
from veriscope.instrument.profiling.metrics import ProfileTally, metrics_of
from veriscope.instrument.profiling.tracer import Recording, new_tracer
from veriscope.instrument.stepwise import drive

_P = ParamSpec("_P")
_R = TypeVar("_R")

_KIND: Final = "call"
_sequence = itertools.count()


@overload
def profile_generation(function: Callable[_P, _R], /) -> Callable[_P, _R]: ...


@overload
def profile_generation(
    *,
    directory: str | Path = ".",
    keep: int = 100,
    max_bytes: int = 16 << 20,
    registry: CollectorRegistry = REGISTRY,
) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]: ...


def profile_generation(
    function: Callable[..., Any] | None = None,
    /,
    *,
    directory: str | Path = ".",
    keep: int = 100,
    max_bytes: int = 16 << 20,
    registry: CollectorRegistry = REGISTRY,
) -> Any:
    """
    Write a profile of each call: `profile_<function>_<unix seconds>_<process>_<number>.prof`.

    The files are what `pstats.Stats` and SnakeViz load; the *keep* newest of a function stay in
    *directory*, and one of more than *max_bytes* is not written. For functions, coroutine
    functions, generators and asynchronous generators; of those that pause, only the time of
    their own steps counts. A call within a profiled call of the same thread is part of that
    call's profile and writes none of its own.

    The function's result and its exceptions are untouched. A profile that could not be taken
    or written is counted in `veriscope_profiles_dropped_total`. Raises `TypeError` for what
    cannot be called and `ValueError` for a *keep* or *max_bytes* of less than 1.
    """
    if keep < 1 or max_bytes < 1:
        raise ValueError(f"keep is {keep} and max_bytes {max_bytes}; each must be at least 1")
    writer = _Writer(Path(directory), keep, max_bytes, ProfileTally(_KIND, metrics_of(registry)))
    if function is None:
        return lambda decorated: _decorate(decorated, writer)
    return _decorate(function, writer)


class _Writer:
    """Writes the profiles of one decoration."""

    def __init__(self, directory: Path, keep: int, max_bytes: int, tally: ProfileTally) -> None:
        self._directory = directory
        self._keep = keep
        self._max_bytes = max_bytes
        self._tally = tally

    def write(self, name: str, recording: Recording) -> None:
        """Write *recording* of function *name*; raises nothing."""
        if not recording.steps:
            return
        try:
            content = marshal.dumps(dict(recording.stats()))
            if len(content) > self._max_bytes:
                self._tally.dropped("too_large", f"{len(content)} bytes")
                return
            stem = f"profile_{file_stem(name)}"
            file = f"{stem}_{int(time.time())}_{os.getpid()}_{next(_sequence)}.prof"
            write_whole(self._directory / file, content)
            pattern = re.compile(rf"{re.escape(stem)}_\d+_\d+_\d+\.prof")
            keep_newest(self._directory, pattern, self._keep)
            self._tally.written()
        except OSError as error:
            self._tally.dropped(failure_reason(error), str(error))
        except Exception as error:  # noqa: BLE001 - profiling must not fail what it profiles
            self._tally.dropped("error", repr(error))


def _decorate(function: Callable[..., Any], writer: _Writer) -> Callable[..., Any]:
    if not callable(function):
        raise TypeError(f"{function!r} cannot be profiled: it is no function")
    name = getattr(function, "__name__", type(function).__name__)
    if inspect.isasyncgenfunction(function):
        return _async_generator(function, name, writer)
    if inspect.iscoroutinefunction(function):
        return _coroutine(function, name, writer)
    if inspect.isgeneratorfunction(function):
        return _generator(function, name, writer)

    @wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        recording = Recording(new_tracer())
        try:
            with recording:
                return function(*args, **kwargs)
        finally:
            writer.write(name, recording)

    return wrapper


def _generator(
    function: Callable[..., Generator[Any, Any, Any]], name: str, writer: _Writer
) -> Callable[..., Any]:
    @wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        recording = Recording(new_tracer())
        try:
            return (yield from drive(function(*args, **kwargs), recording))
        finally:
            writer.write(name, recording)

    return wrapper


def _coroutine(
    function: Callable[..., Awaitable[Any]], name: str, writer: _Writer
) -> Callable[..., Any]:
    @wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        recording = Recording(new_tracer())
        try:
            return await _Driven(function(*args, **kwargs), recording)
        finally:
            _write_beside_loop(writer, name, recording)

    return wrapper


def _async_generator(
    function: Callable[..., AsyncGenerator[Any, Any]], name: str, writer: _Writer
) -> Callable[..., Any]:
    @wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        recording = Recording(new_tracer())
        source = function(*args, **kwargs)
        step: Awaitable[Any] = anext(source)
        try:
            while True:
                try:
                    item = await _Driven(step, recording)
                except StopAsyncIteration:
                    return
                try:
                    step = source.asend((yield item))
                except GeneratorExit:
                    raise
                except BaseException as error:  # noqa: BLE001 - thrown in: the source decides
                    step = source.athrow(error)
        finally:
            await source.aclose()
            _write_beside_loop(writer, name, recording)

    return wrapper


def _write_beside_loop(writer: _Writer, name: str, recording: Recording) -> None:
    """Write in the loop's executor, which `asyncio.run` waits for; here where there is none."""
    try:
        asyncio.get_running_loop().run_in_executor(None, writer.write, name, recording)
    except RuntimeError:
        writer.write(name, recording)


class _Driven:
    """An awaitable whose steps are recorded, each only while it runs."""

    def __init__(self, awaitable: Awaitable[Any], recording: Recording) -> None:
        self._awaitable = awaitable
        self._recording = recording

    def __await__(self) -> Generator[Any, Any, Any]:
        return drive(self._awaitable.__await__(), self._recording)
