import os
import random
import threading
import time
from collections.abc import Callable

import pytest

from examples.genrf.circuits import FAMILIES, CircuitSpec
from examples.genrf.spice import CrashingSpice, Simulator
from examples.genrf.technology import TECHNOLOGIES
from veriscope.signals import UnavailableError

FAST = "* fast\nv1 a 0 1\nr1 a 0 1k\n.control\nop\nlet x=v(a)\nprint x\nquit 0\n.endc\n.end\n"
ENDLESS = (
    "* endless\nv1 a 0 sin(0 1 1g)\nr1 a 0 1k\n.control\ntran 1p 1\nlet x=1\nprint x\n"
    "quit 0\n.endc\n.end\n"
)


@pytest.mark.parametrize("circuit_type", FAMILIES)
def test_every_topology_works_on_every_technology(
    circuit_type: str, simulator: Simulator, spec_of: Callable[..., CircuitSpec]
) -> None:
    """The middle of every design space is a circuit that ngspice can measure."""
    family = FAMILIES[circuit_type]
    for technology in TECHNOLOGIES:
        spec = spec_of(circuit_type, technology)
        for topology in family.topologies:
            values = topology.values(spec, [0.5] * len(topology.parameters(spec)))
            verdict = simulator.run(topology.netlist(spec, values), family.readings, family.name)
            assert verdict.failure is None, (technology, topology.name, verdict.message)
            figures = family.figures_from(spec, {**values, **verdict.readings})
            assert {figure.name for figure in family.figures} <= set(figures)


def test_noise_figure_is_that_of_physics(simulator: Simulator) -> None:
    """A matched 6 dB attenuator at room temperature has 6 dB of noise figure, and -6 dB of gain."""
    deck = """* pad
.options temp=16.85 tnom=16.85
v1 in 0 dc 0 ac 1 portnum 1 z0 50
r1 in a 16.614
r2 a 0 66.931
r3 a o 16.614
v2 o 0 dc 0 ac 0 portnum 2 z0 50
.control
sp lin 3 1e9 1.1e9 1
let s21_db = db(S_2_1)[1]
let nf_db = real(NF)[1]
print s21_db nf_db
quit 0
.endc
.end
"""
    readings = simulator.run(deck, ["s21_db", "nf_db"], "LNA").readings
    assert readings == pytest.approx({"s21_db": -6.0, "nf_db": 6.0}, abs=0.05)


@pytest.mark.parametrize("limit", [{"cpu_s": 1}, {"timeout_s": 0.3}])
def test_a_run_is_bounded(ngspice: str, limit: dict[str, float]) -> None:
    """A simulation that does not end is ended, by its computing time or by the clock."""
    simulator = Simulator(executable=ngspice, **limit)
    assert simulator.run(ENDLESS, ["x"], "LNA").failure == "timeout"
    simulator.close()


def test_closing_ends_what_runs(ngspice: str) -> None:
    """After `close` no ngspice is left, and none can be started."""
    simulator = Simulator(executable=ngspice)
    verdicts = []
    running = threading.Thread(target=lambda: verdicts.append(simulator.run(ENDLESS, ["x"], "LNA")))
    running.start()
    deadline = time.monotonic() + 60
    while not simulator._children and time.monotonic() < deadline:
        time.sleep(0.01)
    with simulator._lock:
        (child,) = simulator._children
    simulator.close()
    running.join(10)
    assert verdicts[0].failure == "crashed"
    with pytest.raises(ProcessLookupError):
        os.killpg(child.pid, 0)
    with pytest.raises(UnavailableError):
        simulator.run(FAST, ["x"], "LNA")


def test_missing_engine_is_said() -> None:
    """Without ngspice nothing starts, and the message names the package."""
    with pytest.raises(UnavailableError, match="install the package ngspice"):
        Simulator(executable="no-such-spice")


def test_spice_crash_really_breaks_runs(ngspice: str) -> None:
    """While the fault is on runs are killed, contradictory or incomplete; then all is well."""
    is_on = [True]
    chance = random.Random(3)  # noqa: S311 - it chooses what to spoil
    sabotage = CrashingSpice(lambda: is_on[0], chance, share=1.0)
    simulator = Simulator(executable=ngspice, sabotage=sabotage)
    failures = {simulator.run(FAST, ["x"], "LNA").failure for _ in range(12)}
    assert failures == {"crashed", "singular_matrix", "netlist_error"}
    is_on[0] = False
    assert simulator.run(FAST, ["x"], "LNA").failure is None
    simulator.close()
