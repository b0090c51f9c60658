"""Low-pass filters: cut-off, ripple, attenuation and loss from an AC sweep."""

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

# `relative` is the response against its own value a decade below the cut-off.
_CONTROL: Final = """
op
let supply_a = -i(vdd)
print supply_a
ac dec 60 {start:.9g} {stop:.9g}
let response = db(v(out)) {reference}
let loss_db = -response[0]
print loss_db
let relative = response - response[0]
meas ac cutoff_hz when relative=-3 fall=1
meas ac top_db max relative from={start:.9g} to={edge:.9g}
meas ac bottom_db min relative from={start:.9g} to={edge:.9g}
meas ac stopband_db find relative at={stopband:.9g}
"""


def _control(spec: CircuitSpec, reference: str) -> str:
    cutoff = spec.frequency
    return _CONTROL.format(
        start=cutoff / 10,
        stop=cutoff * 10,
        edge=cutoff * 0.7,
        stopband=cutoff * 2.5,
        reference=reference,
    )


def _ladder_parameters(spec: CircuitSpec) -> tuple[Parameter, ...]:
    omega = spec.omega
    shunt = (1 / (omega * 150), 1 / (omega * 15))
    return (
        Parameter("c1", *shunt),
        Parameter("l2", 25 / omega, 200 / omega),
        Parameter("c3", *shunt),
        Parameter("l4", 25 / omega, 200 / omega),
        Parameter("c5", *shunt),
    )


def _ladder(spec: CircuitSpec, values: Values) -> str:
    # A passive filter draws nothing; the supply is there so that every deck reads alike. The
    # matched source halves the voltage, hence the 6.02 dB.
    body = f"""
vdd vdd 0 {spec.process.supply_v}
rdd vdd 0 1g
vin src 0 dc 0 ac 1
rs src a 50
c1 a 0 {values["c1"]:.6g}
{inductor("2", ("a", "b"), values["l2"], spec)}
c3 b 0 {values["c3"]:.6g}
{inductor("4", ("b", "out"), values["l4"], spec)}
c5 out 0 {values["c5"]:.6g}
rl out 0 50
"""
    return deck(spec, "filter, fifth-order LC ladder", body, _control(spec, "+ 6.0206"))


def _active_parameters(spec: CircuitSpec) -> tuple[Parameter, ...]:
    # Impedances of 1 to 10 kohm keep the buffers' output resistance out of the response.
    omega = spec.omega
    return (
        Parameter("r1", 1e3, 1e4),
        Parameter("c1", 1 / (omega * 1.5e4), 1 / (omega * 8e2)),
        Parameter("c2", 1 / (omega * 6e4), 1 / (omega * 2e3)),
        Parameter("r2", 1e3, 1e4),
        Parameter("c3", 1 / (omega * 1.5e4), 1 / (omega * 8e2)),
        Parameter("c4", 1 / (omega * 6e4), 1 / (omega * 2e3)),
        Parameter("i_bias", 2e-5, 1e-3),
    )


def _section(name: str, ends: tuple[str, str], values: Values, parts: tuple[str, str, str]) -> str:
    source, out = ends
    resistor, upper, lower = (values[part] for part in parts)
    return f"""
r{name}a {source} {name}x {resistor:.6g}
r{name}b {name}x {name}y {resistor:.6g}
c{name}a {name}x {out} {upper:.6g}
c{name}b {name}y 0 {lower:.6g}
x{name} {name}y {out} vdd buffer
"""


def _active(spec: CircuitSpec, values: Values) -> str:
    process, current = spec.process, values["i_bias"]
    length = 2 * process.length_m
    # About 0.15 V of overdrive at each device, so widths follow the current.
    width = 4e4 * current * length
    body = f"""
vdd vdd 0 {process.supply_v}
.subckt buffer in out vdd
iref vdd b {current / 4:.6g}
mref b b 0 0 nch w={width / 4:.6g} l={length:.6g}
mt t b 0 0 nch w={width:.6g} l={length:.6g}
m1 e in t 0 nch w={width * 2:.6g} l={length:.6g}
m2 out out t 0 nch w={width * 2:.6g} l={length:.6g}
m3 e e vdd vdd pch w={width * 2:.6g} l={length:.6g}
m4 out e vdd vdd pch w={width * 2:.6g} l={length:.6g}
.ends
vin src 0 dc {0.65 * process.supply_v:.6g} ac 1
{_section("s1", ("src", "mid"), values, ("r1", "c1", "c2"))}
{_section("s2", ("mid", "out"), values, ("r2", "c3", "c4"))}
"""
    return deck(spec, "filter, fourth-order Sallen-Key", body, _control(spec, ""))


def _figures(spec: CircuitSpec, readings: Readings) -> dict[str, float]:
    return {
        "cutoff_error_pct": 100 * abs(readings["cutoff_hz"] / spec.frequency - 1),
        "ripple_db": readings["top_db"] - readings["bottom_db"],
        "stopband_attenuation_db": -readings["stopband_db"],
        "insertion_loss_db": readings["loss_db"],
        "power_mw": 1e3 * spec.process.supply_v * readings["supply_a"],
    }


FILTER: Final = Family(
    name="Filter",
    frequency_low=1e6,
    frequency_high=1e9,
    figures=(
        Figure("cutoff_error_pct", "at_most", 5.0, 5.0, 0.1, 50.0),
        Figure("ripple_db", "at_most", 1.5, 0.5, 0.05, 6.0),
        Figure("stopband_attenuation_db", "at_least", 20.0, 6.0, 3.0, 80.0),
        Figure("insertion_loss_db", "at_most", 3.0, 1.0, 0.1, 20.0),
        Figure("power_mw", "at_most", 5.0, 2.0, 0.01, 100.0),
    ),
    readings=("supply_a", "loss_db", "cutoff_hz", "top_db", "bottom_db", "stopband_db"),
    figures_from=_figures,
    topologies=(
        Topology("lc_ladder", _ladder_parameters, _ladder),
        Topology("sallen_key", _active_parameters, _active),
    ),
)
