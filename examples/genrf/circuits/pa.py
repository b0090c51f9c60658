"""Power amplifiers: output power, gain and efficiency from one transient at full drive."""

import math
from typing import Final

from examples.genrf.circuits.family import (
    CircuitSpec,
    Family,
    Figure,
    Parameter,
    Readings,
    Topology,
    Values,
    decibel,
    deck,
    inductor,
)

_SETTLE: Final = 20
_MEASURED: Final = 4
_STEPS_A_PERIOD: Final = 30
_LOAD_OHM: Final = 50.0

# The fundamental at the load by correlation with the drive over whole periods, integrated over
# the simulator's own time points.
_CONTROL: Final = """
save v(out) i(vdd)
tran {step:.6g} {stop:.9g} {start:.9g} {step:.6g}
let in_phase = v(out)*cos({omega:.9g}*time)
let quadrature = v(out)*sin({omega:.9g}*time)
meas tran load_i integ in_phase from={start:.9g} to={stop:.9g}
meas tran load_q integ quadrature from={start:.9g} to={stop:.9g}
meas tran supply_a avg i(vdd) from={start:.9g} to={stop:.9g}
"""


def _control(spec: CircuitSpec) -> str:
    period = 1 / spec.frequency
    return _CONTROL.format(
        step=period / _STEPS_A_PERIOD,
        start=_SETTLE * period,
        stop=(_SETTLE + _MEASURED) * period,
        omega=spec.omega,
    )


def _parameters(spec: CircuitSpec) -> tuple[Parameter, ...]:
    omega, process = spec.omega, spec.process
    return (
        Parameter("width", 3000 * process.length_m, 40000 * process.length_m),
        Parameter("v_bias", process.threshold_v - 0.1, process.threshold_v + 0.25),
        Parameter("drive_v", 0.15, 1.2),
        Parameter("l_in", 5 / omega, 120 / omega),
        Parameter("l_drain", 5 / omega, 80 / omega),
        Parameter("l_match", 3 / omega, 60 / omega),
        Parameter("c_match", 1 / (omega * 400), 1 / (omega * 15)),
    )


def _input(spec: CircuitSpec, values: Values) -> str:
    # `drive_v` is the peak of the source behind 50 ohm, so the available power follows from it.
    return f"""
vdd vdd 0 {spec.process.supply_v}
vin src 0 dc 0 sin(0 {values["drive_v"]:.6g} {spec.frequency:.9g})
rin src in 50
cin in x {10 / (spec.omega * 50):.6g}
{inductor("i", ("x", "g"), values["l_in"], spec)}
vb vb 0 {values["v_bias"]:.6g}
rb vb g 1k
"""


def _output(spec: CircuitSpec, values: Values) -> str:
    # Coils off the chip, where a power amplifier keeps them, are twice as good.
    q = 2 * spec.process.inductor_q
    return f"""
{inductor("d", ("vdd", "d"), values["l_drain"], spec, q)}
cblock d y {10 / (spec.omega * 10):.6g}
{inductor("m", ("y", "out"), values["l_match"], spec, q)}
cm out 0 {values["c_match"]:.6g}
rload out 0 {_LOAD_OHM:.6g}
"""


def _single(spec: CircuitSpec, values: Values) -> str:
    body = f"""
{_input(spec, values)}
m1 d g 0 0 nch w={values["width"]:.6g} l={spec.process.length_m:.6g}
{_output(spec, values)}
"""
    return deck(spec, "PA, common source", body, _control(spec), is_large_signal=True)


def _cascode(spec: CircuitSpec, values: Values) -> str:
    size = f"w={values['width']:.6g} l={spec.process.length_m:.6g}"
    body = f"""
{_input(spec, values)}
m1 m g 0 0 nch {size}
m2 d vdd m 0 nch {size}
{_output(spec, values)}
"""
    return deck(spec, "PA, cascode", body, _control(spec), is_large_signal=True)


def _figures(spec: CircuitSpec, readings: Readings) -> dict[str, float]:
    window_s = _MEASURED / spec.frequency
    amplitude_v = 2 * math.hypot(readings["load_i"], readings["load_q"]) / window_s
    delivered_w = amplitude_v**2 / (2 * _LOAD_OHM)
    available_w = readings["drive_v"] ** 2 / (8 * 50.0)
    supply_w = -spec.process.supply_v * readings["supply_a"]
    return {
        "output_power_dbm": decibel(math.sqrt(delivered_w / 1e-3)),
        "gain_db": decibel(math.sqrt(delivered_w / available_w)),
        "pae_pct": 100 * (delivered_w - available_w) / supply_w if supply_w > 0 else 0.0,
        "power_mw": 1e3 * supply_w,
    }


PA: Final = Family(
    name="PA",
    frequency_low=3e8,
    frequency_high=6e9,
    figures=(
        Figure("output_power_dbm", "at_least", 12.0, 2.0, -10.0, 30.0),
        Figure("gain_db", "at_least", 8.0, 2.0, 0.0, 30.0),
        Figure("pae_pct", "at_least", 40.0, 6.0, 1.0, 90.0),
        Figure("power_mw", "at_most", 120.0, 50.0, 1.0, 2000.0),
    ),
    readings=("load_i", "load_q", "supply_a"),
    figures_from=_figures,
    topologies=(
        Topology("common_source", _parameters, _single),
        Topology("cascode", _parameters, _cascode),
    ),
)
