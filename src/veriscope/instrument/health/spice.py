"""The check of a SPICE engine: it really simulates one resistor."""

import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

import re2

from veriscope.instrument.health.result import CheckResult
from veriscope.signals import UnavailableError

_VOLTS: Final = 2.0
_OHMS: Final = 1000.0
_TOLERANCE: Final = 1e-6
"""Relative; ngspice's own `reltol` does not matter to a linear circuit of one resistor."""
_NETLIST: Final = f"""* one resistor
V1 in 0 DC {_VOLTS}
R1 in 0 {_OHMS}
.control
op
print v(in) i(v1)
quit
.endc
.end
"""
_PRINTED: Final = re2.compile(r"(?m)^(v\(in\)|i\(v1\)) = (\S+)")
_MAX_WORDS: Final = 200


def spice_check(
    executable: str = "ngspice", *, timeout_s: float = 5.0
) -> Callable[[], CheckResult]:
    """
    Check that *executable* solves a circuit of one source and one resistor.

    ngspice runs in batch mode (`-b`), without the user's start-up file (`-n`). Both the node's
    voltage and the source's current must be those of Ohm's law.
    """

    def check() -> CheckResult:
        output = _simulate(executable, timeout_s)
        found = {name: _number(text) for name, text in _PRINTED.findall(output)}
        expected = {"v(in)": _VOLTS, "i(v1)": -_VOLTS / _OHMS}
        for name, value in expected.items():
            measured = found.get(name)
            if measured is None:
                words = " ".join(output.split())[-_MAX_WORDS:]
                raise UnavailableError(f"{executable} gave no {name}: {words}")
            if abs(measured - value) > abs(value) * _TOLERANCE:
                raise UnavailableError(f"{executable} gave {name} = {measured}, not {value}")
        return CheckResult(observed=found["v(in)"], unit="volts")

    return check


def _simulate(executable: str, timeout_s: float) -> str:
    """Return what the simulator printed; raises `UnavailableError` where it did not finish."""
    with tempfile.TemporaryDirectory(prefix="veriscope-spice-") as directory:
        netlist = Path(directory) / "resistor.cir"
        netlist.write_text(_NETLIST, encoding="ascii")
        try:
            done = subprocess.run(  # noqa: S603 - the operator names the program; no shell
                [executable, "-b", "-n", netlist.name],
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=timeout_s,
                check=False,
                text=True,
                errors="replace",
            )
        except FileNotFoundError as error:
            raise UnavailableError(f"{executable} is not installed") from error
        except PermissionError as error:
            raise UnavailableError(f"{executable} cannot be run: {error.strerror}") from error
        except subprocess.TimeoutExpired as error:
            raise UnavailableError(f"{executable} did not finish in {timeout_s:g} s") from error
    if done.returncode:
        words = " ".join(done.stdout.split())[-_MAX_WORDS:]
        raise UnavailableError(f"{executable} ended with code {done.returncode}: {words}")
    return done.stdout


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
