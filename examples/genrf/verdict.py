"""
What one run of ngspice amounts to, told from its own words.

ngspice exits with 0 after most failures, so the verdict is drawn from what it printed: numbers
that were asked for and are there are a success, whatever was tried on the way (a singular matrix
that gmin stepping got past is none of our business); otherwise the first of `_SIGNS` that its
messages show is the reason.
"""

import math
import re
import signal
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

# `print` writes `name = value`; `meas` writes `name  =  value from= … to= …` or `targ= … trig= …`.
_READING: Final = re.compile(r"^\s*(\w+)\s+=\s+(\S+)(?:\s|$)", re.MULTILINE)

# In order: the cause stands before its consequences, for one failure prints many of these.
_SIGNS: Final = (
    (
        "netlist_error",
        re.compile(
            r"could not find a valid modelname|unknown subckt|Simulation interrupted due to error"
            r"|can't find model|Undefined (?:parameter|number)|incomplete or empty netlist",
        ),
    ),
    ("timestep_too_small", re.compile(r"TRAN:\s+Timestep too small", re.IGNORECASE)),
    ("singular_matrix", re.compile(r"singular matrix", re.IGNORECASE)),
    ("math_domain", re.compile(r"out of range for")),
    ("iteration_limit", re.compile(r"iteration limit reached", re.IGNORECASE)),
    (
        "no_operating_point",
        re.compile(
            r"source stepping failed|Transient op failed|operating point could not"
            r"|no DC path to ground",
            re.IGNORECASE,
        ),
    ),
    ("measurement_failed", re.compile(r"^ *meas .*failed!|Error: measure", re.MULTILINE)),
)

FAILURE_TYPES: Final = (
    *(name for name, _ in _SIGNS),
    "not_finite",
    "no_output",
    "crashed",
    "timeout",
)
"""Everything that `Verdict.failure` can be."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The end of one simulation."""

    readings: Mapping[str, float] = field(default_factory=dict)
    failure: str | None = None
    """One of `FAILURE_TYPES`; None when every reading is there."""

    message: str = ""
    """The line of ngspice's output that tells the failure."""

    @property
    def status(self) -> str:
        """What `genrf_spice_simulations_total` calls it."""
        if self.failure is None:
            return "success"
        return "timeout" if self.failure == "timeout" else "failed"


def readings_in(output: str) -> dict[str, float]:
    """Return every named number that ngspice printed; the last of a name stands."""
    found = {}
    for name, text in _READING.findall(output):
        try:
            found[name] = float(text)
        except ValueError:
            continue  # `name = text` is not a reading
    return found


def judge(output: str, returncode: int, wanted: Iterable[str]) -> Verdict:
    """Return the verdict on a run that printed *output* and had to print the *wanted* readings."""
    if returncode == -signal.SIGXCPU:
        return Verdict(failure="timeout", message="ngspice used up its computing time")
    if returncode < 0:
        return Verdict(failure="crashed", message=f"ngspice was ended by signal {-returncode}")
    found = readings_in(output)
    asked = {name: found[name] for name in wanted if name in found}
    missing = [name for name in wanted if name not in found]
    if not missing:
        broken = [name for name, value in asked.items() if not math.isfinite(value)]
        if not broken:
            return Verdict(readings=asked)
        return Verdict(asked, "not_finite", f"{broken[0]} is {asked[broken[0]]}")
    for failure, sign in _SIGNS:
        if match := sign.search(output):
            return Verdict(asked, failure, _line_of(output, match.start()))
    return Verdict(asked, "no_output", f"ngspice ended with {returncode} and no {missing[0]}")


def _line_of(output: str, position: int) -> str:
    begin = output.rfind("\n", 0, position) + 1
    end = output.find("\n", position)
    return output[begin : end if end >= 0 else None].strip()[:200]
