"""Voltage-controlled LC oscillators: frequency, swing, power and tuning from two transients."""

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

# The tank is kicked by an initial condition; 30 periods let a healthy oscillator settle.
# Twenty steps a period make the period about 0.6% too long: less than a target can ask for.
_PERIODS: Final = 30
_STEPS_A_PERIOD: Final = 20

_RUN: Final = """
alter vtune={tune:.6g}
tran {step:.6g} {stop:.6g} {start:.6g} {step:.6g}
let tank = v(p)-v(n)
meas tran period_{name} trig tank val=0 rise=3 targ tank val=0 rise=11
meas tran swing_{name} pp tank
meas tran current_{name} avg i(vdd)
"""


def _control(spec: CircuitSpec) -> str:
    period = 1 / spec.frequency
    return "save v(p) v(n) i(vdd)" + "".join(
        _RUN.format(
            name=name,
            tune=tune,
            step=period / _STEPS_A_PERIOD,
            start=(_PERIODS - 17) * period,
            stop=_PERIODS * period,
        )
        for name, tune in (("low", 0.0), ("high", spec.process.supply_v))
    )


def _parameters(spec: CircuitSpec) -> tuple[Parameter, ...]:
    omega, length = spec.omega, spec.process.length_m
    # The coil and the fixed capacitor resonate near the wanted frequency in mid-range; devices
    # and varactors add what the search has to find room for.
    return (
        Parameter("w_pair", 100 * length, 1500 * length),
        Parameter("i_tail", 0.5e-3, 8e-3),
        Parameter("l_tank", 30 / omega, 150 / omega),
        Parameter("c_tank", 1 / (omega * 250), 1 / (omega * 35)),
        Parameter("c_varactor", 1 / (omega * 1200), 1 / (omega * 80)),
    )


def _tank(spec: CircuitSpec, values: Values, centre: str, centre_v: float) -> str:
    half = values["l_tank"] / 2
    # A varactor sits on each side; its junction's other end is the tuning voltage. Two in series
    # tune the tank, hence the factor 2.
    return f"""
.model varactor d is=1e-18 cjo={2 * values["c_varactor"]:.6g} vj=0.7 m=0.45
{inductor("p", (centre, "p"), half, spec)}
{inductor("n", (centre, "n"), half, spec)}
cp p 0 {values["c_tank"] * 2:.6g}
cn n 0 {values["c_tank"] * 2:.6g}
dp vt p varactor
dn vt n varactor
vtune vt 0 0
.ic v(p)={centre_v + 0.25:.6g} v(n)={centre_v - 0.25:.6g}
"""


def _tail(spec: CircuitSpec, values: Values) -> str:
    length = 2 * spec.process.length_m
    width = 1.2e5 * values["i_tail"] * length
    return f"""
iref vdd mirror {values["i_tail"] / 8:.6g}
mref mirror mirror 0 0 nch w={width / 8:.6g} l={length:.6g}
mtail tail mirror 0 0 nch w={width:.6g} l={length:.6g}
ctail tail 0 1p
"""


def _nmos(spec: CircuitSpec, values: Values) -> str:
    process = spec.process
    size = f"w={values['w_pair']:.6g} l={process.length_m:.6g}"
    body = f"""
vdd vdd 0 {process.supply_v}
{_tank(spec, values, "vdd", process.supply_v)}
mp p n tail 0 nch {size}
mn n p tail 0 nch {size}
{_tail(spec, values)}
"""
    return deck(spec, "VCO, n-channel pair", body, _control(spec), is_large_signal=True)


def _complementary(spec: CircuitSpec, values: Values) -> str:
    process = spec.process
    size = f"l={process.length_m:.6g}"
    body = f"""
vdd vdd 0 {process.supply_v}
{_tank(spec, values, "mid", process.supply_v / 2)}
mp p n tail 0 nch w={values["w_pair"]:.6g} {size}
mn n p tail 0 nch w={values["w_pair"]:.6g} {size}
mpp p n vdd vdd pch w={2 * values["w_pair"]:.6g} {size}
mpn n p vdd vdd pch w={2 * values["w_pair"]:.6g} {size}
{_tail(spec, values)}
"""
    return deck(spec, "VCO, complementary pairs", body, _control(spec), is_large_signal=True)


def _figures(spec: CircuitSpec, readings: Readings) -> dict[str, float]:
    # Eight periods were measured at each end of the tuning voltage.
    low, high = 8 / readings["period_low"], 8 / readings["period_high"]
    first, last = min(low, high), max(low, high)
    outside = max(first - spec.frequency, spec.frequency - last, 0.0)
    return {
        "frequency_error_pct": 100 * outside / spec.frequency,
        "tuning_range_pct": 200 * (last - first) / (last + first),
        "swing_v": min(readings["swing_low"], readings["swing_high"]),
        "power_mw": -1e3
        * spec.process.supply_v
        * max(readings["current_low"], readings["current_high"], key=abs),
        "frequency_low_ghz": first / 1e9,
        "frequency_high_ghz": last / 1e9,
    }


VCO: Final = Family(
    name="VCO",
    frequency_low=4e8,
    frequency_high=6e9,
    figures=(
        Figure("frequency_error_pct", "at_most", 1.0, 5.0, 1.0, 50.0),
        Figure("tuning_range_pct", "at_least", 6.0, 3.0, 0.1, 60.0),
        Figure("swing_v", "at_least", 1.0, 0.3, 0.05, 5.0),
        Figure("power_mw", "at_most", 5.0, 2.0, 0.1, 100.0),
    ),
    readings=(
        "period_low",
        "swing_low",
        "current_low",
        "period_high",
        "swing_high",
        "current_high",
    ),
    figures_from=_figures,
    topologies=(
        Topology("nmos_pair", _parameters, _nmos),
        Topology("complementary_pair", _parameters, _complementary),
    ),
)
