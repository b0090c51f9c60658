import datetime as dt
import io
import json
import logging
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_type_hints

import msgspec
import pytest
import structlog
from opentelemetry.sdk.trace import TracerProvider
from prometheus_client import CollectorRegistry

from veriscope.instrument.logs import LoggingOptions, LoggingSettings, configure_logging
from veriscope.signals import InvalidInputError

Log = Callable[..., Any]
Read = Callable[[Path], list[dict[str, Any]]]


def test_standard_logging_keeps_its_extra_fields(log_to: Log, records: Read) -> None:
    """A record of `logging` has the fields of the Elasticsearch mapping under their names."""
    handle = log_to()
    logging.getLogger("genrf.api").info(
        "made %s", "one", extra={"circuit_type": "LNA", "generation_time": 1.5, "user_id": "u1"}
    )
    (event,) = records(handle.path)
    moment = dt.datetime.fromisoformat(event.pop("timestamp"))
    assert abs(moment - dt.datetime.now(dt.UTC)) < dt.timedelta(minutes=1)
    assert event == {
        "level": "INFO",
        "logger": "genrf.api",
        "message": "made one",
        "circuit_type": "LNA",
        "generation_time": 1.5,
        "user_id": "u1",
    }


def test_structlog_goes_the_same_way(log_to: Log, records: Read) -> None:
    """A structlog event has its key-values and its bound context beside the message."""
    handle = log_to()
    log = structlog.get_logger("genrf.memory").bind(session_id="s1")
    with structlog.contextvars.bound_contextvars(technology="tsmc65"):
        log.info("Memory usage", current_traced=7)
    (event,) = records(handle.path)
    assert event["message"] == "Memory usage"
    assert event["logger"] == "genrf.memory"
    assert (event["session_id"], event["technology"], event["current_traced"]) == (
        "s1",
        "tsmc65",
        7,
    )


def test_a_logger_made_before_is_configured_too(log_to: Log, records: Read) -> None:
    """A module's logger that exists before the call, without a name, reaches the file."""
    log = structlog.get_logger()
    handle = log_to()
    log.info("started")
    assert [event["message"] for event in records(handle.path)] == ["started"]


@pytest.mark.parametrize(
    ("method", "level"),
    [("error", "ERROR"), ("warning", "WARN"), ("info", "INFO"), ("critical", "CRITICAL")],
)
def test_levels_have_the_names_of_the_queries(
    log_to: Log, records: Read, method: str, level: str
) -> None:
    """`level:ERROR` and its like find what was logged at that level; DEBUG is below INFO."""
    handle = log_to()
    logging.getLogger("genrf").debug("left out")
    getattr(logging.getLogger("genrf"), method)("x")
    assert [event["level"] for event in records(handle.path)] == [level]


def test_security_records_have_a_file_of_their_own(
    log_to: Log, records: Read, capsys: pytest.CaptureFixture[str]
) -> None:
    """The security logger takes every level, in one private file, and shows it nowhere else."""
    handle = log_to(console="json")
    logging.getLogger("genrf.security").debug("login refused", extra={"user_id": "u1"})
    assert [event["message"] for event in records(handle.security_path)] == ["login refused"]
    assert stat.S_IMODE(handle.security_path.stat().st_mode) == 0o600
    assert not handle.path.exists()
    assert capsys.readouterr().err == ""


def test_exceptions_are_structured(log_to: Log, records: Read) -> None:
    """An exception has type, message and stack trace, from either library."""
    handle = log_to()
    for log in (logging.getLogger("genrf.a"), structlog.get_logger("genrf.b")):
        try:
            int("not a number")
        except ValueError:
            log.exception("failed")
    for event in records(handle.path):
        assert event["level"] == "ERROR"
        assert event["exception"]["type"] == "ValueError"
        assert "invalid literal" in event["exception"]["message"]
        assert "test_exceptions_are_structured" in event["exception"]["stacktrace"]


def test_records_name_their_trace(log_to: Log, records: Read) -> None:
    """Within a span a record has its trace and span id in hexadecimal; outside it has none."""
    handle = log_to()
    tracer = TracerProvider().get_tracer("test")
    with tracer.start_as_current_span("generate_circuit") as span:
        logging.getLogger("genrf").info("inside")
    logging.getLogger("genrf").info("outside")
    inside, outside = records(handle.path)
    assert inside["trace_id"] == f"{span.get_span_context().trace_id:032x}"
    assert inside["span_id"] == f"{span.get_span_context().span_id:016x}"
    assert "trace_id" not in outside


