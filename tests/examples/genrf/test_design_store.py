import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from examples.genrf.circuits import CircuitSpec
from examples.genrf.designs import Designs
from examples.genrf.generation import Circuit
from veriscope.signals import ManualClock, UnavailableError


def circuit_of(spec: CircuitSpec) -> Circuit:
    """Return a finished circuit."""
    return Circuit(
        spec=spec,
        topology="inductive_cascode",
        values={"width": 1e-4},
        netlist="* deck\n",
        figures={"gain_db": 15.0},
        corners={"85C": None},
        score=-0.5,
        unmet=(),
        simulations=40,
        rounds=5,
        failures={"timeout": 1},
    )


def test_a_circuit_comes_back_whole(tmp_path: Path, spec_of: Callable[..., CircuitSpec]) -> None:
    """Another process finds job, circuit and ratings as they were stored."""
    first = Designs(tmp_path / "d.sqlite", ManualClock(1000))
    first.add_job("a", spec_of())
    first.finish("a", circuit_of(spec_of()), 1.5)
    assert first.rate("a", "quality", 4, "ann")
    assert not first.rate("b", "quality", 4, "ann")
    second = Designs(tmp_path / "d.sqlite", ManualClock(2000))
    assert second.job("a")["state"] == "done"
    found = second.circuit("a")
    assert found["figures"] == {"gain_db": 15.0}
    assert found["netlist"] == "* deck\n"
    assert found["ratings"] == [{"feature": "quality", "score": 4.0, "user_id": "ann"}]
    assert [circuit["id"] for circuit in second.circuits(10, "LNA")] == ["a"]
    assert second.circuits(10, "PA") == []
    first.close()
    second.close()


def test_what_a_killed_process_left_is_interrupted(
    tmp_path: Path, spec_of: Callable[..., CircuitSpec]
) -> None:
    """Jobs that nobody works on any more do not stay `running` for ever."""
    store = Designs(tmp_path / "d.sqlite", ManualClock())
    for name in "abc":
        store.add_job(name, spec_of())
    store.change_job("b", "running")
    store.finish("c", circuit_of(spec_of()), 1.0)
    assert store.interrupt_unfinished() == 2
    assert [store.job(name)["state"] for name in "abc"] == ["interrupted", "interrupted", "done"]
    store.close()


def test_the_store_is_bounded(tmp_path: Path, spec_of: Callable[..., CircuitSpec]) -> None:
    """The oldest jobs and circuits make room for new ones."""
    clock = ManualClock()
    store = Designs(tmp_path / "d.sqlite", clock, max_jobs=3, max_circuits=2)
    for name in "abcde":
        clock.advance(ms=1)
        store.add_job(name, spec_of())
        store.finish(name, circuit_of(spec_of()), 1.0)
    assert [circuit["id"] for circuit in store.circuits(10, None)] == ["e", "d"]
    assert [store.job(name) is None for name in "abcde"] == [True, True, False, False, False]
    store.close()


def test_an_unusable_file_is_said(tmp_path: Path) -> None:
    """A file that is no database is an error with its name, and a closed store is unhealthy."""
    (tmp_path / "d.sqlite").write_text("no database at all, but long enough to look like one")
    with pytest.raises(UnavailableError, match=r"d\.sqlite"):
        Designs(tmp_path / "d.sqlite", ManualClock())
    store = Designs(tmp_path / "e.sqlite", ManualClock())
    store.close()
    with pytest.raises(sqlite3.Error):
        store.ping()
