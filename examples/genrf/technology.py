"""
Transistors and passives of three invented technologies.

The names recall what people design in; the numbers do not come from any foundry. They are
plausible values of our own, chosen from textbook figures for gate lengths of 65, 150 and 180 nm,
good for exercising an optimiser and for nothing else.

There are two models of each transistor: BSIM4 (level 14 in ngspice) for operating points, AC and
noise, and the semi-empirical level 3 for transients, where it costs a fortieth of BSIM4's time and
agrees with it within 2% on an oscillator's frequency and 10% on its swing.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Technology:
    """What a netlist needs to know of a process; SI units throughout."""

    name: str
    supply_v: float
    length_m: float
    threshold_v: float
    inductor_q: float
    """Quality factor of a spiral inductor at the design frequency."""

    capacitor_q: float
    nmos: str
    """BSIM4 parameters of the n-channel model, as ngspice reads them."""

    pmos: str
    large_nmos: str
    """Level 3 parameters of the n-channel model for transients."""

    large_pmos: str

    @property
    def easy_hz(self) -> float:
        """Frequency up to which the technology meets every family's default targets."""
        return 5e9 * 65e-9 / self.length_m

    def models(self) -> str:
        """Return both model cards for small signals, named `nch` and `pch`."""
        return f".model nch nmos level=14 {self.nmos}\n.model pch pmos level=14 {self.pmos}"

    def large_signal_models(self) -> str:
        """Return both model cards for transients, named `nch` and `pch`."""
        return (
            f".model nch nmos level=3 {self.large_nmos}\n.model pch pmos level=3 {self.large_pmos}"
        )

    def loss_of_inductor(self, reactance_ohm: float) -> float:
        """Return the series resistance in ohm of an inductor of *reactance_ohm*."""
        return reactance_ohm / self.inductor_q


_SHARED: Final = (
    "version=4.8.1 tnoimod=0 rgatemod=0 lpe0=0 k2=0.01 k3=0 pdiblc1=0.1 pclm=0.6 nfactor=1.2"
)

TECHNOLOGIES: Final = {
    technology.name: technology
    for technology in (
        Technology(
            name="tsmc65",
            supply_v=1.2,
            length_m=65e-9,
            threshold_v=0.38,
            inductor_q=12.0,
            capacitor_q=50.0,
            nmos=f"{_SHARED} toxe=2.2n vth0=0.38 u0=0.028 vsat=1.1e5 ndep=4e17 k1=0.35 dvt0=0.4"
            " eta0=0.03 cgso=0.25n cgdo=0.25n rdsw=120 cjs=1m cjsws=0.1n",
            pmos=f"{_SHARED} toxe=2.3n vth0=-0.36 u0=0.009 vsat=0.9e5 ndep=4e17 k1=0.35 dvt0=0.4"
            " eta0=0.03 cgso=0.25n cgdo=0.25n rdsw=240 cjs=1m cjsws=0.1n",
            large_nmos="vto=0.38 tox=2.2n uo=280 vmax=1.4e5 theta=0.25 gamma=0.35"
            " phi=0.85 nsub=4e17 xj=50n ld=0 kappa=0.2 nfs=3e11"
            " cgso=0.25n cgdo=0.25n cj=1m cjsw=0.1n",
            large_pmos="vto=-0.36 tox=2.3n uo=90 vmax=1.1e5 theta=0.25 gamma=0.35"
            " phi=0.85 nsub=4e17 xj=50n ld=0 kappa=0.2 nfs=3e11"
            " cgso=0.25n cgdo=0.25n cj=1m cjsw=0.1n",
        ),
        Technology(
            name="sky130",
            supply_v=1.8,
            length_m=150e-9,
            threshold_v=0.48,
            inductor_q=10.0,
            capacitor_q=40.0,
            nmos=f"{_SHARED} toxe=4.1n vth0=0.48 u0=0.030 vsat=0.95e5 ndep=2.5e17 k1=0.45"
            " dvt0=0.5 eta0=0.02 cgso=0.32n cgdo=0.32n rdsw=180 cjs=1.1m cjsws=0.15n",
            pmos=f"{_SHARED} toxe=4.2n vth0=-0.50 u0=0.0085 vsat=0.8e5 ndep=2.5e17 k1=0.45"
            " dvt0=0.5 eta0=0.02 cgso=0.32n cgdo=0.32n rdsw=380 cjs=1.1m cjsws=0.15n",
            large_nmos="vto=0.48 tox=4.1n uo=300 vmax=1.25e5 theta=0.2 gamma=0.45"
            " phi=0.85 nsub=2.5e17 xj=0.1u ld=0 kappa=0.3 nfs=3e11"
            " cgso=0.32n cgdo=0.32n cj=1.1m cjsw=0.15n",
            large_pmos="vto=-0.50 tox=4.2n uo=85 vmax=1.0e5 theta=0.2 gamma=0.45"
            " phi=0.85 nsub=2.5e17 xj=0.1u ld=0 kappa=0.3 nfs=3e11"
            " cgso=0.32n cgdo=0.32n cj=1.1m cjsw=0.15n",
        ),
        Technology(
            name="gf180",
            supply_v=1.8,
            length_m=180e-9,
            threshold_v=0.45,
            inductor_q=9.0,
            capacitor_q=40.0,
            nmos=f"{_SHARED} toxe=4.0n vth0=0.45 u0=0.032 vsat=0.9e5 ndep=2.2e17 k1=0.48"
            " dvt0=0.6 eta0=0.015 cgso=0.36n cgdo=0.36n rdsw=200 cjs=1m cjsws=0.2n",
            pmos=f"{_SHARED} toxe=4.0n vth0=-0.47 u0=0.0088 vsat=0.75e5 ndep=2.2e17 k1=0.48"
            " dvt0=0.6 eta0=0.015 cgso=0.36n cgdo=0.36n rdsw=420 cjs=1m cjsws=0.2n",
            large_nmos="vto=0.45 tox=4n uo=320 vmax=1.2e5 theta=0.2 gamma=0.48"
            " phi=0.85 nsub=2.2e17 xj=0.1u ld=0 kappa=0.3 nfs=3e11"
            " cgso=0.36n cgdo=0.36n cj=1m cjsw=0.2n",
            large_pmos="vto=-0.47 tox=4n uo=88 vmax=1.0e5 theta=0.2 gamma=0.48"
            " phi=0.85 nsub=2.2e17 xj=0.1u ld=0 kappa=0.3 nfs=3e11"
            " cgso=0.36n cgdo=0.36n cj=1m cjsw=0.2n",
        ),
    )
}
"""The technologies by the name that a request gives."""
