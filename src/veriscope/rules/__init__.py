"""
Rules: expressions that are evaluated at an interval, what is recorded of them, and their alerts.

Each name is loaded when it is first used: the agent reads the same configuration as the server,
and shall not load what evaluates rules.
"""

from typing import TYPE_CHECKING, Final

from veriscope.rules.files import Rule, RuleGroup, RuleOptions, load_rule_groups, parse_rule_groups
from veriscope.signals.lazy import lazy_names

if TYPE_CHECKING:
    from veriscope.rules.alerting import Alert, AlertState
    from veriscope.rules.expansion import Expander
    from veriscope.rules.group import GroupEvaluator, GroupState, RuleHealth, RuleState
    from veriscope.rules.schedule import RuleLoop

__all__ = [
    "Alert",
    "AlertState",
    "Expander",
    "GroupEvaluator",
    "GroupState",
    "Rule",
    "RuleGroup",
    "RuleHealth",
    "RuleLoop",
    "RuleOptions",
    "RuleState",
    "load_rule_groups",
    "parse_rule_groups",
]

_HOMES: Final = {
    "Alert": ".alerting",
    "AlertState": ".alerting",
    "Expander": ".expansion",
    "GroupEvaluator": ".group",
    "GroupState": ".group",
    "RuleHealth": ".group",
    "RuleLoop": ".schedule",
    "RuleState": ".group",
}


__getattr__ = lazy_names(__name__, _HOMES)
