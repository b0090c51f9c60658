"""OTLP metrics: requests decoded by compiled kernels, and named as Prometheus names them."""

from typing import TYPE_CHECKING

from veriscope.signals.lazy import lazy_names
from veriscope.wire.otlp.metrics.options import OtlpOptions, TranslationStrategy

if TYPE_CHECKING:
    from veriscope.wire.otlp.metrics.columns import Batch
    from veriscope.wire.otlp.metrics.decoder import Decoded, Drop, MetricDecoder, warm_up

__all__ = [
    "Batch",
    "Decoded",
    "Drop",
    "MetricDecoder",
    "OtlpOptions",
    "TranslationStrategy",
    "warm_up",
]

# The agent reads the server's options, and shall not load its kernels.
__getattr__ = lazy_names(
    __name__,
    {
        "Batch": ".columns",
        "Decoded": ".decoder",
        "Drop": ".decoder",
        "MetricDecoder": ".decoder",
        "warm_up": ".decoder",
    },
)
