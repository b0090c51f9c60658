import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.fault

# What the scripts begin with: one item of each signal, told apart by a name.
PRELUDE = """
import atexit, multiprocessing, os, sys, threading, time, warnings
# Python 3.12 and later warn of any fork beside a thread, which is what is tested here.
warnings.filterwarnings("ignore", ".*multi-threaded, use of fork", DeprecationWarning)
import veriscope
from opentelemetry.sdk.trace import TracerProvider
from prometheus_client import Counter
from veriscope.instrument.delivery import ExportOptions, LogRecord, current

tracer = TracerProvider(shutdown_on_exit=False).get_tracer("job")

def produce(name):
    exporter = current()
    span = tracer.start_span(name)
    span.end()
    exporter.span_processor().on_end(span)
    exporter.add_log(LogRecord(time.time_ns(), 9, "INFO", name))
    exporter.add_sample("produced", {"by": name}, 1)
"""


def produced(sink: Any) -> dict[str, Counter[str]]:
    """Return how often each name arrived, by signal."""
    return {
        "metrics": Counter(
            labels["by"] for labels, _, _ in sink.samples if labels["__name__"] == "produced"
        ),
        "spans": Counter(span.name for _, span in sink.spans),
        "logs": Counter(each.body.string_value for _, _, each in sink.logs),
    }


def instances(sink: Any) -> dict[str, str]:
    """Return the instance under which each name's sample arrived."""
    return {
        labels["by"]: labels["instance"]
        for labels, _, _ in sink.samples
        if labels["__name__"] == "produced"
    }


def everything_once(*names: str) -> dict[str, Counter[str]]:
    """Return what `produced` is where each name arrived once by each signal."""
    return {signal: Counter(names) for signal in ("metrics", "spans", "logs")}


def test_what_a_process_leaves_arrives_at_its_end(
    sink: Any, run_python: Callable[..., Any]
) -> None:
    """Without a word from the script, all that it produced is sent when it ends."""
    ended = run_python(PRELUDE + "produce('last')\nCounter('done', '').inc()\n", sink.url)
    assert (ended.code, ended.err) == (0, "")
    assert produced(sink) == everything_once("last")
    assert sink.values("done_total") == [1.0]


def test_an_uncaught_exception_still_sends(sink: Any, run_python: Callable[..., Any]) -> None:
    """The exit code and the traceback are the script's own."""
    ended = run_python(PRELUDE + "produce('last')\nraise SystemExit(3)\n", sink.url)
    assert (ended.code, ended.err) == (3, "")
    assert produced(sink) == everything_once("last")


@pytest.mark.parametrize("when", ["before the thread has turned", "after failures"])
def test_the_end_does_not_wait_for_a_dead_server(
    free_port: int, run_python: Callable[..., Any], when: str
) -> None:
    """Nobody listens: the process ends at once, with its own exit code and a clean stderr."""
    pause = "" if when.startswith("before") else "time.sleep(1.5)"
    ended = run_python(
        PRELUDE + f"produce('lost')\n{pause}\nprint(time.time())\n", f"http://127.0.0.1:{free_port}"
    )
    assert (ended.code, ended.err) == (0, "")
    assert ended.seconds < 10


def test_the_end_is_bounded_where_the_server_never_answers(
    sink: Any, run_python: Callable[..., Any]
) -> None:
    """A server that hangs costs `shutdown_timeout_s` at most."""
    sink.answers.clear()
    script = """
veriscope.configure(options=ExportOptions(service_name="job", shutdown_timeout_s=0.5))
produce("lost")
begun = time.monotonic()
atexit._run_exitfuncs()
print(time.monotonic() - begun)
"""
    ended = run_python(PRELUDE + script, sink.url)
    assert (ended.code, ended.err) == (0, "")
    assert float(ended.out) < 20


def test_items_of_exit_handlers_and_late_threads_do_no_harm(
    sink: Any, run_python: Callable[..., Any]
) -> None:
    """Threads that go on while the interpreter ends leave no traceback and no hang."""
    script = """
def work():
    while True:
        produce("busy")
        time.sleep(0.001)

current()
for _ in range(4):
    threading.Thread(target=work, daemon=True).start()
atexit.register(produce, "handler")
time.sleep(0.2)
"""
    ended = run_python(PRELUDE + script, sink.url)
    assert (ended.code, ended.err) == (0, "")
    assert produced(sink)["logs"]["handler"] == 1


def test_the_first_item_may_come_when_no_thread_can_start(
    sink: Any, run_python: Callable[..., Any]
) -> None:
    """Where the system refuses threads, the end sends by itself."""
    script = """
def refuse(self):
    raise RuntimeError("can't create new thread at interpreter shutdown")

threading.Thread.start = refuse
produce("threadless")
"""
    ended = run_python(PRELUDE + script, sink.url)
    assert (ended.code, ended.err) == (0, "")
    assert produced(sink) == everything_once("threadless")


