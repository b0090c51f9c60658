"""Conditions of alerts in both languages: our own, and PromQL that a server evaluates."""

import math
import time
from collections.abc import Mapping
from threading import Lock
from typing import Any, Final, Protocol

from veriscope.alert import SerialWorker
from veriscope.facade.alerting.conditions import Condition, ConditionError, Verdict
from veriscope.instrument import delivery
from veriscope.instrument.forking import in_forked_child
from veriscope.signals import InvalidInputError, VeriscopeError

_PREFIX: Final = "promql:"
_LANGUAGES: Final = ("auto", "simple", "promql")
_FRESH_S: Final = 60.0


NOT_YET_ASKED: Final = Verdict(None, "the server has not answered yet")
"""The first verdict of a PromQL condition: it asks in the background, which is no fault."""


class AlertCondition(Protocol):
    """Tells, without waiting, whether an alert's condition holds."""

    def evaluate(self, metrics: Mapping[str, Any]) -> Verdict:
        """Return the verdict for *metrics*."""


class PromqlCondition:
    """
    A PromQL expression, which holds where the server's answer is not empty, as in alert rules.

    Each evaluation gives the newest answer, if that is younger than a minute, and asks anew in
    the background.
    """

    def __init__(self, expr: str, worker: SerialWorker) -> None:
        self._expr = expr
        self._worker = worker
        self._verdict = NOT_YET_ASKED
        self._answered_s = -math.inf
        self._begin()
        in_forked_child(self, PromqlCondition._begin)
        self._ask()

    def evaluate(self, metrics: Mapping[str, Any]) -> Verdict:  # noqa: ARG002 - the server's count
        """Return what the server answered last."""
        self._ask()
        with self._lock:
            if time.monotonic() - self._answered_s <= _FRESH_S or self._verdict.holds is None:
                return self._verdict
            return Verdict(None, f"the server has not answered for {_FRESH_S:.0f} s")

    def _begin(self) -> None:
        """Ask nothing yet: what was asked before a fork is answered in the parent."""
        self._lock = Lock()
        self._asking = False

    def _ask(self) -> None:
        with self._lock:
            if self._asking:
                return
            self._asking = True
        if not self._worker.put(self._query):
            self._answer(Verdict(None, "too many questions to the server wait"))

    def _query(self) -> None:
        exporter = delivery.current()
        if exporter is None:
            self._answer(Verdict(None, "no server is configured for a PromQL condition"))
            return
        try:
            series = exporter.client.query(self._expr)
        except VeriscopeError as error:
            self._answer(Verdict(None, str(error)))
            return
        self._answer(Verdict(bool(series)))

    def _answer(self, verdict: Verdict) -> None:
        with self._lock:
            self._asking = False
            self._verdict = verdict
            self._answered_s = time.monotonic()


def read_condition(text: str, language: str, worker: SerialWorker) -> AlertCondition:
    """
    Read *text* as *language*: `simple`, `promql`, or `auto`, which tries them in that order.

    A text that begins with `promql:` is PromQL. Raises `InvalidInputError`, for our own
    language with the position of the fault.
    """
    if language not in _LANGUAGES:
        raise InvalidInputError(f"language is {language!r}; it is one of {', '.join(_LANGUAGES)}")
    if text.lstrip().startswith(_PREFIX):
        return _promql(text.lstrip().removeprefix(_PREFIX), worker)
    if language == "promql":
        return _promql(text, worker)
    try:
        return Condition.parse(text)
    except ConditionError:
        if language == "simple" or _promql_fault(text) is not None:
            raise
    return _promql(text, worker)


def _promql(text: str, worker: SerialWorker) -> PromqlCondition:
    fault = _promql_fault(text)
    if fault is not None:
        raise InvalidInputError(f"not PromQL: {fault}")
    return PromqlCondition(text.strip(), worker)


def _promql_fault(text: str) -> str | None:
    import promql_parser  # noqa: PLC0415 - most applications never need it

    try:
        promql_parser.parse(text)
    except ValueError as error:
        return str(error)
    return None
