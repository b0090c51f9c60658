"""Service level objectives: OpenSLO's and Sloth's files compiled to rules."""

from veriscope.rules.slo.files import (
    is_slo_document,
    load_objectives,
    load_slo_groups,
    parse_slo_groups,
)
from veriscope.rules.slo.objectives import Objective
from veriscope.rules.slo.spelling import as_rule_file

__all__ = [
    "Objective",
    "as_rule_file",
    "is_slo_document",
    "load_objectives",
    "load_slo_groups",
    "parse_slo_groups",
]
