"""Active down-conversion mixers: conversion gain and carrier leak from a transient."""

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
)

# The intermediate frequency is an eleventh of the signal's and the oscillator runs at ten
# elevenths, so that one period of the intermediate frequency holds whole periods of everything.
_RATIO: Final = 11
_SIGNAL_V: Final = 0.01
_STEPS_A_PERIOD: Final = 30

_CONTROL: Final = """
save v(p) v(n) i(vdd)
tran {step:.6g} {stop:.9g} {start:.9g} {step:.6g}
let vif = v(p)-v(n)
let if_cos = vif*cos({omega_if:.9g}*time)
let if_sin = vif*sin({omega_if:.9g}*time)
let lo_cos = vif*cos({omega_lo:.9g}*time)
let lo_sin = vif*sin({omega_lo:.9g}*time)
meas tran if_i integ if_cos from={start:.9g} to={stop:.9g}
meas tran if_q integ if_sin from={start:.9g} to={stop:.9g}
meas tran lo_i integ lo_cos from={start:.9g} to={stop:.9g}
meas tran lo_q integ lo_sin from={start:.9g} to={stop:.9g}
meas tran supply_a avg i(vdd) from={start:.9g} to={stop:.9g}
"""


def _intermediate(spec: CircuitSpec) -> float:
    return spec.frequency / _RATIO


def _control(spec: CircuitSpec) -> str:
    intermediate = _intermediate(spec)
    return _CONTROL.format(
        step=1 / (spec.frequency * _STEPS_A_PERIOD),
        start=1 / intermediate,
        stop=2 / intermediate,
        omega_if=math.tau * intermediate,
        omega_lo=math.tau * (spec.frequency - intermediate),
    )


def _parameters(spec: CircuitSpec) -> tuple[Parameter, ...]:
    process = spec.process
    return (
        Parameter("w_signal", 150 * process.length_m, 3000 * process.length_m),
        Parameter("w_switch", 100 * process.length_m, 2000 * process.length_m),
        Parameter("v_bias", process.threshold_v - 0.05, process.threshold_v + 0.25),
        Parameter("v_switch", process.threshold_v + 0.15, process.supply_v),
        Parameter("lo_v", 0.1, 0.6),
        Parameter("r_load", 80.0, 2000.0),
    )


def _sources(spec: CircuitSpec, values: Values) -> str:
    carrier = spec.frequency - _intermediate(spec)
    lo = f"{values['lo_v']:.6g} {carrier:.9g}"
    load = values["r_load"]
    # The load's pole stands at three times the intermediate frequency.
    pole = 1 / (math.tau * 3 * _intermediate(spec) * load)
    return f"""
vdd vdd 0 {spec.process.supply_v}
vlop lop 0 dc {values["v_switch"]:.6g} sin({values["v_switch"]:.6g} {lo})
vlon lon 0 dc {values["v_switch"]:.6g} sin({values["v_switch"]:.6g} {lo} 0 0 180)
rp vdd p {load:.6g}
rn vdd n {load:.6g}
cp p 0 {pole:.6g}
cn n 0 {pole:.6g}
"""


def _single(spec: CircuitSpec, values: Values) -> str:
    length = f"l={spec.process.length_m:.6g}"
    switch = f"nch w={values['w_switch']:.6g} {length}"
    body = f"""
{_sources(spec, values)}
vrf rf 0 dc {values["v_bias"]:.6g} sin({values["v_bias"]:.6g} {_SIGNAL_V} {spec.frequency:.9g})
rrf rf g 50
m1 s g 0 0 nch w={values["w_signal"]:.6g} {length}
m2 p lop s 0 {switch}
m3 n lon s 0 {switch}
"""
    return deck(spec, "mixer, single balanced", body, _control(spec), is_large_signal=True)


def _double(spec: CircuitSpec, values: Values) -> str:
    length = f"l={spec.process.length_m:.6g}"
    switch = f"nch w={values['w_switch']:.6g} {length}"
    signal = f"nch w={values['w_signal']:.6g} {length}"
    half = f"{values['v_bias']:.6g} {_SIGNAL_V / 2} {spec.frequency:.9g}"
    body = f"""
{_sources(spec, values)}
vrfp rfp 0 dc {values["v_bias"]:.6g} sin({half})
vrfn rfn 0 dc {values["v_bias"]:.6g} sin({half} 0 0 180)
rrfp rfp gp 50
rrfn rfn gn 50
m1 sp gp 0 0 {signal}
m2 sn gn 0 0 {signal}
m3 p lop sp 0 {switch}
m4 n lon sp 0 {switch}
m5 p lon sn 0 {switch}
m6 n lop sn 0 {switch}
"""
    return deck(spec, "mixer, double balanced", body, _control(spec), is_large_signal=True)


def _figures(spec: CircuitSpec, readings: Readings) -> dict[str, float]:
    window_s = 1 / _intermediate(spec)
    wanted = 2 * math.hypot(readings["if_i"], readings["if_q"]) / window_s
    leaked = 2 * math.hypot(readings["lo_i"], readings["lo_q"]) / window_s
    return {
        "conversion_gain_db": decibel(wanted / _SIGNAL_V),
        # A perfect balance would be limited by the simulator's own tolerance anyway.
        "lo_isolation_db": min(-decibel(leaked / readings["lo_v"]), 80.0),
        "power_mw": -1e3 * spec.process.supply_v * readings["supply_a"],
    }


MIXER: Final = Family(
    name="Mixer",
    frequency_low=4e8,
    frequency_high=6e9,
    figures=(
        Figure("conversion_gain_db", "at_least", 9.0, 3.0, -10.0, 30.0),
        Figure("lo_isolation_db", "at_least", 30.0, 4.0, -20.0, 60.0),
        Figure("power_mw", "at_most", 5.0, 2.0, 0.1, 100.0),
    ),
    readings=("if_i", "if_q", "lo_i", "lo_q", "supply_a"),
    figures_from=_figures,
    topologies=(
        Topology("single_balanced", _parameters, _single),
        Topology("double_balanced", _parameters, _double),
    ),
)
