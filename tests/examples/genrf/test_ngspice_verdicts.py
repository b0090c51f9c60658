import math
import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples.genrf.spice import Simulator
from examples.genrf.verdict import FAILURE_TYPES, judge, readings_in

names = st.from_regex(r"[a-z][a-z0-9_]{0,20}", fullmatch=True)
numbers = st.floats(allow_nan=False, allow_infinity=False)

# Each really fails in ngspice: two sources that contradict each other, a model that is not
# there, a current that jumps without bound, a crossing that never comes, a 0/0, silence.
FAILING = {
    "singular_matrix": "v1 a 0 1\nv2 a 0 2\nr1 a 0 1k\n.control\nop\nlet x=v(a)\nprint x",
    "netlist_error": "m1 a a 0 0 lost w=1u l=1u\nv1 a 0 1\n.control\nop\nlet x=v(a)\nprint x",
    "timestep_too_small": (
        "v1 a 0 pulse(0 1 1n 1p 1p 5n 10n)\nr1 a b 1\nc1 b 0 1p ic=0\n"
        "b1 0 b i=v(b)>0.5 ? 1e15*v(b)*sin(1e15*time) : 0\n"
        ".control\ntran 1n 20n uic\nlet y=v(b)\nmeas tran x find y at=19n"
    ),
    "measurement_failed": (
        "v1 a 0 1\nr1 a 0 1k\n.control\ntran 1n 10n\nmeas tran x when v(a)=5 rise=1"
    ),
    "math_domain": "v1 a 0 1\nr1 a 0 1k\n.control\nop\nlet x=0*v(a)/(0*v(a))\nprint x",
    "no_output": "v1 a 0 1\nr1 a 0 1k\n.control\nop",
}


@pytest.mark.parametrize("failure", FAILING)
def test_failures_are_told_by_what_ngspice_says(failure: str, simulator: Simulator) -> None:
    """A deck that really fails is classified, and the message is ngspice's own line."""
    verdict = simulator.run(f"* fails\n{FAILING[failure]}\nquit 0\n.endc\n.end\n", ["x"], "LNA")
    assert (verdict.failure, verdict.status) == (failure, "failed")
    assert verdict.message


def test_a_number_that_is_none_is_a_failure() -> None:
    """NaN and infinity are no readings, whoever printed them."""
    for text in ("nan", "-nan", "inf"):
        assert judge(f"x = {text}\n", 0, ["x"]).failure == "not_finite"


def test_struggle_is_no_failure() -> None:
    """A run that got past a singular matrix and printed its numbers is a success."""
    output = "Warning: singular matrix:  check node b\nNote: One successful gmin step\nx = 1.5\n"
    verdict = judge(output, 0, ["x"])
    assert (verdict.readings, verdict.failure) == ({"x": 1.5}, None)


@pytest.mark.parametrize(
    ("number", "failure", "status"),
    [(signal.SIGKILL, "crashed", "failed"), (signal.SIGXCPU, "timeout", "timeout")],
)
def test_a_signal_ends_a_run(number: int, failure: str, status: str) -> None:
    """A killed ngspice has crashed, one out of computing time has timed out."""
    verdict = judge("x = 1\n", -number, ["x"])
    assert (verdict.failure, verdict.status) == (failure, status)


def test_measurements_are_read(simulator: Simulator) -> None:
    """`print` and every form of `meas` give their number."""
    deck = """* reads
v1 a 0 sin(0 1 1meg)
r1 a 0 1k
.control
tran 10n 4u
meas tran top max v(a)
meas tran period trig v(a) val=0 rise=2 targ v(a) val=0 rise=3
let half = 0.5
print half
quit 0
.endc
.end
"""
    verdict = simulator.run(deck, ["top", "period", "half"], "LNA")
    assert verdict.failure is None
    assert verdict.readings == pytest.approx({"top": 1, "period": 1e-6, "half": 0.5}, rel=1e-2)


@given(st.dictionaries(names, numbers), st.text("abc =:\n1.e+-"))
def test_printed_numbers_come_back(printed: dict[str, float], noise: str) -> None:
    """Whatever stands around them, printed numbers are read as they were printed."""
    lines = "".join(f"{name} = {value!r}\n" for name, value in printed.items())
    found = readings_in(f"{noise}\n{lines}")
    assert {name: found[name] for name in printed} == printed


@given(st.text(), st.integers(-64, 255))
def test_any_output_gets_a_verdict(output: str, returncode: int) -> None:
    """No output and no exit code can break the judge."""
    verdict = judge(output, returncode, ["x"])
    assert verdict.failure is None or verdict.failure in FAILURE_TYPES
    assert verdict.failure or math.isfinite(verdict.readings["x"])
