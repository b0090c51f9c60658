"""Generators run step by step, so that something is in force only while they themselves run."""

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from typing import Any


def drive(steps: Any, within: AbstractContextManager[Any]) -> Generator[Any, Any, Any]:
    """
    Run *steps* as `yield from` does, each step in a `with` block of *within*.

    *steps* is a generator or what awaits like one. *within* is entered anew for each step, and
    left while the consumer (or the event loop) has its turn.
    """
    send: Callable[[Any], Any] = steps.send
    value: Any = None
    while True:
        try:
            with within:
                given = send(value)
        except StopIteration as end:
            return end.value
        try:
            send, value = steps.send, (yield given)
        except GeneratorExit:
            with within:
                steps.close()
            raise
        except BaseException as error:  # noqa: BLE001 - thrown in: the steps decide
            send, value = steps.throw, error
