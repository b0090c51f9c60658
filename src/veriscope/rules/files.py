"""
Rule files: Prometheus' own, key for key, and two keys more for conditions on logs and traces.

https://prometheus.io/docs/prometheus/latest/configuration/recording_rules/
"""

import glob
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from veriscope.query import ParseError
from veriscope.query.promql import parse
from veriscope.rules.conditions import LogCondition, TraceCondition, parse_threshold
from veriscope.signals import METRIC_NAME, Duration, InvalidInputError, require_at_least
from veriscope.signals.yaml_documents import DocumentError, decode_yaml
from veriscope.templates import TemplateError
from veriscope.templates.prometheus import RuleTemplates

_TEMPLATES: Final = RuleTemplates({}, "")


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One rule: `record` names the series that it writes, `alert` the alert that it raises."""

    expr: str = ""
    """The PromQL expression that is evaluated; empty where `logs` or `traces` is given."""
    logs: LogCondition | None = None
    """A search of log records in place of `expr`."""
    traces: TraceCondition | None = None
    """A search of spans in place of `expr`."""
    threshold: str = ""
    """Which values of `logs` or `traces` raise the alert, such as `> 10`."""
    record: str = ""
    """Metric name of what is recorded."""
    alert: str = ""
    """Name of the alert."""
    labels: dict[str, str] = {}
    """Labels to add or replace; an empty value removes the label."""
    for_: Duration = msgspec.field(default=Duration(0), name="for")
    """How long an alert is pending before it fires."""
    keep_firing_for: Duration = Duration(0)
    """How long an alert goes on firing when its condition has ended."""
    annotations: dict[str, str] = {}
    """Texts for people."""

    def __post_init__(self) -> None:
        if bool(self.record) == bool(self.alert):
            raise ValueError("a rule has either `record` or `alert`; give one of them")
        self._check_condition()
        if self.record:
            self._check_record()
        if METRIC_NAME in self.labels or not all(self.labels):
            raise ValueError(f"a rule's labels must have names other than `{METRIC_NAME}`")

    def _check_condition(self) -> None:
        given = [part for part in (self.expr.strip(), self.logs, self.traces) if part]
        if not given:
            raise ValueError("field `expr` must be set in a rule, or `logs`, or `traces`")
        if len(given) > 1:
            raise ValueError("a rule has one of `expr`, `logs` and `traces`; remove the others")
        if self.source is None:
            if self.threshold:
                raise ValueError("`threshold` is for `logs` and `traces`; compare in `expr`")
        elif self.threshold:
            try:
                parse_threshold(self.threshold, self.source.value)
            except InvalidInputError as error:
                raise ValueError(str(error)) from error
        elif self.alert:
            raise ValueError("field `threshold` must be set beside `logs` or `traces`")

    def _check_record(self) -> None:
        for name, given in (
            ("threshold", self.threshold),
            ("for", self.for_),
            ("keep_firing_for", self.keep_firing_for),
            ("annotations", self.annotations),
        ):
            if given:
                raise ValueError(f"field `{name}` is for alerts; remove it from a recording rule")
        if set(self.record) & set("{}"):
            raise ValueError(f"`record: {self.record}` is a metric name; put labels into `labels`")

    @property
    def name(self) -> str:
        """The recorded metric's name, or the alert's."""
        return self.record or self.alert

    @property
    def source(self) -> LogCondition | TraceCondition | None:
        """What is searched; None for a rule with `expr`."""
        return self.logs or self.traces

    @property
    def text(self) -> str:
        """What is evaluated, as it is shown: the expression, or the condition in one line."""
        if self.source is None:
            return self.expr
        return f"{self.source} {self.threshold}".rstrip()


class RuleGroup(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rules that are evaluated one after the other at the same time."""

    name: str
    """Unique in its file."""
    interval: Duration | None = None
    """How often; `global.evaluation_interval` where it is not given."""
    query_offset: Duration | None = None
    """How far back the evaluated time lies, for data that comes late."""
    limit: int = 0
    """Series or alerts that one rule may give; past it the rule fails. Zero is no limit."""
    labels: dict[str, str] = {}
    """Labels of every rule; a rule's own come first."""
    rules: tuple[Rule, ...] = ()
    """The rules, in the order of evaluation."""
    file: str = ""
    """Where the group stands; not a key of the file."""

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("a group needs a name")
        require_at_least(self, 0, "limit")
        if self.interval is not None:
            require_at_least(self, 1, "interval")


class RuleOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How rules are evaluated."""

    max_concurrent_evaluations: int = 4
    """Rules that are evaluated at once, of all groups together."""
    resend_delay: Duration = Duration(60_000)
    """How long after it was sent an alert is sent again."""
    for_outage_tolerance: Duration = Duration(3_600_000)
    """Age up to which the state of alerts is taken up again after a restart."""
    for_grace_period: Duration = Duration(600_000)
    """The least time that an alert is pending still when it was pending before a restart."""

    meta: bool = True
    """Whether the server's own rules watch it and its targets."""

    def __post_init__(self) -> None:
        require_at_least(self, 1, "max_concurrent_evaluations")


class _RuleFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    groups: tuple[RuleGroup, ...] = ()


def load_rule_groups(patterns: Iterable[str]) -> tuple[RuleGroup, ...]:
    """
    Read the files that *patterns* (globs) name, each once, in order.

    Raises `DocumentError` where one cannot be read or is wrong, and for a name without wildcards
    that leads to no file.
    """
    groups: list[RuleGroup] = []
    for path in _files(patterns):
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise DocumentError(f"cannot read {path}: {error}") from error
        groups += parse_rule_groups(text, path)
    return tuple(groups)


def parse_rule_groups(text: str, name: str) -> tuple[RuleGroup, ...]:
    """Read one file's *text*; *name* is what errors call it. Raises `DocumentError`."""
    groups = decode_yaml(text, name, _RuleFile, as_text=True).groups
    names = [group.name for group in groups]
    for group in groups:
        if group.file:
            raise DocumentError(f"{name}: unknown key `file` in group {group.name!r}; remove it")
        if names.count(group.name) > 1:
            raise DocumentError(f"{name}: two groups are called {group.name!r}; rename one")
        _check_expressions(group.name, group.rules, name)
        _check_templates(group, name)
    return tuple(msgspec.structs.replace(group, file=name) for group in groups)


def _check_expressions(group: str, rules: Sequence[Rule], file: str) -> None:
    for rule in rules:
        if rule.source is not None:
            continue
        try:
            parse(rule.expr)
        except ParseError as error:
            raise DocumentError(f"{file}: group {group!r}, rule {rule.name!r}: {error}") from error


def _check_templates(group: RuleGroup, file: str) -> None:
    for rule in group.rules:
        if not rule.alert:
            continue
        for kind, texts in (
            ("label", {**group.labels, **rule.labels}),
            ("annotation", rule.annotations),
        ):
            for name, text in texts.items():
                try:
                    _TEMPLATES.check(text, rule.name)
                except TemplateError as error:
                    at = f"group {group.name!r}, rule {rule.name!r}, {kind} {name!r}"
                    raise DocumentError(f"{file}: {at}: {error}") from error


def _files(patterns: Iterable[str]) -> list[str]:
    found: dict[str, None] = {}
    for pattern in patterns:
        paths = sorted(glob.glob(pattern))  # noqa: PTH207 - patterns may be absolute
        if not paths and not glob.has_magic(pattern):
            raise DocumentError(f"there is no rule file {pattern}; correct `rule_files`")
        found.update(dict.fromkeys(paths))
    return list(found)
