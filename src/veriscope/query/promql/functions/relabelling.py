"""Functions that write labels: `label_replace` and `label_join`."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import re2

from veriscope.query.errors import ExecutionError
from veriscope.query.promql.functions.invocation import Invocation
from veriscope.query.promql.vectors import merged
from veriscope.signals import Labels, LabelSets, Matrix, label_value, to_labels

_REFERENCE: Final = re.compile(r"\$(?:(\$)|(\w+)|\{(\w+)\})", re.ASCII)


def label_replace(call: Invocation) -> Matrix:
    """
    Set *target* to *replacement*, expanded, where *pattern* matches all of label *source*.

    Raises `ExecutionError` for a pattern that is no RE2, an empty target name, or results
    with the same labels at one step.
    """
    target, replacement, source, pattern = (call.text(position) for position in range(1, 5))
    regex = _compile(pattern)
    _check_name(target, "destination", "label_replace()")
    expanded: dict[str, str | None] = {}

    def write(labels: Labels) -> Labels:
        value = label_value(labels, source)
        if value not in expanded:
            found = regex.fullmatch(value)
            expanded[value] = None if found is None else _expand(replacement, found)
        new = expanded[value]
        return labels if new is None else to_labels({**dict(labels), target: new})

    return _relabel(call.vector(0), write)


def label_join(call: Invocation) -> Matrix:
    """Set *target* to the values of the *source* labels with *separator* between them."""
    target, separator = call.text(1), call.text(2)
    sources = [call.text(position) for position in range(3, len(call.args))]
    for source in sources:
        _check_name(source, "source", "label_join()")
    _check_name(target, "destination", "label_join()")

    def write(labels: Labels) -> Labels:
        joined = separator.join(label_value(labels, source) for source in sources)
        return to_labels({**dict(labels), target: joined})

    return _relabel(call.vector(0), write)


def _relabel(vector: Matrix, write: Callable[[Labels], Labels]) -> Matrix:
    return merged(replace(vector, labels=LabelSets([write(labels) for labels in vector.labels])))


def _compile(pattern: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    options.dot_nl = True
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        raise ExecutionError(f"invalid regular expression in label_replace(): {pattern}") from error


def _expand(replacement: str, found: Any) -> str:
    """Replace `$1`, `${1}`, `$name` and `${name}` as Go's `Regexp.Expand` does."""
    groups = found.re.groupindex

    def value(reference: re.Match[str]) -> str:
        if reference[1]:
            return "$"
        name = reference[2] or reference[3]
        if name.isdigit():
            number = int(name)
            return (found.group(number) or "") if number <= found.re.groups else ""
        return (found.group(name) or "") if name in groups else ""

    return _REFERENCE.sub(value, replacement)


def _check_name(name: str, what: str, where: str) -> None:
    if not name:
        raise ExecutionError(f"invalid {what} label name in {where}: {name}")
