import gzip
import hashlib
import os
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from prometheus_client import CollectorRegistry

from veriscope.instrument.profiling import SamplingProfiler
from veriscope.instrument.profiling.stacks import StackTable
from veriscope.instrument.profiling.threads import ThreadSampler
from veriscope.signals import InvalidInputError

FIELDS = {
    "ValueType": [("type", 1, "int64"), ("unit", 2, "int64")],
    "Label": [("key", 1, "int64"), ("str", 2, "int64")],
    "Sample": [("location_id", 1, "*uint64"), ("value", 2, "*int64"), ("label", 3, "*Label")],
    "Line": [("function_id", 1, "uint64"), ("line", 2, "int64")],
    "Location": [("id", 1, "uint64"), ("line", 4, "*Line")],
    "Function": [
        ("id", 1, "uint64"),
        ("name", 2, "int64"),
        ("system_name", 3, "int64"),
        ("filename", 4, "int64"),
        ("start_line", 5, "int64"),
    ],
    "Profile": [
        ("sample_type", 1, "*ValueType"),
        ("sample", 2, "*Sample"),
        ("location", 4, "*Location"),
        ("function", 5, "*Function"),
        ("string_table", 6, "*string"),
        ("time_nanos", 9, "int64"),
        ("duration_nanos", 10, "int64"),
        ("period_type", 11, "ValueType"),
        ("period", 12, "int64"),
        ("comment", 13, "*int64"),
    ],
}


