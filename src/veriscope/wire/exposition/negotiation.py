"""Which format a scrape asks for, and which one it got."""

from collections.abc import Callable, Sequence
from email.message import Message
from enum import StrEnum
from typing import Final, TypeAlias

from veriscope.wire.exposition.columns import Exposition, ExpositionError, SeriesTable
from veriscope.wire.exposition.protobuf import parse_protobuf
from veriscope.wire.exposition.text import parse_openmetrics, parse_text

Parser: TypeAlias = Callable[[bytes, SeriesTable], Exposition]
"""Reads a body, adding new series to the table; raises `ExpositionError`."""


class ScrapeProtocol(StrEnum):
    """The formats of `scrape_protocols`, as Prometheus names them."""

    PROMETHEUS_PROTO = "PrometheusProto"
    PROMETHEUS_TEXT_0_0_4 = "PrometheusText0.0.4"
    PROMETHEUS_TEXT_1_0_0 = "PrometheusText1.0.0"
    OPENMETRICS_TEXT_0_0_1 = "OpenMetricsText0.0.1"
    OPENMETRICS_TEXT_1_0_0 = "OpenMetricsText1.0.0"


DEFAULT_PROTOCOLS: Final = (
    ScrapeProtocol.OPENMETRICS_TEXT_1_0_0,
    ScrapeProtocol.OPENMETRICS_TEXT_0_0_1,
    ScrapeProtocol.PROMETHEUS_TEXT_1_0_0,
    ScrapeProtocol.PROMETHEUS_TEXT_0_0_4,
)
"""What Prometheus 3 asks for, most wanted first."""

_MEDIA_TYPES: Final = {
    ScrapeProtocol.PROMETHEUS_PROTO: (
        "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
    ),
    ScrapeProtocol.PROMETHEUS_TEXT_0_0_4: "text/plain;version=0.0.4",
    ScrapeProtocol.PROMETHEUS_TEXT_1_0_0: "text/plain;version=1.0.0;escaping=allow-utf-8",
    ScrapeProtocol.OPENMETRICS_TEXT_0_0_1: "application/openmetrics-text;version=0.0.1",
    ScrapeProtocol.OPENMETRICS_TEXT_1_0_0: (
        "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8"
    ),
}
_PARSERS: Final[dict[ScrapeProtocol, Parser]] = {
    ScrapeProtocol.PROMETHEUS_PROTO: parse_protobuf,
    ScrapeProtocol.PROMETHEUS_TEXT_0_0_4: parse_text,
    ScrapeProtocol.PROMETHEUS_TEXT_1_0_0: parse_text,
    ScrapeProtocol.OPENMETRICS_TEXT_0_0_1: parse_openmetrics,
    ScrapeProtocol.OPENMETRICS_TEXT_1_0_0: parse_openmetrics,
}


def accept_header(protocols: Sequence[ScrapeProtocol]) -> str:
    """Return the `Accept` header that Prometheus 3 sends for *protocols*, most wanted first."""
    weight = len(_MEDIA_TYPES) + 1
    parts = [
        f"{_MEDIA_TYPES[protocol]};q=0.{weight - index}" for index, protocol in enumerate(protocols)
    ]
    return ",".join([*parts, f"*/*;q=0.{weight - len(protocols)}"])


def select_parser(content_type: str, fallback: ScrapeProtocol | None) -> Parser:
    """
    Return the parser of a response's `Content-Type`, or that of *fallback* for any other.

    Raises `ExpositionError` where the type is missing or unknown and there is no fallback.
    """
    header = Message()
    header["Content-Type"] = content_type
    kind = header.get_content_type() if content_type else ""
    if kind == "application/openmetrics-text":
        return parse_openmetrics
    if kind == "text/plain" and content_type.strip().lower().startswith("text/plain"):
        return parse_text
    if kind == "application/vnd.google.protobuf" and _is_delimited_family(header):
        return parse_protobuf
    if fallback is not None:
        return _PARSERS[fallback]
    raise ExpositionError(
        f"the target answers with content type {content_type!r}, which is no exposition format;"
        " correct the target or set fallback_scrape_protocol"
    )


def _is_delimited_family(header: Message) -> bool:
    return (
        header.get_param("encoding") == "delimited"
        and header.get_param("proto") == "io.prometheus.client.MetricFamily"
    )
