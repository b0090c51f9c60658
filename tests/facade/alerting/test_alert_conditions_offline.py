import os
import socket
import threading
from collections.abc import Iterator

import pytest

from veriscope.alert import SerialWorker
from veriscope.facade.alerting.conditions import Condition
from veriscope.facade.alerting.evaluation import PromqlCondition, read_condition
from veriscope.instrument import delivery


@pytest.fixture
def worker() -> Iterator[SerialWorker]:
    """Return a worker that asks the server."""
    made = SerialWorker("test", 10)
    yield made
    made.close()


@pytest.fixture
def dead_server() -> Iterator[None]:
    """Configure a server that is not there."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        delivery.configure(f"http://127.0.0.1:{unused.getsockname()[1]}")
        yield
        delivery.shutdown(0.1)
        delivery.configure()


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("cpu > 90", Condition),
        ("promql: cpu > 90", PromqlCondition),
        ("rate(x[5m]) > 1", PromqlCondition),
        ('x{a="b"} > 1', PromqlCondition),
        ("cpu > 90 and `x y` == 'down'", Condition),
    ],
)
def test_each_language_is_told_from_the_other(worker: SerialWorker, text: str, kind: type) -> None:
    """What both could read is ours, whose metrics are at hand."""
    assert isinstance(read_condition(text, "auto", worker), kind)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_asks_for_itself(worker: SerialWorker) -> None:
    """A question that waited when a pre-forking server began its workers is asked in each."""
    gate = threading.Event()
    worker.put(lambda: gate.wait(20) and None)
    condition = read_condition("promql: up == 0", "auto", worker)
    child = os.fork()
    if child == 0:
        condition.evaluate({})
        asked = worker.flush(60) and "no server" in condition.evaluate({}).reason
        os._exit(0 if asked else 1)
    assert os.waitpid(child, 0)[1] == 0
    gate.set()


@pytest.mark.usefixtures("dead_server")
def test_a_server_that_is_away_makes_promql_unknown_and_nobody_wait(worker: SerialWorker) -> None:
    """Checking asks in another thread, and the reason is that of the connection."""
    condition = read_condition("rate(x[5m]) > 1", "auto", worker)
    gate = threading.Event()
    worker.put(lambda: gate.wait(20) and None)
    assert condition.evaluate({}).holds is None
    gate.set()
    assert worker.flush(30)
    verdict = condition.evaluate({})
    assert verdict.holds is None
    assert "127.0.0.1" in verdict.reason
