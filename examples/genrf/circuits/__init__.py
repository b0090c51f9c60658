"""The circuit types that can be asked for."""

from typing import Final

from examples.genrf.circuits.family import CircuitSpec, Family, Figure, Parameter, Topology
from examples.genrf.circuits.filter import FILTER
from examples.genrf.circuits.lna import LNA
from examples.genrf.circuits.mixer import MIXER
from examples.genrf.circuits.pa import PA
from examples.genrf.circuits.vco import VCO

__all__ = ["FAMILIES", "CircuitSpec", "Family", "Figure", "Parameter", "Topology"]

FAMILIES: Final = {family.name: family for family in (LNA, MIXER, VCO, PA, FILTER)}
"""Every family by the name of its circuit type, as it stands in labels and records."""
