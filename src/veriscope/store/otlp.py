"""Inserts OTLP requests as they came; the engine decodes them."""

from collections.abc import Sequence

from veriscope.store.engine import Engine
from veriscope.wire import otlp
from veriscope.wire.protobuf_fields import frame


class OtlpWriter:
    """
    Writes spans and log records. A call returns when all of it is durable.

    Raises as `MetricWriter` does; what is sent again is stored once: a span by its ids, a record
    by the request that it came in, unless it has an id of its own (`log.record.uid`).
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def insert_traces(self, bodies: Sequence[bytes]) -> None:
        """Insert `ExportTraceServiceRequest` messages."""
        self._insert(otlp.TRACES, bodies)

    def insert_logs(self, bodies: Sequence[bytes]) -> None:
        """Insert `ExportLogsServiceRequest` messages."""
        self._insert(otlp.LOGS, bodies)

    def _insert(self, signal: otlp.EngineSignal, bodies: Sequence[bytes]) -> None:
        stream = frame(map(otlp.stamp, bodies))
        table = f"otlp_{signal.name}"
        self._engine.insert_protobuf(table, stream, signal.schema, signal.message)
