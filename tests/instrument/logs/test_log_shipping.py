import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider

from veriscope.instrument import delivery
from veriscope.instrument.delivery import LogRecord

Log = Callable[..., Any]


class Exporter:
    """Takes records as the process' exporter does."""

    def __init__(self) -> None:
        self.sent: list[LogRecord] = []
        self.action: Callable[[], None] = lambda: None

    def add_log(self, record: LogRecord) -> None:
        """Keep the record, after doing what the test asks for."""
        self.sent.append(record)
        self.action()


@pytest.fixture
def exporter(monkeypatch: pytest.MonkeyPatch) -> Exporter:
    """Stand in for the process' exporter."""
    exporter = Exporter()
    monkeypatch.setattr(delivery, "current", lambda: exporter)
    return exporter


def test_records_are_handed_over(log_to: Log, exporter: Exporter) -> None:
    """A record is sent in OpenTelemetry's terms, scrubbed, with its trace."""
    log_to(ship=True)
    with TracerProvider().get_tracer("test").start_as_current_span("x") as span:
        logging.getLogger("genrf.api").warning(
            "slow", extra={"circuit_type": "LNA", "password": "p", "nested": {"a": [1]}}
        )
    (record,) = exporter.sent
    assert (record.severity_number, record.severity_text) == (13, "WARN")
    assert (record.body, record.logger) == ("slow", "genrf.api")
    assert record.attributes == {
        "circuit_type": "LNA",
        "password": "[redacted]",
        "nested": {"a": [1]},
    }
    assert record.trace_id == span.get_span_context().trace_id
    assert record.span_id == span.get_span_context().span_id
    assert record.time_ns > 10**18


def test_exceptions_have_the_conventional_names(log_to: Log, exporter: Exporter) -> None:
    """An exception is sent under OpenTelemetry's attribute names."""
    log_to(ship=True)
    logging.getLogger("genrf").error("failed", exc_info=KeyError("k"))
    attributes = exporter.sent[0].attributes
    assert attributes["exception.type"] == "KeyError"
    assert set(attributes) == {"exception.type", "exception.message", "exception.stacktrace"}


@pytest.mark.parametrize("logger", ["veriscope.instrument.delivery.lane", "urllib3.pool"])
def test_what_sending_says_is_not_sent(log_to: Log, exporter: Exporter, logger: str) -> None:
    """Records of the parts that send stay on this machine."""
    handle = log_to(ship=True)
    logging.getLogger(logger).warning("retry")
    assert exporter.sent == []
    assert "retry" in handle.path.read_text()


def test_sending_that_logs_does_not_send_for_ever(log_to: Log, exporter: Exporter) -> None:
    """A record that is logged while another is handed over is not handed over in turn."""
    handle = log_to(ship=True)
    exporter.action = lambda: logging.getLogger("genrf").info("echo")
    logging.getLogger("genrf").info("first")
    assert [record.body for record in exporter.sent] == ["first"]
    assert "echo" in handle.path.read_text()


def test_a_broken_exporter_costs_only_its_copy(
    log_to: Log, exporter: Exporter, dropped: Callable[[str], float]
) -> None:
    """An exporter that raises is counted; file and application go on."""

    def fail() -> None:
        raise RuntimeError("broken")

    handle = log_to(ship=True)
    exporter.action = fail
    logging.getLogger("genrf").info("kept")
    assert dropped("ship_error") == 1
    assert "kept" in handle.path.read_text()


def test_security_records_stay_here(log_to: Log, exporter: Exporter, tmp_path: Path) -> None:
    """The security logger's records leave the machine by no way."""
    log_to(ship=True)
    logging.getLogger("genrf.security").error("refused")
    assert exporter.sent == []
    assert (tmp_path / "genrf-security.log").exists()


def test_wrong_ids_of_the_application_are_harmless(log_to: Log, exporter: Exporter) -> None:
    """A field that calls itself a trace id and is none is sent without a trace."""
    log_to(ship=True)
    logging.getLogger("genrf").info("x", extra={"trace_id": "not hex", "span_id": 7})
    assert exporter.sent[0].trace_id == 0
