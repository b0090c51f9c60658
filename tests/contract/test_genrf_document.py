"""The genRF guide, name by name: `genrf.txt` holds one row for each."""

import inspect
import json
import logging
from pathlib import Path
from typing import Any

import prometheus_client
import pytest
import structlog

import veriscope
from veriscope import genrf

ROWS = (Path(__file__).parent / "genrf.txt").read_text().splitlines()


def rows(kind: str) -> Any:
    """Parametrize with the rows of *kind*, without that word."""
    chosen = [row.removeprefix(f"{kind} ") for row in ROWS if row.startswith(f"{kind} ")]
    assert chosen, f"the table has no {kind}"
    return pytest.mark.parametrize("row", chosen)


def test_every_row_is_of_a_kind_that_is_tested() -> None:
    """A row that no test reads would promise nothing."""
    known = {"family", "function", "recorder", "health", "memory", "record"}
    assert {row.split()[0] for row in ROWS} == known


@rows("family")
def test_the_metric_family_is_the_document_s(row: str) -> None:
    """Name, type, labels and buckets are those that dashboards and rules were written for."""
    variable, kind, name, *details = row.split()
    family = getattr(genrf, variable)
    asked = dict(detail.split("=") for detail in details)
    assert type(family) is getattr(prometheus_client, kind)
    assert family._name == name
    assert family._labelnames == tuple(asked["labels"].split(","))
    if "buckets" in asked:
        bounds = [float(bound) for bound in asked["buckets"].split(",")]
        assert list(family._kwargs["buckets"]) == bounds
    elif kind == "Histogram":
        assert family._kwargs["buckets"] == prometheus_client.Histogram.DEFAULT_BUCKETS


@rows("function")
def test_the_function_is_importable(row: str) -> None:
    """The document's function is in `veriscope.genrf` and at the root, the same object."""
    assert callable(getattr(genrf, row))
    assert getattr(genrf, row) is getattr(veriscope, row)


@rows("recorder")
def test_the_recorder_takes_the_arguments(row: str) -> None:
    """Helpers take what the family's labels and value need, in this order."""
    name, parameters = row.rstrip(")").split("(", 1)
    taken = inspect.signature(getattr(genrf, name)).parameters
    assert list(taken)[: len(parameters.split(", "))] == parameters.split(", ")


@rows("health")
def test_the_health_answer_has_the_key(row: str) -> None:
    """`/health` answers in the document's shape."""
    checks = veriscope.HealthChecks("genrf")
    for name in ("database", "spice", "gpu"):
        checks.add(name, lambda: None)
    found: Any = checks.run()
    for step in row.split("."):
        found = found[step]


@rows("memory")
def test_memory_tracking_logs_the_field(row: str) -> None:
    """The event "Memory usage" has the field."""
    with structlog.testing.capture_logs() as events, genrf.track_memory_usage():
        pass
    [event] = [event for event in events if event["event"] == "Memory usage"]
    assert isinstance(event[row], int)


@rows("record")
def test_a_log_record_has_the_field(row: str, one_record: dict[str, Any]) -> None:
    """A record in the file has the field that the Elasticsearch mapping names."""
    assert row in one_record


@pytest.fixture(scope="module")
def one_record(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return the record of a generation, read back from the log file."""
    directory = tmp_path_factory.mktemp("logs")
    handle = genrf.configure_logging("genrf", directory=directory, console="off")
    logging.getLogger("genrf.api").info(
        "generated",
        extra={
            "circuit_type": "LNA",
            "technology": "tsmc65",
            "user_id": "u1",
            "session_id": "s1",
            "generation_time": 2.5,
            "spice_engine": "ngspice",
        },
    )
    handle.reset()
    return json.loads((directory / "genrf.log").read_text().splitlines()[-1])
