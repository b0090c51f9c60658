import os
import threading
from collections.abc import Callable, Iterator

import pytest
import structlog

from veriscope.alert import SerialWorker


@pytest.fixture
def worker() -> Iterator[SerialWorker]:
    """Return a worker for three jobs at a time."""
    made = SerialWorker("test", 3)
    yield made
    made.close()


def once(seen: list[str], name: str) -> Callable[[], None]:
    """Return a job that notes *name*."""
    return lambda: seen.append(name)


def test_jobs_run_in_order_and_a_repeated_one_holds_its_place(worker: SerialWorker) -> None:
    """What is tried again comes before what was queued after it."""
    seen: list[str] = []

    def stubborn() -> float | None:
        seen.append("stubborn")
        return 0.001 if len(seen) < 3 else None

    assert worker.put(stubborn)
    assert worker.put(once(seen, "after"))
    assert worker.flush(60)
    assert seen == ["stubborn"] * 3 + ["after"]


def test_a_job_that_fails_does_not_end_the_others(worker: SerialWorker) -> None:
    """Its fault is logged, and the next job runs."""
    seen: list[str] = []

    def broken() -> None:
        raise RuntimeError("no")

    with structlog.testing.capture_logs() as logs:
        worker.put(broken)
        worker.put(once(seen, "after"))
        assert worker.flush(60)
    assert seen == ["after"]
    assert [entry["event"] for entry in logs] == ["background_job_failed"]


def test_a_full_or_closed_worker_refuses(worker: SerialWorker) -> None:
    """Nobody waits for room, and closing says how many jobs were given up."""
    gate = threading.Event()
    assert [worker.put(lambda: gate.wait(20) and None) for _ in range(5)] == [True] * 3 + [
        False
    ] * 2
    assert not worker.flush(0)
    assert worker.close() == 3
    gate.set()
    assert not worker.put(lambda: None)


def test_without_a_thread_nothing_raises_and_the_next_job_tries_again(
    worker: SerialWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system may have no thread left; what was queued meanwhile is not lost."""
    seen: list[str] = []
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_thread)
        assert worker.put(once(seen, "first"))
    assert worker.put(once(seen, "second"))
    assert worker.flush(60)
    assert seen == ["first", "second"]


def no_thread(_: threading.Thread) -> None:
    """Fail as `Thread.start` does where the system has no thread left."""
    raise RuntimeError("can't start new thread")


def test_closing_ends_a_pause(worker: SerialWorker) -> None:
    """A job that waits for its next try does not hold the end up."""
    tried = threading.Event()

    def never() -> float:
        tried.set()
        return 3600.0

    worker.put(never)
    assert tried.wait(60)
    assert worker.close() == 1
    assert worker.flush(60)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_starts_empty(worker: SerialWorker) -> None:
    """The parent's jobs are the parent's; the child's run on a thread of its own."""
    gate = threading.Event()
    seen: list[str] = []
    worker.put(lambda: gate.wait(20) and None)
    worker.put(once(seen, "parents"))
    child = os.fork()
    if child == 0:
        worker.put(once(seen, "childs"))
        os._exit(0 if worker.flush(60) and seen == ["childs"] else 1)
    assert os.waitpid(child, 0)[1] == 0
    gate.set()
    assert worker.flush(60)
    assert seen == ["parents"]
