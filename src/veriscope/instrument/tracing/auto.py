"""Automatic instrumentation: whatever OpenTelemetry instrumentors are installed."""

from importlib.metadata import EntryPoint, entry_points
from typing import Final

from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined] # no `__all__`
from opentelemetry.trace import TracerProvider

from veriscope.signals.log import get_log

_log = get_log(__name__)
_GROUP: Final = "opentelemetry_instrumentor"


def instrument_installed(
    provider: TracerProvider, names: tuple[str, ...] | None = None
) -> tuple[str, ...]:
    """
    Start the instrumentors that are installed, or of them only *names*; return those that run.

    One that fails is logged and left out, and so is a name that is not installed: an
    application must not stop because a library of another version is about.
    """
    installed = {point.name: point for point in entry_points(group=_GROUP)}
    wanted = sorted(installed) if names is None else names
    for missing in sorted(set(wanted) - set(installed)):
        _log.warning("instrumentation_not_installed", name=missing, installed=sorted(installed))
    return tuple(name for name in wanted if name in installed and _start(installed[name], provider))


def _start(point: EntryPoint, provider: TracerProvider) -> bool:
    try:
        instrumentor = point.load()()
        if not isinstance(instrumentor, BaseInstrumentor):
            _log.warning("instrumentation_is_none", name=point.name, found=repr(instrumentor))
            return False
        if not instrumentor.is_instrumented_by_opentelemetry:
            instrumentor.instrument(tracer_provider=provider)
    except Exception:  # noqa: BLE001 - foreign code may raise anything; it must not stop the application
        _log.exception("instrumentation_failed", name=point.name)
        return False
    return bool(instrumentor.is_instrumented_by_opentelemetry)
