import logging
import subprocess
import sys

import pytest
import structlog

from veriscope.signals.log import get_log


@pytest.fixture(autouse=True)
def unconfigured() -> None:
    """Start and end without a configuration of structlog."""
    structlog.reset_defaults()


def test_without_structlog_records_go_to_logging(caplog: pytest.LogCaptureFixture) -> None:
    """The host program's logging decides; key-values stand behind the event."""
    with caplog.at_level(logging.INFO, "some.module"):
        get_log("some.module").info("went well", count=3, name="x y")
    [record] = caplog.records
    assert (record.name, record.levelname) == ("some.module", "INFO")
    assert record.getMessage() == "went well count=3 name='x y'"
    assert record.funcName == "test_without_structlog_records_go_to_logging"


def test_an_exception_comes_along(caplog: pytest.LogCaptureFixture) -> None:
    """The traceback is the record's, where its handlers expect it."""
    try:
        int("wrong")
    except ValueError:
        get_log("some.module").exception("failed")
    [record] = caplog.records
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], ValueError)


def test_configured_structlog_is_used() -> None:
    """Where the program chose structlog, records are its events, also of logs made before."""
    log = get_log("some.module")
    with structlog.testing.capture_logs() as events:
        log.warning("odd", value=1)
    assert events == [{"event": "odd", "log_level": "warning", "value": 1}]
    structlog.reset_defaults()


def test_nothing_is_printed_on_standard_output() -> None:
    """A program that configures nothing keeps its standard output to itself."""
    code = "from veriscope.signals.log import get_log; get_log('a').warning('odd', x=1)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    assert done.stderr == "odd x=1\n"
