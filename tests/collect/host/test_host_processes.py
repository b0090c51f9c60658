from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veriscope.collect.host.processes import parse_stat
from veriscope.signals import SampleBatch, is_stale, label_value

Points = Callable[..., dict[Any, float]]


def stale_pids(batch: SampleBatch) -> set[str]:
    """Return the pids whose series *batch* ends."""
    ended = [batch.labels[i] for i in batch.series[is_stale(batch.values)]]
    return {label_value(labels, "pid") for labels in ended}


def test_processes_are_counted_by_state(machine: Any, points: Points) -> None:
    """Every process counts once, under the state that the kernel gives."""
    machine.process(2, "worker", state="R")
    machine.process(3, "gone", state="Z")
    machine.process(4, "idle", state="S")
    batch = machine.tick(machine.collector())
    states = points(batch, "node_processes_state", "state")
    assert states == {"D": 0, "I": 0, "R": 1, "S": 2, "T": 0, "Z": 1}
    assert points(batch, "node_processes_pids") == {(): 4}


def test_top_process_shows_what_it_uses(machine: Any, points: Points) -> None:
    """CPU, memory, threads, descriptors and disk traffic of a process at the top."""
    collector = machine.collector()
    machine.process(7, "trainer", ticks=1000, pages=5000)
    machine.tick(collector)
    machine.process(7, "trainer", ticks=1150, pages=5000)
    batch = machine.tick(collector)
    expected = {
        "process_top_cpu_seconds_total": 11.5,
        "process_top_cpu_usage_ratio": 1.5,
        "process_top_resident_memory_bytes": 5000 * 4096,
        "process_top_threads": 4,
        "process_top_open_fds": 3,
        "process_top_io_read_bytes_total": 4096,
        "process_top_io_written_bytes_total": 8192,
    }
    for metric, value in expected.items():
        assert points(batch, metric, "pid", "comm")["7", "trainer"] == pytest.approx(value)


def test_number_of_series_is_bounded(machine: Any, points: Points) -> None:
    """However many processes there are, at most twice the count is shown."""
    for pid in range(100, 200):
        machine.process(pid, "small", ticks=0, pages=pid)
    for pid in range(200, 300):
        machine.process(pid, "busy", ticks=0, pages=1)
    collector = machine.collector(top_processes=3)
    machine.tick(collector)
    for pid in range(200, 300):
        machine.process(pid, "busy", ticks=pid, pages=1)
    shown = points(machine.tick(collector), "process_top_threads", "pid")
    assert set(shown) == {"197", "198", "199", "297", "298", "299"}


def test_process_that_leaves_the_top_ends(machine: Any) -> None:
    """A process that is no longer shown, or has ended, gets stale markers."""
    machine.process(50, "large", pages=900)
    machine.process(51, "larger", pages=901)
    collector = machine.collector(top_processes=2)
    machine.tick(collector)
    machine.process(52, "largest", pages=999)
    assert stale_pids(machine.tick(collector)) == {"50"}
    machine.end(52)
    assert stale_pids(machine.tick(collector)) == {"52"}


def test_new_process_counts_from_its_start(machine: Any, points: Points) -> None:
    """What a process used before it was first seen counts when it began since the last look."""
    collector = machine.collector()
    machine.tick(collector)
    machine.process(9, "burst", ticks=50, pages=1)
    batch = machine.tick(collector)
    assert points(batch, "process_top_cpu_usage_ratio", "comm")["burst"] == 0.5


def test_hardly_busy_process_makes_no_series(machine: Any, points: Points) -> None:
    """A process below 1 % of a core is not among the top by CPU, however idle the rest."""
    collector = machine.collector(top_processes=1)
    machine.process(8, "passing", ticks=0, pages=1)
    machine.tick(collector)
    machine.process(8, "passing", ticks=1, pages=1)
    assert set(points(machine.tick(collector), "process_top_threads", "pid")) == {"1"}
    machine.process(8, "passing", ticks=3, pages=1)
    assert set(points(machine.tick(collector), "process_top_threads", "pid")) == {"1", "8"}


def test_clock_that_is_set_back_makes_no_burst(machine: Any, points: Points) -> None:
    """When the wall clock steps back the share of a core is 0, not huge or negative."""
    machine.process(7, "trainer", ticks=1000, pages=5000)
    collector = machine.collector()
    machine.tick(collector)
    machine.process(7, "trainer", ticks=1150, pages=5000)
    batch = machine.tick(collector, seconds=-100)
    assert points(batch, "process_top_cpu_usage_ratio", "pid")["7"] == 0


def test_what_may_not_be_read_is_left_out(machine: Any, points: Points) -> None:
    """Without the right to see descriptors and traffic, the rest is still shown."""
    machine.process(60, "other", pages=77)
    (machine.root / "proc/60/io").unlink()
    for path in (machine.root / "proc/60/fd").iterdir():
        path.unlink()
    (machine.root / "proc/60/fd").rmdir()
    batch = machine.tick(machine.collector())
    assert "60" in points(batch, "process_top_resident_memory_bytes", "pid")
    assert "60" not in points(batch, "process_top_open_fds", "pid")
    assert "60" not in points(batch, "process_top_io_read_bytes_total", "pid")


def test_nobody_is_shown_when_none_is_asked_for(machine: Any, points: Points) -> None:
    """With a count of 0 processes are counted, not shown."""
    batch = machine.tick(machine.collector(top_processes=0))
    assert not points(batch, "process_top_threads", "pid")
    assert points(batch, "node_processes_pids") == {(): 1}


@given(st.binary(min_size=1, max_size=15), st.integers(0, 2**40), st.integers(0, 2**40))
def test_any_name_is_read(comm: bytes, cpu_ticks: int, pages: int) -> None:
    """A name may hold any byte, also what looks like the fields behind it."""
    content = b"42 (%s) S 1 1 1 0 -1 0 0 0 0 0 %d 3 0 0 20 0 4 0 77 9999 %d 0 0\n" % (
        comm,
        cpu_ticks,
        pages,
    )
    process = parse_stat(content)
    assert process.comm == comm.decode(errors="replace")
    assert (process.pid, process.state, process.threads) == ("42", "S", 4)
    assert (process.cpu_ticks, process.resident_pages) == (cpu_ticks + 3, pages)


@given(st.binary(max_size=200))
def test_nonsense_is_refused(content: bytes) -> None:
    """What is not the format is a ValueError or IndexError, never a wrong process."""
    with pytest.raises((ValueError, IndexError)):
        parse_stat(content.replace(b") ", b"_"))