def test_fields_cannot_forge_the_event(log_to: Log, records: Read) -> None:
    """A field with the name of the event's own is kept beside it, with an underscore."""
    handle = log_to()
    logging.getLogger("genrf").info("real", extra={"level": "forged", "timestamp": "then"})
    (event,) = records(handle.path)
    assert (event["level"], event["level_"], event["timestamp_"]) == ("INFO", "forged", "then")


def test_a_newline_cannot_forge_a_record(log_to: Log, records: Read) -> None:
    """Whatever a message holds, it stays one line."""
    handle = log_to()
    logging.getLogger("genrf").info('x\n{"level":"ERROR"}\r\n\x00')
    (event,) = records(handle.path)
    assert event["message"] == 'x\n{"level":"ERROR"}\r\n\x00'


@pytest.mark.parametrize("value", [2**70, float("nan"), "\ud800", b"\xff", object(), {1: {2}}])
def test_any_value_can_be_logged(log_to: Log, records: Read, value: object) -> None:
    """What JSON cannot hold is spelt in a way that it can."""
    handle = log_to()
    structlog.get_logger("genrf").info("odd", value=value)
    assert "value" in records(handle.path)[0]


def test_what_cannot_be_shown_does_not_cost_the_record(log_to: Log, records: Read) -> None:
    """Wrong arguments and a `__repr__` that raises are told in the record, not raised."""

    class Broken:
        def __repr__(self) -> str:
            raise RuntimeError("broken")

    handle = log_to()
    wrong = ("%d of %d", 1)
    logging.getLogger("genrf").info(*wrong)
    structlog.get_logger("genrf").info("odd", value=Broken())
    first, second = records(handle.path)
    assert first["message"] == "%d of %d % (1,)"
    assert second["value"] == "[Broken that cannot be shown: RuntimeError]"


def test_configuring_twice_writes_once(log_to: Log, records: Read, tmp_path: Path) -> None:
    """A second call replaces the first: one line a record, in the new place."""
    first = log_to()
    second = log_to(directory=tmp_path / "elsewhere")
    logging.getLogger("genrf").info("once")
    logging.getLogger("other").warning("likewise")
    assert len(records(second.path)) == 2
    assert not first.path.exists()


def test_reset_puts_everything_back(log_to: Log) -> None:
    """After `reset` loggers and structlog are as they were before the first call."""
    root, service = logging.getLogger(), logging.getLogger("genrf")
    before = (list(root.handlers), root.level, list(service.handlers), service.propagate)
    log_to()
    log_to().reset()
    assert (list(root.handlers), root.level, list(service.handlers), service.propagate) == before
    assert not structlog.is_configured()


def test_other_loggers_can_be_left_alone(log_to: Log, records: Read) -> None:
    """Without `capture_root` only the service's own loggers are taken."""
    handle = log_to(capture_root=False)
    logging.getLogger("other").error("theirs")
    logging.getLogger("genrf.x").error("ours")
    assert [event["message"] for event in records(handle.path)] == ["ours"]


def test_the_console_is_json_where_nobody_reads(
    log_to: Log, capsys: pytest.CaptureFixture[str]
) -> None:
    """`auto` writes JSON lines to a standard error that is no terminal."""
    log_to(console="auto")
    logging.getLogger("genrf").info("hello")
    assert json.loads(capsys.readouterr().err)["message"] == "hello"


def test_the_console_is_text_for_people(log_to: Log, capsys: pytest.CaptureFixture[str]) -> None:
    """`console` writes message, fields and stack trace as text."""
    log_to(console="console")
    extra = {"circuit_type": "LNA"}
    logging.getLogger("genrf").error("lost", exc_info=KeyError("k"), extra=extra)
    shown = capsys.readouterr().err
    assert "lost" in shown
    assert "circuit_type=LNA" in shown
    assert "KeyError: 'k'" in shown


