"""Which receivers the alerts of a framework go to."""

import atexit
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from weakref import ref

from prometheus_client import CollectorRegistry

from veriscope.alert import AlertGroup
from veriscope.instrument import delivery
from veriscope.instrument.forking import ForkLock
from veriscope.signals import Clock, InvalidInputError
from veriscope.signals.log import get_log

if TYPE_CHECKING:
    from veriscope.alert.notify import Receiver

_log = get_log(__name__)
_EXIT_FLUSH_S: Final = 3.0

Source: TypeAlias = str | Path | Sequence[Mapping[str, Any]] | Mapping[str, Any]


class Receivers:
    """
    The receivers given here, else those of `veriscope.configure(receivers=…)`.

    Those of `configure` are read when they are first needed, and again where they were
    replaced since; what waits for the former ones is still sent.
    """

    def __init__(self, source: Source | None, *, clock: Clock, registry: CollectorRegistry) -> None:
        self._clock = clock
        self._registry = registry
        self._own = None if source is None else self._load(source)
        self._shared: dict[str, Receiver] = {}
        self._shared_source: object = None
        self._told = False
        self._waits_for_exit = False
        self._lock = ForkLock()

    def put(self, group: AlertGroup, only: str | None = None) -> bool:
        """Queue *group* for every receiver, or for *only* one; False where none could take it."""
        receivers = self.current()
        wanted = receivers.values() if only is None else filter(None, [receivers.get(only)])
        self._finish_at_exit()
        taken = [receiver.put(replace(group, receiver=receiver.name)) for receiver in list(wanted)]
        if not taken and not self._told:
            self._told = True
            _log.info("alert_has_no_receiver", alert=group.name, cure="configure(receivers=...)")
        return any(taken)

    def require(self, name: str) -> None:
        """Raise `InvalidInputError` where there is no receiver *name*."""
        receivers = self.current()
        if name not in receivers:
            known = ", ".join(sorted(receivers)) or "none"
            raise InvalidInputError(f"there is no receiver {name!r}; known: {known}")

    def current(self) -> "dict[str, Receiver]":
        """Return the receivers, by name."""
        if self._own is not None:
            return self._own
        source = delivery.current_settings().receivers
        with self._lock:
            if source is not self._shared_source:
                self._shared_source = source
                self._shared = {} if source is None else self._load_shared(source)
            return self._shared

    def flush(self, timeout_s: float) -> bool:
        """Wait until all is sent; False where that takes longer than *timeout_s*."""
        end_s = time.monotonic() + timeout_s
        return all(
            receiver.flush(max(0.0, end_s - time.monotonic()))
            for receiver in self.current().values()
        )

    def _finish_at_exit(self) -> None:
        with self._lock:
            if not self._waits_for_exit:
                self._waits_for_exit = True
                atexit.register(_finish, ref(self))

    def _load(self, source: Source) -> "dict[str, Receiver]":
        from veriscope.alert.notify import load_receivers  # noqa: PLC0415 - SMTP, HTTP and YAML

        return load_receivers(source, clock=self._clock, registry=self._registry)

    def _load_shared(self, source: Source) -> "dict[str, Receiver]":
        try:
            return self._load(source)
        except InvalidInputError as error:
            # An application must not stop because a file is wrong that was given elsewhere.
            _log.error("receivers_unusable", reason=str(error))
            return {}


def _finish(found: "ref[Receivers]") -> None:
    """Give what waits a moment; what is then left is counted and logged as given up."""
    receivers = found()
    if receivers is None:
        return
    receivers.flush(_EXIT_FLUSH_S)
    for receiver in receivers.current().values():
        receiver.close()