def test_a_fork_delivers_each_process_own_data_once(
    sink: Any, run_python: Callable[..., Any]
) -> None:
    """What waited in the parent at the fork is the parent's; the child is another instance."""
    script = """
produce("parent before")
child = os.fork()
if child == 0:
    produce("child")
    sys.exit(0)
produce("parent after")
assert os.waitpid(child, 0)[1] == 0
"""
    ended = run_python(PRELUDE + script, sink.url)
    assert (ended.code, ended.err) == (0, "")
    assert produced(sink) == everything_once("parent before", "child", "parent after")
    found = instances(sink)
    assert found["parent before"] == found["parent after"] != found["child"]
    told = {
        span.name: (resource["service.instance.id"], resource["process.pid"])
        for resource, span in sink.spans
    }
    for name, (instance, pid) in told.items():
        assert instance == found[name]
        assert instance.endswith(f":{pid}")


def test_forks_under_load_neither_hang_nor_send_twice(
    sink: Any, run_python: Callable[..., Any]
) -> None:
    """Four threads produce and the registry is read all the time while twenty children start."""
    script = """
from prometheus_client import REGISTRY, generate_latest
veriscope.configure(options=ExportOptions(
    service_name="job", metrics_interval_s=0.01, batch_interval_s=0.01))
for number in range(100):
    Counter(f"many_{number}", "").inc()
on = True

def work(thread):
    number = 0
    while on:
        produce(f"{thread} {number}")
        number += 1
        time.sleep(0.005)

threads = [threading.Thread(target=work, args=(each,)) for each in range(4)]
for thread in threads:
    thread.start()
children = []
for number in range(20):
    child = os.fork()
    if child == 0:
        assert generate_latest()
        produce(f"child {number}")
        veriscope.shutdown(20)
        os._exit(0)
    children.append(child)
for child in children:
    assert os.waitpid(child, 0)[1] == 0
on = False
for thread in threads:
    thread.join()
assert veriscope.flush(60)
"""
    ended = run_python(PRELUDE + script, sink.url)
    assert (ended.code, ended.err) == (0, "")
    for counts in produced(sink).values():
        assert set(counts.values()) == {1}
        assert {f"child {number}" for number in range(20)} <= set(counts)


def test_forked_workers_of_a_preloaded_application_are_all_read(
    sink: Any, run_python: Callable[..., Any]
) -> None:
    """As under gunicorn with `preload_app`: workers that only count are read, too."""
    script = """
veriscope.configure(options=ExportOptions(
    service_name="job", metrics_interval_s=0.1, batch_interval_s=0.05))
requests = Counter("requests", "")
workers = []
for number in range(3):
    worker = os.fork()
    if worker == 0:
        requests.inc(number + 1)
        time.sleep(1)
        os._exit(0)   # as a worker that is killed: nothing is sent at its end
    workers.append(worker)
for worker in workers:
    os.waitpid(worker, 0)
"""
    ended = run_python(PRELUDE + script, sink.url)
    assert (ended.code, ended.err) == (0, "")
    counts = {
        labels["instance"]: value
        for labels, _, value in sink.samples
        if labels["__name__"] == "requests_total"
    }
    assert sorted(counts.values()) == [0.0, 1.0, 2.0, 3.0]


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_processes_of_multiprocessing_send_at_their_end(
    sink: Any, run_python: Callable[..., Any], method: str
) -> None:
    """They skip `atexit`, and yet nothing is lost, whichever way they are started."""
    script = """
if __name__ == "__main__":
    produce("parent")
    context = multiprocessing.get_context(METHOD)
    children = [context.Process(target=produce, args=(f"child {each}",)) for each in range(2)]
    for child in children:
        child.start()
    for child in children:
        child.join()
        assert child.exitcode == 0
""".replace("METHOD", repr(method))
    ended = run_python(PRELUDE + script, sink.url)
    assert (ended.code, ended.err) == (0, "")
    assert produced(sink) == everything_once("parent", "child 0", "child 1")
    assert len(set(instances(sink).values())) == 3


def test_a_grandchild_is_a_process_of_its_own(sink: Any, run_python: Callable[..., Any]) -> None:
    """A child that forks again gives the same promise."""
    script = """
produce("parent")
child = os.fork()
if child == 0:
    produce("child")
    grandchild = os.fork()
    if grandchild == 0:
        produce("grandchild")
        sys.exit(0)
    os.waitpid(grandchild, 0)
    sys.exit(0)
os.waitpid(child, 0)
"""
    ended = run_python(PRELUDE + script, sink.url)
    assert (ended.code, ended.err) == (0, "")
    assert produced(sink) == everything_once("parent", "child", "grandchild")


@pytest.mark.skipif(sys.platform != "linux", reason="counts threads through /proc")
def test_a_process_without_a_server_starts_nothing(run_python: Callable[..., Any]) -> None:
    """No URL: no thread, and none of the heavy libraries."""
    script = """
import os, sys
import veriscope.instrument.delivery as delivery
assert delivery.current() is None
assert delivery.flush() and delivery.shutdown()
assert len(os.listdir("/proc/self/task")) == 1
print(sorted({"numpy", "opentelemetry", "urllib3", "prometheus_client"} & set(sys.modules)))
"""
    ended = run_python(script, "")
    assert (ended.code, ended.out, ended.err) == (0, "[]\n", "")
