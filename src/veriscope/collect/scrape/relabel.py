"""Relabelling: Prometheus' rules that rewrite, keep and drop label sets, on RE2."""

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import msgspec
import re2

from veriscope.signals import InvalidInputError

_ANYTHING: Final = "(.*)"
_REFERENCE: Final = re.compile(r"\$(?:(\$)|(\w+)|\{(\w+)\})")


class RelabelAction(StrEnum):
    """What a rule does; any letter case is read."""

    REPLACE = "replace"
    KEEP = "keep"
    DROP = "drop"
    KEEPEQUAL = "keepequal"
    DROPEQUAL = "dropequal"
    HASHMOD = "hashmod"
    LABELMAP = "labelmap"
    LABELDROP = "labeldrop"
    LABELKEEP = "labelkeep"
    LOWERCASE = "lowercase"
    UPPERCASE = "uppercase"

    @classmethod
    def _missing_(cls, value: object) -> "RelabelAction | None":
        lowered = value.lower() if isinstance(value, str) else ""
        return next((action for action in cls if action.value == lowered), None)


class RelabelConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One relabelling rule, with Prometheus' keys and defaults."""

    source_labels: tuple[str, ...] = ()
    """Labels whose values are joined and matched."""
    separator: str = ";"
    """What stands between the joined values."""
    target_label: str = ""
    """Label that is written; may refer to groups of `regex`."""
    regex: str = _ANYTHING
    """RE2 expression that must match the whole joined value (or label name)."""
    modulus: int = 0
    """Divisor of `hashmod`."""
    replacement: str = "$1"
    """Value that is written; `$1` or `${name}` are groups of `regex`, `$$` is a dollar."""
    action: RelabelAction = RelabelAction.REPLACE
    """What the rule does."""


_DEFAULT: Final = RelabelConfig()
_WRITING: Final = frozenset(
    {
        RelabelAction.REPLACE,
        RelabelAction.HASHMOD,
        RelabelAction.LOWERCASE,
        RelabelAction.UPPERCASE,
        RelabelAction.KEEPEQUAL,
        RelabelAction.DROPEQUAL,
    }
)
_ONLY_REGEX: Final = ("source_labels", "separator", "target_label", "modulus", "replacement")
_ONLY_LABELS: Final = ("regex", "separator", "modulus", "replacement")
_FORBIDDEN: Final = {
    RelabelAction.LABELDROP: _ONLY_REGEX,
    RelabelAction.LABELKEEP: _ONLY_REGEX,
    RelabelAction.KEEPEQUAL: _ONLY_LABELS,
    RelabelAction.DROPEQUAL: _ONLY_LABELS,
}

Step = Callable[[dict[str, str]], bool]
"""Changes a label set in place; False drops it."""


@dataclass(frozen=True, slots=True)
class Relabeller:
    """Rules, compiled and applied in order."""

    steps: tuple[Step, ...]

    @classmethod
    def compile(cls, rules: Sequence[RelabelConfig]) -> "Relabeller":
        """Compile *rules*; raises `InvalidInputError` that names the rule and the cure."""
        steps = []
        for position, rule in enumerate(rules, 1):
            try:
                steps.append(_compile(rule))
            except InvalidInputError as error:
                raise InvalidInputError(f"rule {position} ({rule.action}): {error}") from error
        return cls(tuple(steps))

    def apply(self, labels: dict[str, str]) -> bool:
        """Change *labels* in place; return False where a rule drops them."""
        return all(step(labels) for step in self.steps)


def _compile(rule: RelabelConfig) -> Step:
    _check(rule)
    rule_regex = _compile_regex(rule.regex)
    match rule.action:
        case RelabelAction.KEEPEQUAL | RelabelAction.DROPEQUAL:
            wanted = rule.action is RelabelAction.KEEPEQUAL
            return lambda labels: (
                (_joined(rule, labels) == labels.get(rule.target_label, "")) is wanted
            )
        case RelabelAction.KEEP | RelabelAction.DROP:
            wanted = rule.action is RelabelAction.KEEP
            return lambda labels: bool(rule_regex.fullmatch(_joined(rule, labels))) is wanted
        case RelabelAction.LABELDROP | RelabelAction.LABELKEEP:
            return _filter_names(rule_regex, keep=rule.action is RelabelAction.LABELKEEP)
        case RelabelAction.LABELMAP:
            return _map_names(rule, rule_regex)
        case RelabelAction.REPLACE:
            return _replace(rule, rule_regex)
        case _:
            return _compute(rule)


