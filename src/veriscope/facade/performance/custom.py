"""Metric functions of the application, each kept apart from the others and from the monitor."""

import asyncio
import inspect
import math
import numbers
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeAlias

MetricFunction: TypeAlias = Callable[[], Any]
"""Returns a number, or an awaitable of one."""
_SHOWN: Final = 80
"""Characters of a refused value that the reason shows."""


class _Call:
    """One call of a metric function in a thread of its own."""

    def __init__(self) -> None:
        self.begun_s = time.monotonic()
        self.has_answered = False
        self.is_over = False
        self.is_given_up = False


class CustomMetricCalls:
    """
    Calls metric functions side by side and hands on what they return.

    A function that does not answer in time is given up: its answer, if ever, is dropped, and it
    is not called again until it has returned. So one that hangs costs one thread in all.
    *record* gets a name and a value, *failed* a name and a reason; both may be called from any
    thread.
    """

    def __init__(
        self, record: Callable[[str, float], None], failed: Callable[[str, str], None]
    ) -> None:
        self._record = record
        self._failed = failed
        self._changed = threading.Condition()
        self._calls: dict[str, _Call] = {}
        self._is_interrupted = False

    def run(self, functions: Mapping[str, MetricFunction], timeout_s: float) -> None:
        """Call each of *functions*, and return when all answered or *timeout_s* has passed."""
        begun: dict[str, _Call] = {}
        self._is_interrupted = False
        for name, function in functions.items():
            call = self._begin(name, function, timeout_s)
            if call is not None:
                begun[name] = call
        with self._changed:
            self._changed.wait_for(
                lambda: self._is_interrupted or all(call.is_over for call in begun.values()),
                timeout_s,
            )
            late = [name for name, call in begun.items() if not call.has_answered]
            for name in late:
                begun[name].is_given_up = True
            self._calls = {name: call for name, call in self._calls.items() if not call.is_over}
            interrupted = self._is_interrupted
        for name in late if not interrupted else ():
            self._failed(name, f"no answer within {timeout_s:g} s")

    def interrupt(self) -> None:
        """Let a `run` that waits return at once."""
        with self._changed:
            self._is_interrupted = True
            self._changed.notify_all()

    def _begin(self, name: str, function: MetricFunction, timeout_s: float) -> _Call | None:
        before = self._calls.get(name)
        if before is not None and not before.is_over:
            age_s = time.monotonic() - before.begun_s
            self._failed(name, f"the call before still runs after {age_s:.1f} s")
            return None
        call = self._calls[name] = _Call()
        thread = threading.Thread(
            target=self._call,
            args=(call, name, function, timeout_s),
            name=f"veriscope-metric-{name}",
            daemon=True,
        )
        try:
            thread.start()
        except RuntimeError as error:  # the system has no thread left
            del self._calls[name]
            self._failed(name, str(error))
            return None
        return call

    def _call(self, call: _Call, name: str, function: MetricFunction, timeout_s: float) -> None:
        value, reason = math.nan, ""
        try:
            value = to_number(_answer(function, timeout_s))
        except BaseException as error:  # noqa: BLE001 - not even SystemExit ends the monitor
            reason = str(error) or type(error).__name__
        with self._changed:
            call.has_answered = not call.is_given_up
        if call.has_answered and reason:
            self._failed(name, reason)
        elif call.has_answered:
            self._record(name, value)
        with self._changed:
            call.is_over = True
            self._changed.notify_all()


def to_number(value: Any) -> float:
    """Return *value* as a float; `TypeError` or `ValueError` with the reason where it is none."""
    if isinstance(value, numbers.Real) or hasattr(value, "__float__"):
        number = float(value)
        if math.isfinite(number):
            return number
        raise ValueError(f"{number} is not a finite number")
    shown = repr(value)[:_SHOWN]
    raise TypeError(f"{shown} is a {type(value).__name__}, not a number")


def _answer(function: MetricFunction, timeout_s: float) -> Any:
    found = function()
    return asyncio.run(_within(found, timeout_s)) if inspect.isawaitable(found) else found


async def _within(awaitable: Awaitable[Any], timeout_s: float) -> Any:
    try:
        return await asyncio.wait_for(awaitable, timeout_s)
    except TimeoutError as error:
        raise TimeoutError(str(error) or f"no answer within {timeout_s:g} s") from error
