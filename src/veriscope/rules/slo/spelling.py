"""Compiled groups as the text of a rule file that a Prometheus reads, too."""

from collections.abc import Iterable
from typing import Any

import yaml

from veriscope.rules.files import Rule, RuleGroup


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as blocks, and the same labels again and again."""

    def ignore_aliases(self, data: object) -> bool:
        """Name nothing, to repeat it elsewhere."""
        del data
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def as_rule_file(groups: Iterable[RuleGroup]) -> str:
    """Return the rule file of what objectives were compiled to."""
    document = {"groups": [_group(group) for group in groups]}
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=1_000, allow_unicode=True)


def _group(group: RuleGroup) -> dict[str, Any]:
    interval = {"interval": str(group.interval)} if group.interval else {}
    return {"name": group.name, **interval, "rules": [_rule(rule) for rule in group.rules]}


def _rule(rule: Rule) -> dict[str, Any]:
    kind = {"record": rule.record} if rule.record else {"alert": rule.alert}
    texts = {"annotations": rule.annotations} if rule.annotations else {}
    return {**kind, "expr": rule.expr, "labels": rule.labels, **texts}
