"""The exposition formats: Prometheus text, OpenMetrics text and Prometheus protobuf."""

from veriscope.wire.exposition.columns import (
    NO_TIMESTAMP,
    ExposedLabels,
    Exposition,
    ExpositionError,
    SeriesTable,
)
from veriscope.wire.exposition.negotiation import (
    DEFAULT_PROTOCOLS,
    Parser,
    ScrapeProtocol,
    accept_header,
    select_parser,
)
from veriscope.wire.exposition.protobuf import MetricFamily, parse_protobuf
from veriscope.wire.exposition.text import parse_openmetrics, parse_text

__all__ = [
    "DEFAULT_PROTOCOLS",
    "NO_TIMESTAMP",
    "ExposedLabels",
    "Exposition",
    "ExpositionError",
    "MetricFamily",
    "Parser",
    "ScrapeProtocol",
    "SeriesTable",
    "accept_header",
    "parse_openmetrics",
    "parse_protobuf",
    "parse_text",
    "select_parser",
]
