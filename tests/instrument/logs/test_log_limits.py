import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from veriscope.instrument.logs.rate import RateLimit, Suppressed
from veriscope.signals import ManualClock

Log = Callable[..., Any]
Read = Callable[[Path], list[dict[str, Any]]]


def test_a_flood_is_limited_and_told(
    log_to: Log, records: Read, dropped: Callable[[str], float]
) -> None:
    """Of a flood a burst is kept; the rest is counted, and summed up in a line."""
    handle = log_to(rate_limit=2)
    for _ in range(50):
        logging.getLogger("genrf.noisy").info("again")
    handle.flush()
    events = records(handle.path)
    kept = [event for event in events if event["message"] == "again"]
    summary = events[-1]
    assert len(kept) + summary["suppressed"] == 50
    assert summary["message"] == f"suppressed {summary['suppressed']} records"
    assert (summary["suppressed_logger"], summary["suppressed_level"]) == ("genrf.noisy", "INFO")
    assert dropped("rate_limited") == summary["suppressed"]


def test_errors_and_other_loggers_have_budgets_of_their_own(log_to: Log, records: Read) -> None:
    """A logger's flood costs neither its errors nor anybody else's records."""
    handle = log_to(rate_limit=1)
    for _ in range(100):
        logging.getLogger("genrf.noisy").info("again")
    logging.getLogger("genrf.noisy").error("failed")
    logging.getLogger("genrf.calm").info("calm")
    messages = [event["message"] for event in records(handle.path)]
    assert "failed" in messages
    assert "calm" in messages


def test_security_records_are_never_limited(log_to: Log, records: Read) -> None:
    """No flood hides a security record."""
    handle = log_to(rate_limit=1, error_rate_limit=1)
    for _ in range(100):
        logging.getLogger("genrf.security").warning("refused")
    assert len(records(handle.security_path)) == 100


def test_a_bucket_fills_with_time() -> None:
    """After a burst of five seconds' worth, the rate is what gets through."""
    clock = ManualClock()
    limit = RateLimit(10, 100, clock.monotonic_s)
    assert sum(limit.admit("a", logging.INFO) for _ in range(100)) == 50
    clock.advance(ms=1000)
    assert sum(limit.admit("a", logging.INFO) for _ in range(100)) == 10
    assert limit.take_suppressed() == [Suppressed("a", logging.INFO, 140)]
    assert limit.take_suppressed() == []


def test_summaries_come_at_most_once_a_second() -> None:
    """What is suppressed between two summaries waits for the next, unless asked for at once."""
    clock = ManualClock()
    limit = RateLimit(0.1, 0, clock.monotonic_s)
    limit.admit("a", logging.INFO)
    limit.admit("a", logging.INFO)
    assert limit.take_suppressed() == []
    assert limit.take_suppressed(at_once=True) == [Suppressed("a", logging.INFO, 1)]


def test_loggers_without_end_share_a_bucket() -> None:
    """The table of loggers is bounded: names past it are counted together."""
    clock = ManualClock()
    limit = RateLimit(1, 1, clock.monotonic_s)
    for number in range(10_050):
        limit.admit(f"logger-{number}", logging.INFO)
    assert len(limit._buckets) == 10_001
    assert limit.take_suppressed(at_once=True) == [Suppressed("*", 0, 45)]


def test_long_text_is_cut_and_marked(log_to: Log, records: Read) -> None:
    """A text of megabytes keeps its beginning and says how much is missing."""
    handle = log_to(max_value_chars=100)
    logging.getLogger("genrf").info("x" * 5_000_000)
    (event,) = records(handle.path)
    assert event["message"] == "x" * 100 + "… [4999900 more characters]"


@pytest.mark.parametrize(
    "fields",
    [
        {f"field{number}": "y" * 500 for number in range(200)},
        {"many": list(range(100_000))},
        {"control": "\x01" * 8000, "more": ["\x02" * 8000] * 10},
        {"wide": {str(number): {"a": "b" * 50} for number in range(5000)}},
    ],
)
def test_a_record_has_a_greatest_size(log_to: Log, fields: dict[str, Any]) -> None:
    """No set of fields makes a line longer than `max_record_bytes`, and each line is JSON."""
    handle = log_to(max_record_bytes=4096)
    logging.getLogger("genrf").info("big", extra=fields)
    line = handle.path.read_bytes()
    assert len(line) <= 4096
    assert json.loads(line)["message"] == "big"


def test_depth_is_bounded(log_to: Log, records: Read) -> None:
    """A structure that contains itself ends at the greatest depth."""
    loop: dict[str, Any] = {}
    loop["again"] = loop
    handle = log_to()
    logging.getLogger("genrf").info("deep", extra={"loop": loop})
    assert "[dict]" in json.dumps(records(handle.path)[0])
