"""Low-noise amplifiers: S-parameters and noise figure from ngspice's `sp` analysis."""

from typing import Final

from examples.genrf.circuits.family import (
    CircuitSpec,
    Family,
    Figure,
    Parameter,
    Readings,
    Topology,
    Values,
    deck,
    inductor,
)

_CONTROL: Final = """
op
let supply_a = -i(vdd)
print supply_a
sp lin 3 {low:.9g} {high:.9g} 1
let s21_db = db(S_2_1)[1]
let s11_db = db(S_1_1)[1]
let nf_db = real(NF)[1]
print s21_db s11_db nf_db
"""


def _control(spec: CircuitSpec) -> str:
    return _CONTROL.format(low=spec.frequency * 0.99, high=spec.frequency * 1.01)


def _tank(spec: CircuitSpec, values: Values) -> str:
    return f"""
{inductor("d", ("vdd", "out"), values["l_drain"], spec)}
cd out 0 {values["c_drain"]:.6g}
co out po {values["c_out"]:.6g}
vout po 0 dc 0 ac 0 portnum 2 z0 50
"""


def _shared_parameters(spec: CircuitSpec) -> tuple[Parameter, ...]:
    omega, process = spec.omega, spec.process
    return (
        Parameter("width", 400 * process.length_m, 6000 * process.length_m),
        Parameter("v_bias", process.threshold_v - 0.06, process.threshold_v + 0.22),
        Parameter("l_drain", 15 / omega, 120 / omega),
        Parameter("c_drain", 1 / (omega * 300), 1 / (omega * 25)),
        Parameter("c_out", 1 / (omega * 400), 1 / (omega * 25)),
    )


def _cascode_parameters(spec: CircuitSpec) -> tuple[Parameter, ...]:
    omega = spec.omega
    return (
        *_shared_parameters(spec),
        Parameter("l_gate", 20 / omega, 400 / omega),
        Parameter("l_source", 1 / omega, 25 / omega),
    )


def _cascode(spec: CircuitSpec, values: Values) -> str:
    process = spec.process
    size = f"w={values['width']:.6g} l={process.length_m:.6g}"
    body = f"""
vdd vdd 0 {process.supply_v}
vb vb 0 {values["v_bias"]:.6g}
rb vb g 10k
vin in 0 dc 0 ac 1 portnum 1 z0 50
cc in x {1 / spec.omega:.6g}
{inductor("g", ("x", "g"), values["l_gate"], spec)}
m1 m g s 0 nch {size}
{inductor("s", ("s", "0"), values["l_source"], spec)}
m2 out vdd m 0 nch {size}
{_tank(spec, values)}
"""
    return deck(spec, "LNA, inductively degenerated cascode", body, _control(spec))


def _gate_parameters(spec: CircuitSpec) -> tuple[Parameter, ...]:
    omega = spec.omega
    return (
        *_shared_parameters(spec),
        Parameter("l_source", 60 / omega, 600 / omega),
        Parameter("c_in", 1 / (omega * 60), 1 / (omega * 3)),
    )


def _common_gate(spec: CircuitSpec, values: Values) -> str:
    process = spec.process
    size = f"w={values['width']:.6g} l={process.length_m:.6g}"
    body = f"""
vdd vdd 0 {process.supply_v}
vb vb 0 {values["v_bias"] + 0.1:.6g}
vin in 0 dc 0 ac 1 portnum 1 z0 50
cc in s {values["c_in"]:.6g}
{inductor("s", ("s", "0"), values["l_source"], spec)}
m1 m vb s 0 nch {size}
m2 out vdd m 0 nch {size}
{_tank(spec, values)}
"""
    return deck(spec, "LNA, common-gate cascode", body, _control(spec))


def _figures(spec: CircuitSpec, readings: Readings) -> dict[str, float]:
    return {
        "gain_db": readings["s21_db"],
        "noise_figure_db": readings["nf_db"],
        "s11_db": readings["s11_db"],
        "power_mw": 1e3 * spec.process.supply_v * readings["supply_a"],
    }


LNA: Final = Family(
    name="LNA",
    frequency_low=8e8,
    frequency_high=6e9,
    figures=(
        Figure("gain_db", "at_least", 9.0, 3.0, 0.0, 40.0),
        Figure("noise_figure_db", "at_most", 4.0, 0.6, 0.2, 20.0),
        Figure("s11_db", "at_most", -9.0, 3.0, -40.0, -1.0),
        Figure("power_mw", "at_most", 15.0, 5.0, 0.1, 200.0),
    ),
    readings=("supply_a", "s21_db", "s11_db", "nf_db"),
    figures_from=_figures,
    topologies=(
        Topology("inductive_cascode", _cascode_parameters, _cascode),
        Topology("common_gate", _gate_parameters, _common_gate),
    ),
)
