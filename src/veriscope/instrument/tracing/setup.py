"""Set tracing up, once or many times."""

import time
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.metadata import entry_points
from typing import Final
from weakref import WeakKeyDictionary

from opentelemetry import trace
from opentelemetry.propagate import set_global_textmap
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter
from opentelemetry.sdk.trace.sampling import ParentBased, Sampler, TraceIdRatioBased

from veriscope.instrument import delivery
from veriscope.instrument.forking import ForkLock
from veriscope.instrument.tracing.auto import instrument_installed
from veriscope.instrument.tracing.batches import SpanBatches
from veriscope.instrument.tracing.delivery_processor import DeliveryProcessor
from veriscope.instrument.tracing.options import TracingOptions
from veriscope.instrument.tracing.otlp_http import OtlpHttpSpanExporter, traces_url
from veriscope.signals import InvalidInputError
from veriscope.signals.log import get_log

_log = get_log(__name__)
_TRACER: Final = "veriscope"
_VERISCOPE: Final = "veriscope"
_PROVIDER_FRESH_S: Final = 0.1

_lock: Final = ForkLock()
_targets: Final[WeakKeyDictionary[TracerProvider, set[object]]] = WeakKeyDictionary()
"""Where each provider sends already, so that setting up twice sends nothing twice."""


def setup_tracing(
    service_name: str | None = None,
    *,
    endpoint: str | None = None,
    exporter: SpanExporter | None = None,
    sample_ratio: float | None = None,
    instrument: bool | Sequence[str] = True,
    options: TracingOptions | None = None,
) -> trace.Tracer:
    """
    Send this process' OpenTelemetry spans on, and return a tracer.

    They go to Veriscope where it is configured, to *endpoint* (OTLP over HTTP) and to
    *exporter*, each where given. *sample_ratio* (0 to 1) of new traces is kept, and a caller's
    decision is always followed; without it the standard `OTEL_TRACES_SAMPLER` decides, else
    all are kept. A provider that the application has set already is kept, with its resource
    and sampler, and only gets what it lacks, so that calling this twice does no harm.
    *instrument* starts the installed OpenTelemetry instrumentors: all, none, or those named.

    Raises `InvalidInputError` for a ratio, endpoint or propagator that cannot be.
    """
    delivery.suggest_service_name(service_name)
    options = options or TracingOptions()
    sampler = _sampler(sample_ratio)
    if endpoint is not None:
        endpoint = traces_url(endpoint)
    if options.propagators:
        set_global_textmap(_propagator(options.propagators))
    with _lock:
        provider = _provider(service_name, sampler, options)
        _send_to_veriscope(provider)
        if endpoint is not None:
            _send_to_endpoint(provider, endpoint, options)
        if exporter is not None:
            _send_to_exporter(provider, exporter, options)
    if instrument:
        names = None if instrument is True else tuple(instrument)
        started = instrument_installed(provider, names)
        _log.debug("tracing_instrumented", names=started)
    return provider.get_tracer(_TRACER)


def span_tracer(service_name: str) -> trace.Tracer:
    """
    Return a tracer whose spans are real, whether or not tracing was set up.

    It is that of the global provider where one is set, which from then on sends to Veriscope
    too. Else it belongs to a provider of
    Veriscope's own, one for each *service_name*, which leaves the global one unset.
    """
    return _facade_tracer(_current.get(), service_name)


class _CurrentProvider:
    """The global provider; OpenTelemetry's own look-up reads the environment and takes 2 us."""

    def __init__(self) -> None:
        self._provider = trace.get_tracer_provider()
        self._until_s = 0.0

    def get(self) -> trace.TracerProvider:
        """Return the global provider, as it was at most `_PROVIDER_FRESH_S` seconds ago."""
        now_s = time.monotonic()
        if now_s >= self._until_s:
            self._provider = trace.get_tracer_provider()
            self._until_s = now_s + _PROVIDER_FRESH_S
        return self._provider

    def forget(self) -> None:
        """Look it up anew next time."""
        self._until_s = 0.0


_current: Final = _CurrentProvider()


@lru_cache(maxsize=64)
def _facade_tracer(provider: trace.TracerProvider, service_name: str) -> trace.Tracer:
    if not isinstance(provider, TracerProvider):
        provider = _own_provider(service_name)
    with _lock:
        _send_to_veriscope(provider)
    return provider.get_tracer(f"{_TRACER}.facade")


@lru_cache(maxsize=64)
def _own_provider(service_name: str) -> TracerProvider:
    return TracerProvider(resource=_resource(service_name, {}))


def _provider(
    service_name: str | None, sampler: Sampler | None, options: TracingOptions
) -> TracerProvider:
    """Return the global provider, made and set where there is none yet."""
    found = trace.get_tracer_provider()
    if isinstance(found, TracerProvider):
        return found
    provider = TracerProvider(sampler=sampler, resource=_resource(service_name, options.resource))
    trace.set_tracer_provider(provider)
    _current.forget()
    if trace.get_tracer_provider() is not provider:
        _log.warning(
            "tracing_provider_is_foreign",
            found=type(found).__name__,
            consequence="its spans do not reach Veriscope; only the returned tracer's do",
        )
    return provider


def _resource(service_name: str | None, extra: Mapping[str, str]) -> Resource:
    """Describe this process; the SDK itself adds `OTEL_RESOURCE_ATTRIBUTES` and its own name."""
    exporter = delivery.current()
    known = dict(exporter.resource) if exporter is not None else {}
    name = {"service.name": service_name} if service_name else {}
    return Resource.create({**known, **extra, **name})


def _sampler(ratio: float | None) -> Sampler | None:
    if ratio is None:
        return None
    if not 0 <= ratio <= 1:
        raise InvalidInputError(f"sample_ratio is {ratio}; it must be between 0 and 1")
    return ParentBased(TraceIdRatioBased(ratio))


def _propagator(names: Sequence[str]) -> CompositePropagator:
    known = {point.name: point for point in entry_points(group="opentelemetry_propagator")}
    for name in names:
        if name not in known:
            raise InvalidInputError(
                f"propagator {name!r} is not installed; there are {', '.join(sorted(known))}"
            )
    return CompositePropagator([known[name].load()() for name in names])


def _send_to_veriscope(provider: TracerProvider) -> None:
    if _is_new(provider, _VERISCOPE):
        provider.add_span_processor(DeliveryProcessor())


def _send_to_endpoint(provider: TracerProvider, url: str, options: TracingOptions) -> None:
    if _is_new(provider, url):
        exporter = OtlpHttpSpanExporter(url, headers=options.headers, timeout_s=options.timeout_s)
        provider.add_span_processor(SpanBatches(exporter, options))


def _send_to_exporter(
    provider: TracerProvider, exporter: SpanExporter, options: TracingOptions
) -> None:
    if _is_new(provider, exporter):
        provider.add_span_processor(SpanBatches(exporter, options))


def _is_new(provider: TracerProvider, target: object) -> bool:
    """Note that *provider* sends to *target*; False where it did before."""
    known = _targets.setdefault(provider, set())
    if target in known:
        return False
    known.add(target)
    return True
