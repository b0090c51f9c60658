import pytest

from veriscope.wire.exposition import (
    DEFAULT_PROTOCOLS,
    ExpositionError,
    ScrapeProtocol,
    accept_header,
    parse_openmetrics,
    parse_protobuf,
    parse_text,
    select_parser,
)


def test_accept_header_is_prometheus_3s() -> None:
    """The header is the one that Prometheus 3 sends by default."""
    assert accept_header(DEFAULT_PROTOCOLS) == (
        "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
        "application/openmetrics-text;version=0.0.1;q=0.5,"
        "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
        "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
    )


@pytest.mark.parametrize(
    ("content_type", "parser"),
    [
        ("text/plain; version=0.0.4; charset=utf-8", parse_text),
        ("TEXT/plain", parse_text),
        ("application/openmetrics-text; version=1.0.0; charset=utf-8", parse_openmetrics),
        (
            (
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily;"
                " encoding=delimited"
            ),
            parse_protobuf,
        ),
    ],
)
def test_content_type_selects_the_parser(content_type: str, parser: object) -> None:
    """Each format is known by its content type."""
    assert select_parser(content_type, None) is parser


@pytest.mark.parametrize("content_type", ["", "text/html", "rubbish", "application/json"])
def test_other_content_types_need_a_fallback(content_type: str) -> None:
    """Without fallback_scrape_protocol any other type is an error that says so."""
    with pytest.raises(ExpositionError, match="fallback_scrape_protocol"):
        select_parser(content_type, None)
    assert select_parser(content_type, ScrapeProtocol.PROMETHEUS_TEXT_0_0_4) is parse_text
