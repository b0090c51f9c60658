"""Rule files, checked before anything relies on them: the verdict of `promtool check rules`."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import yaml

from veriscope.query import ParseError
from veriscope.query.promql import parse
from veriscope.rules.files import RuleGroup, parse_rule_groups
from veriscope.rules.slo.files import is_slo_document, parse_slo_groups
from veriscope.signals.yaml_documents import DocumentError
from veriscope.templates import TemplateError
from veriscope.templates.prometheus import RuleTemplates

_TEXTS: Final = ("labels", "annotations")


@dataclass(frozen=True, slots=True)
class FileReport:
    """What is to be said of one file; every fault names file, line and cure."""

    path: str
    rules: int
    """How many there are; of an objective file, those that it is compiled to."""
    errors: tuple[str, ...] = ()
    """Why it cannot be loaded."""
    duplicates: tuple[str, ...] = ()
    """Rules of the same name and labels, which write the same series."""


def check_rules(paths: Iterable[str]) -> tuple[FileReport, ...]:
    """Read rule files and objective files, and return what is wrong with each."""
    return tuple(_check(path) for path in paths)


def _check(path: str) -> FileReport:
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        return FileReport(path, 0, (f"cannot read {path}: {error}",))
    if is_slo_document(text):
        try:
            groups = parse_slo_groups(text, path)
        except DocumentError as error:
            return FileReport(path, 0, tuple(str(error).splitlines()))
        return FileReport(path, _count(groups))
    return _check_rule_file(text, path)


def _check_rule_file(text: str, path: str) -> FileReport:
    errors: list[str] = []
    groups: tuple[RuleGroup, ...] = ()
    try:
        groups = parse_rule_groups(text, path)
    except DocumentError as error:
        # One of an expression or a template is told below, with its line and all others.
        if not isinstance(error.__cause__, (ParseError, TemplateError)):
            errors.append(str(error))
    rules = list(_rules(text))
    for rule in rules:
        errors += (f"{path}:{line}: {fault}" for line, fault in _faults(rule))
    return FileReport(path, _count(groups), tuple(errors), tuple(_duplicates(rules, path)))


def _count(groups: Iterable[RuleGroup]) -> int:
    return sum(len(group.rules) for group in groups)


# --- places in a file ---------------------------------------------------------------------------


class _Text(NamedTuple):
    """A scalar and the line, from 1, where it stands."""

    text: str
    line: int


class _Rule(NamedTuple):
    """The parts of a rule that are looked into, as far as they are what they should be."""

    line: int
    name: str
    alert: bool
    expr: _Text | None
    labels: dict[str, _Text]
    annotations: dict[str, _Text]


def _rules(text: str) -> Iterator[_Rule]:
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError):
        return  # told by whoever reads the whole file
    for group in _items(_entries(root).get("groups")):
        for node in _items(_entries(group).get("rules")):
            entries = _entries(node)
            alert = "alert" in entries
            name = _text(entries.get("alert" if alert else "record"))
            texts = {key: _entries(entries.get(key)) for key in _TEXTS}
            labels, annotations = (
                {name: found for name, part in texts[key].items() if (found := _text(part))}
                for key in _TEXTS
            )
            yield _Rule(
                line=node.start_mark.line + 1,
                name=name.text if name else "",
                alert=alert,
                expr=_text(entries.get("expr")),
                labels=labels,
                annotations=annotations,
            )


def _entries(node: yaml.Node | None) -> dict[str, yaml.Node]:
    if not isinstance(node, yaml.MappingNode):
        return {}
    return {key.value: value for key, value in node.value if isinstance(key, yaml.ScalarNode)}


def _items(node: yaml.Node | None) -> list[yaml.Node]:
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _text(node: yaml.Node | None) -> _Text | None:
    if not isinstance(node, yaml.ScalarNode):
        return None
    # The text of a block begins below the line of its `|` or `>`.
    return _Text(node.value, node.start_mark.line + 1 + (node.style in {"|", ">"}))


# --- faults -------------------------------------------------------------------------------------


def _faults(rule: _Rule) -> Iterator[tuple[int, str]]:
    """Yield each fault of a rule's expression and templates with its line."""
    if rule.expr and rule.expr.text.strip():
        try:
            parse(rule.expr.text)
        except ParseError as error:
            yield rule.expr.line, f"rule {rule.name!r}: expr: {error}"
    if not rule.alert:
        return
    templates = RuleTemplates({}, "")
    for kind, texts in (("label", rule.labels), ("annotation", rule.annotations)):
        for name, (text, line) in texts.items():
            try:
                templates.check(text, rule.name)
            except TemplateError as error:
                yield line, f"rule {rule.name!r}: {kind} {name!r}: {error}"


def _duplicates(rules: Iterable[_Rule], path: str) -> Iterator[str]:
    seen: dict[tuple[str, frozenset[tuple[str, str]]], _Rule] = {}
    for rule in rules:
        labels = frozenset((name, found.text) for name, found in rule.labels.items())
        first = seen.setdefault((rule.name, labels), rule)
        if first is not rule:
            yield (
                f"{path}:{rule.line}: rule {rule.name!r} has the name and labels of that at line"
                f" {first.line}; give one a label of its own, or another name"
            )