def _check(rule: RelabelConfig) -> None:
    if rule.action in _WRITING and not rule.target_label:
        raise InvalidInputError("target_label is missing; name the label to write or compare")
    if rule.action is RelabelAction.HASHMOD and rule.modulus <= 0:
        raise InvalidInputError("modulus is missing; give a number above 0")
    for key in _FORBIDDEN.get(rule.action, ()):
        if getattr(rule, key) != getattr(_DEFAULT, key):
            raise InvalidInputError(f"{key} has no meaning for this action; remove it")
    if not all(rule.source_labels):
        raise InvalidInputError("a source label is empty; remove it or name a label")


def _compile_regex(text: str) -> "re2._Regexp":
    options = re2.Options()
    options.dot_nl = True  # as Prometheus: (?s) around the whole expression
    options.log_errors = False
    try:
        return re2.compile(text, options)
    except re2.error as error:
        cause = error.args[0].decode(errors="replace") if error.args else "unknown"
        raise InvalidInputError(f"regex {text!r} is not RE2: {cause}") from error


def _joined(rule: RelabelConfig, labels: dict[str, str]) -> str:
    return rule.separator.join(labels.get(name, "") for name in rule.source_labels)


def _set(labels: dict[str, str], name: str, value: str) -> None:
    """Write a label; an empty value removes it."""
    if value:
        labels[name] = value
    else:
        labels.pop(name, None)


def _replace(rule: RelabelConfig, regex: "re2._Regexp") -> Step:
    def step(labels: dict[str, str]) -> bool:
        found = regex.fullmatch(_joined(rule, labels))
        if found and (name := expand(rule.target_label, found)):
            _set(labels, name, expand(rule.replacement, found))
        return True

    return step


def _compute(rule: RelabelConfig) -> Step:
    compute = {
        RelabelAction.LOWERCASE: str.lower,
        RelabelAction.UPPERCASE: str.upper,
        RelabelAction.HASHMOD: lambda value: str(_hash(value) % rule.modulus),
    }[rule.action]

    def step(labels: dict[str, str]) -> bool:
        _set(labels, rule.target_label, compute(_joined(rule, labels)))  # type: ignore[no-untyped-call]
        return True

    return step


def _hash(value: str) -> int:
    """Hash as Prometheus' `hashmod` does: the last 8 bytes of MD5, big-endian."""
    return int.from_bytes(hashlib.md5(value.encode(), usedforsecurity=False).digest()[8:], "big")


def _map_names(rule: RelabelConfig, regex: "re2._Regexp") -> Step:
    def step(labels: dict[str, str]) -> bool:
        for name, value in list(labels.items()):
            found = regex.fullmatch(name)
            if found and (target := expand(rule.replacement, found)):
                _set(labels, target, value)
        return True

    return step


def _filter_names(regex: "re2._Regexp", *, keep: bool) -> Step:
    def step(labels: dict[str, str]) -> bool:
        for name in [name for name in labels if bool(regex.fullmatch(name)) is not keep]:
            del labels[name]
        return True

    return step


def expand(template: str, found: "re2._Match") -> str:
    """Fill `$1`, `${1}` and `${name}` as Go's `Regexp.Expand` does: unknown groups are empty."""

    def fill(reference: re.Match[str]) -> str:
        name = reference[2] or reference[3]
        if reference[1]:
            return "$"
        if name.isdigit():
            return (found.group(int(name)) or "") if int(name) <= found.re.groups else ""
        return (found.group(name) or "") if name in found.re.groupindex else ""

    return _REFERENCE.sub(fill, template)