def test_a_closed_console_is_counted(
    log_to: Log, dropped: Callable[[str], float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A standard error that is closed costs the console's copy only."""
    handle = log_to(console="json")
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stderr", closed)
    logging.getLogger("genrf").info("hello")
    assert dropped("console_error") == 1
    assert handle.path.exists()


@pytest.mark.parametrize(
    ("settings", "part"),
    [
        ({"level": "LOUD"}, "level"),
        ({"console": "tty"}, "console"),
        ({"backups": 0}, "backups"),
        ({"max_bytes": -1}, "max_bytes"),
        ({"redact_patterns": ("(",)}, "redact_patterns"),
        ({"levels": "INFO"}, "levels"),
        ({"service_name": "../x"}, "file's name"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, Any], part: str) -> None:
    """A setting that cannot be is refused at once, by name."""
    with pytest.raises(InvalidInputError, match=part):
        configure_logging(**settings)


def test_settings_are_the_options() -> None:
    """Each option can be given as a keyword, and there is no keyword of anything else."""
    assert set(get_type_hints(LoggingSettings)) == {
        field.name for field in msgspec.structs.fields(LoggingOptions)
    }


def test_threads_log_together(log_to: Log, records: Read) -> None:
    """Sixty-four threads lose no record and mix no line."""
    handle = log_to(rate_limit=0)
    barrier = threading.Barrier(64)

    def work(number: int) -> None:
        barrier.wait()
        for index in range(50):
            logging.getLogger("genrf").info("x" * 200, extra={"key": f"{number}-{index}"})

    threads = [threading.Thread(target=work, args=(number,)) for number in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = {event["key"] for event in records(handle.path)}
    assert len(found) == 64 * 50


def test_processes_rotate_one_file_and_lose_nothing(tmp_path: Path, records: Read) -> None:
    """Four processes that write and rotate one file keep every line whole, each once."""
    script = (
        "import logging, sys\n"
        "from veriscope.instrument.logs import configure_logging\n"
        f"configure_logging(directory={str(tmp_path)!r}, console='off', ship=False,\n"
        "    rate_limit=0, max_bytes=20_000, backups=60)\n"
        "sys.stdin.readline()\n"
        "for i in range(600):\n"
        "    logging.getLogger('genrf').info('x' * 100, extra={'key': f'{sys.argv[1]}-{i}'})\n"
    )
    children = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(number)], stdin=subprocess.PIPE, text=True
        )
        for number in range(4)
    ]
    for child in children:
        child.stdin.write("go\n")
        child.stdin.flush()
    for child in children:
        child.communicate(timeout=60)
        assert child.returncode == 0
    files = [path for path in tmp_path.glob("genrf.log*") if path.suffix != ".lock"]
    assert len(files) > 10
    # A file may grow while another process is moving it aside.
    assert all(path.stat().st_size < 200_000 for path in files)
    keys = [event["key"] for path in files for event in records(path)]
    assert len(keys) == len(set(keys)) == 4 * 600


def test_a_forked_child_writes_the_same_file(log_to: Log, records: Read) -> None:
    """After `fork` parent and child go on in one file."""
    handle = log_to()
    logging.getLogger("genrf").info("before")
    child = os.fork()
    if child == 0:
        logging.getLogger("genrf").info("child")
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    logging.getLogger("genrf").info("parent")
    assert [event["message"] for event in records(handle.path)] == ["before", "child", "parent"]


def test_old_files_are_let_go(log_to: Log, tmp_path: Path) -> None:
    """No more than `backups` files are kept beside the one that is written."""
    log_to(max_bytes=1000, backups=2, rate_limit=0)
    for _ in range(100):
        logging.getLogger("genrf").info("x" * 100)
    assert {path.name for path in tmp_path.glob("genrf.log*")} == {
        "genrf.log",
        "genrf.log.1",
        "genrf.log.2",
        "genrf.log.lock",
    }


def test_a_file_moved_by_others_is_left(log_to: Log, records: Read, tmp_path: Path) -> None:
    """After logrotate has moved the file, records go to a new one at the old place."""
    handle = log_to()
    logging.getLogger("genrf").info("one")
    handle.path.rename(tmp_path / "moved")
    logging.getLogger("genrf").info("two")
    assert [event["message"] for event in records(handle.path)] == ["two"]


def test_metrics_count_records(log_to: Log, registry: CollectorRegistry) -> None:
    """Records are counted by level, and what was redacted or cut is too."""
    log_to(max_value_chars=100)
    logging.getLogger("genrf").warning("x" * 500, extra={"password": "p"})
    value = registry.get_sample_value
    assert value("veriscope_log_records_total", {"level": "WARN"}) == 1
    assert value("veriscope_log_redacted_total") == 1
    assert value("veriscope_log_truncated_total") == 1


def test_the_interpreter_shuts_down_quietly(run_python: Callable[..., Any], tmp_path: Path) -> None:
    """Logging from `atexit` and from threads that still run leaves nothing on standard error."""
    script = (
        "import atexit, logging, threading\n"
        "from veriscope.instrument.logs import configure_logging\n"
        f"configure_logging(directory={str(tmp_path)!r}, console='off', rate_limit=20)\n"
        "def loop():\n"
        "    while True: logging.getLogger('genrf').info('still here')\n"
        "threading.Thread(target=loop, daemon=True).start()\n"
        "atexit.register(logging.getLogger('genrf').error, 'last')\n"
    )
    done = run_python(script)
    assert (done.code, done.err) == (0, "")
    assert "last" in (tmp_path / "genrf.log").read_text()