@pytest.fixture(scope="module")
def profile_type() -> Any:
    """Build pprof's message with the protobuf library, as an outside judge of the encoder."""
    file = descriptor_pb2.FileDescriptorProto(name="p.proto", package="p", syntax="proto3")
    field = descriptor_pb2.FieldDescriptorProto
    for name, fields in FIELDS.items():
        message = file.message_type.add(name=name)
        for title, number, kind in fields:
            plain = kind.removeprefix("*")
            added = message.field.add(name=title, number=number)
            added.label = field.LABEL_REPEATED if kind != plain else field.LABEL_OPTIONAL
            if plain in FIELDS:
                added.type, added.type_name = field.TYPE_MESSAGE, f".p.{plain}"
            else:
                added.type = getattr(field, f"TYPE_{plain.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("p.Profile"))


@pytest.fixture
def busy_and_waiting() -> Iterator[Callable[[], None]]:
    """Run a thread that computes and one that waits; call it to wait until both have begun."""
    stop, begun = threading.Event(), threading.Barrier(3)

    def compute_hard() -> None:
        begun.wait()
        while not stop.is_set():
            sum(range(1000))

    def wait_long() -> None:
        begun.wait()
        stop.wait()

    threads = [
        threading.Thread(target=compute_hard, name="busy"),
        threading.Thread(target=wait_long, name="idle"),
    ]
    for thread in threads:
        thread.start()
    yield begun.wait
    stop.set()
    for thread in threads:
        thread.join()


def wait_for(condition: Callable[[], Any]) -> Any:
    """Return what *condition* gives as soon as it is true."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if found := condition():
            return found
        threading.Event().wait(0.01)
    raise AssertionError("it did not come true")


def samples_taken(registry: CollectorRegistry) -> float:
    """Count the samples of both states."""
    return sum(
        registry.get_sample_value("veriscope_profiler_samples_total", {"state": state}) or 0.0
        for state in ("on_cpu", "off_cpu")
    )


def folded(folder: Path, kind: str) -> dict[str, int]:
    """Read collapsed stacks and their microseconds."""
    lines = [
        line.rsplit(" ", 1)
        for path in folder.glob(f"sampling_*.{kind}.folded")
        for line in path.read_text().splitlines()
    ]
    return {stack: int(micros) for stack, micros in lines}


def test_time_on_and_off_the_cpu_is_told_apart(
    tmp_path: Path, registry: CollectorRegistry, busy_and_waiting: Callable[[], None]
) -> None:
    """A computing thread is in the profile of the CPU; a waiting one only in the other."""
    with SamplingProfiler(200, directory=tmp_path, budget=1, registry=registry):
        busy_and_waiting()
        wait_for(lambda: samples_taken(registry) > 100)
    on, off = folded(tmp_path, "cpu"), folded(tmp_path, "off-cpu")
    on_busy = sum(micros for stack, micros in on.items() if stack.startswith("busy;"))
    on_idle = sum(micros for stack, micros in on.items() if stack.startswith("idle;"))
    off_idle = sum(micros for stack, micros in off.items() if stack.startswith("idle;"))
    assert on_busy > 10 * on_idle
    assert off_idle > 100_000
    assert any("compute_hard" in stack for stack in on)
    assert any("wait_long" in stack for stack in off)
    assert not any("veriscope-profiler" in stack for stack in {**on, **off})


@pytest.mark.alone("samples that come late count less of the time")
def test_cpu_time_adds_up(tmp_path: Path, registry: CollectorRegistry) -> None:
    """The CPU time of a thread's stacks is what its own clock says, within a few samples."""
    used = []

    def compute() -> None:
        begun = time.thread_time()
        while time.thread_time() - begun < 0.5:
            sum(range(1000))
        used.append(time.thread_time() - begun)

    with SamplingProfiler(200, directory=tmp_path, budget=1, registry=registry):
        thread = threading.Thread(target=compute, name="worker")
        thread.start()
        thread.join()
    stacks = folded(tmp_path, "cpu")
    counted = sum(micros for stack, micros in stacks.items() if stack.startswith("worker;")) / 1e6
    assert 0.8 * used[0] < counted <= 1.05 * used[0]


def test_the_pprof_file_is_what_protobuf_reads(
    tmp_path: Path,
    registry: CollectorRegistry,
    profile_type: Any,
    busy_and_waiting: Callable[[], None],
) -> None:
    """The file parses as pprof's message: types, stacks with names, labels, times, comments."""
    with SamplingProfiler(200, directory=tmp_path, budget=1, registry=registry):
        busy_and_waiting()
        wait_for(lambda: samples_taken(registry) > 100)
    (path,) = tmp_path.glob("*.pb.gz")
    profile = profile_type.FromString(gzip.decompress(path.read_bytes()))
    text = list(profile.string_table)
    assert text[0] == ""
    assert [(text[t.type], text[t.unit]) for t in profile.sample_type] == [
        ("samples", "count"),
        ("wall", "nanoseconds"),
        ("cpu", "nanoseconds"),
    ]
    functions = {function.id: text[function.name] for function in profile.function}
    locations = {place.id: functions[place.line[0].function_id] for place in profile.location}
    busy = [
        [locations[number] for number in sample.location_id]
        for sample in profile.sample
        if text[sample.label[0].str] == "busy"
    ]
    assert all(text[sample.label[0].key] == "thread" for sample in profile.sample)
    assert any("compute_hard" in name for stack in busy for name in stack)
    assert all(stack[-1] == "Thread._bootstrap" for stack in busy)
    assert abs(profile.time_nanos - time.time_ns()) < 60e9
    assert profile.duration_nanos > 0
    assert profile.period == 5_000_000
    assert any(text[comment].startswith("ticks missed") for comment in profile.comment)


def test_intervals_become_files_and_old_ones_go(
    tmp_path: Path, registry: CollectorRegistry
) -> None:
    """Every interval has its files, and only those of the newest `keep` stay."""
    with SamplingProfiler(
        100, directory=tmp_path, interval_s=0.05, keep=2, registry=registry
    ) as profiler:
        assert profiler.running
        kind = {"kind": "sampling"}
        wait_for(
            lambda: (registry.get_sample_value("veriscope_profiles_written_total", kind) or 0) > 4
        )
    assert not profiler.running
    assert len(list(tmp_path.glob("*.pb.gz"))) == 2
    assert len(list(tmp_path.glob("*"))) == 6


def test_starting_and_stopping_twice_is_harmless(
    tmp_path: Path, registry: CollectorRegistry
) -> None:
    """A profiler can be started again, and there is never more than one thread of it."""
    profiler = SamplingProfiler(directory=tmp_path, registry=registry)
    assert profiler.start() is profiler.start()
    names = [thread.name for thread in threading.enumerate()]
    assert names.count("veriscope-profiler") == 1
    profiler.stop()
    profiler.stop()
    with profiler:
        assert profiler.running
    assert "veriscope-profiler" not in [thread.name for thread in threading.enumerate()]


def test_it_slows_down_over_its_budget(tmp_path: Path, registry: CollectorRegistry) -> None:
    """A profiler that costs more than its budget takes fewer samples, and says so."""
    with SamplingProfiler(500, directory=tmp_path, budget=1e-6, registry=registry):
        hertz = wait_for(
            lambda: (
                (found := registry.get_sample_value("veriscope_profiler_frequency_hertz"))
                and found < 500
                and found
            )
        )
        assert hertz >= 1
        assert registry.get_sample_value("veriscope_profiler_overhead_ratio") > 1e-6


@pytest.mark.alone("how long a thread waits for the GIL is measured")
def test_what_switches_cost_counts(tmp_path: Path, registry: CollectorRegistry) -> None:
    """A thread that runs pays for each sample, also where it hands the GIL over without delay."""
    done = threading.Event()

    def compute() -> None:
        while not done.is_set():
            hashlib.sha256(bytes(100_000)).digest()

    ratios = []
    thread = threading.Thread(target=compute)
    thread.start()
    try:
        with SamplingProfiler(100, directory=tmp_path, budget=1, registry=registry):
            for _ in range(10):
                time.sleep(0.25)
                ratios.append(registry.get_sample_value("veriscope_profiler_overhead_ratio"))
    finally:
        done.set()
        thread.join()
    # Its own CPU time is some 0.2 %; a hundred interruptions of at least 100 µs are 1 %.
    assert statistics.median(ratios) > 0.006


@pytest.mark.alone("threads must run to be met running")
def test_interruptions_are_counted_once_a_sample() -> None:
    """However many threads ran, a sample takes the GIL once; from threads that wait, never."""
    done = threading.Event()

    def compute() -> None:
        while not done.is_set():
            hashlib.sha256(bytes(1_000_000)).digest()

    def interrupted(target: Callable[[], object], number: int) -> float:
        """Take 20 samples, and return how many of them met a thread that ran."""
        sampler = ThreadSampler(StackTable(max_stacks=100, max_depth=10))
        threads = [threading.Thread(target=target) for _ in range(number)]
        for thread in threads:
            thread.start()
        try:
            sampler.sample(1, threading.get_ident())
            met = 0.0
            for _ in range(20):
                begun = time.monotonic_ns()
                time.sleep(0.01)
                met += sampler.sample(time.monotonic_ns() - begun, threading.get_ident())
            return met
        finally:
            done.set()
            for thread in threads:
                thread.join()
            done.clear()

    assert interrupted(done.wait, 2) < 2
    assert 5 < interrupted(compute, 2) <= 20


def test_delays_are_counted(tmp_path: Path, registry: CollectorRegistry) -> None:
    """Ticks that C code kept from happening by holding the GIL are counted as late."""
    with SamplingProfiler(500, directory=tmp_path, budget=1, registry=registry):
        sum(range(5_000_000))
    reason = {"reason": "late"}
    assert registry.get_sample_value("veriscope_profiler_dropped_total", reason) >= 5


def test_stacks_are_bounded() -> None:
    """Stacks past the limit are counted as one, and deep ones are cut."""
    table = StackTable(max_stacks=2, max_depth=3)
    frame = sys._getframe()
    for name in ("a", "b", "c", "d"):
        table.tally(name, frame).samples += 1
    found = {sample.labels[0][1]: sample for sample in table.samples()}
    assert set(found) == {"a", "b", "*"}
    assert found["*"].frames[0].function == "[other]"
    assert found["*"].values[0] == table.unkept == 2
    assert [frame.function for frame in found["a"].frames][-1] == "[truncated]"
    assert len(found["a"].frames) == 4


def test_a_forked_child_profiles_itself(tmp_path: Path, registry: CollectorRegistry) -> None:
    """After `fork` the child has a profile of its own, under its own number."""
    with SamplingProfiler(100, directory=tmp_path, registry=registry) as profiler:
        child = os.fork()
        if child == 0:
            status = 1
            try:
                begun = time.thread_time()
                while time.thread_time() - begun < 0.1:
                    sum(range(1000))
                profiler.stop()
                status = 0
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
    owners = {path.name.split("_")[1] for path in tmp_path.glob("*.pb.gz")}
    assert owners == {str(child), str(os.getpid())}


def test_the_interpreter_shuts_down_quietly(run_python: Callable[..., Any], tmp_path: Path) -> None:
    """A profiler that nobody stops writes its last profile at exit, and no complaint."""
    script = (
        "import threading, time\n"
        "from veriscope.instrument.profiling import SamplingProfiler\n"
        f"SamplingProfiler(directory={str(tmp_path)!r}).start()\n"
        "def spin():\n"
        "    while True: sum(range(100))\n"
        "threading.Thread(target=spin, daemon=True).start()\n"
        "time.sleep(0.2)\n"
    )
    done = run_python(script)
    assert (done.code, done.err) == (0, "")
    assert list(tmp_path.glob("*.pb.gz"))


@pytest.mark.parametrize(
    "wrong", [{"hz": 0}, {"hz": 5000}, {"interval_s": 0}, {"keep": 0}, {"budget": 0}]
)
def test_wrong_numbers_are_refused(wrong: dict[str, Any], registry: CollectorRegistry) -> None:
    """Numbers that make no sense are refused where they are written."""
    with pytest.raises(InvalidInputError):
        SamplingProfiler(**wrong, registry=registry)
