"""
The few template fields that receivers of the library know, in Alertmanager's spelling.

`{{ .Status }}`, `{{ .Receiver }}`, `{{ .ExternalURL }}`, `{{ .GroupLabels.NAME }}`,
`{{ .CommonLabels.NAME }}`, `{{ .CommonAnnotations.NAME }}` and `{{ .Alerts.Firing | len }}`,
`{{ .Alerts | len }}`; each may end in `| toUpper`, `| toLower` or `| title`.
"""

import re
from collections.abc import Callable
from typing import Final

from veriscope.alert.group import AlertGroup
from veriscope.signals import InvalidInputError, Labels, label_value

_FIELD: Final = re.compile(r"\{\{-?\s*(.*?)\s*-?\}\}", re.DOTALL)
_LABEL: Final = re.compile(r"\.(GroupLabels|CommonLabels|CommonAnnotations)\.(\w+)")
_PLAIN: Final[dict[str, Callable[[AlertGroup], str]]] = {
    ".Status": lambda group: group.status,
    ".Receiver": lambda group: group.receiver,
    ".ExternalURL": lambda group: group.external_url,
    ".Alerts | len": lambda group: str(len(group.alerts)),
    ".Alerts.Firing | len": lambda group: str(len(group.firing)),
}
_FILTERS: Final[dict[str, Callable[[str], str]]] = {
    "toUpper": str.upper,
    "toLower": str.lower,
    "title": str.title,
}
_LABELS: Final[dict[str, Callable[[AlertGroup], Labels]]] = {
    "GroupLabels": lambda group: group.group_labels,
    "CommonLabels": lambda group: group.common_labels,
    "CommonAnnotations": lambda group: group.common_annotations,
}

Field = Callable[[AlertGroup], str]


class Template:
    """A text with fields; raises `InvalidInputError` where one is not known."""

    def __init__(self, text: str) -> None:
        pieces = _FIELD.split(text)
        if "{{" in _FIELD.sub("", text):
            raise InvalidInputError(f"template {text!r}: {{{{ is never closed")
        self._constants = pieces[::2]
        self._fields = [_field(piece) for piece in pieces[1::2]]

    def fill(self, group: AlertGroup) -> str:
        """Return the text for *group*; a label that is not there is empty."""
        parts = [self._constants[0]]
        for field, constant in zip(self._fields, self._constants[1:], strict=True):
            parts += (field(group), constant)
        return "".join(parts)


def _field(expression: str) -> Field:
    spelled = " | ".join(part.strip() for part in expression.split("|"))
    head, _, filter_name = spelled.rpartition(" | ")
    if head and filter_name in _FILTERS:
        return _filtered(_field(head), _FILTERS[filter_name])
    if spelled in _PLAIN:
        return _PLAIN[spelled]
    if found := _LABEL.fullmatch(spelled):
        return _labelled(_LABELS[found[1]], found[2])
    raise InvalidInputError(
        f"template field {{{{ {expression} }}}} is not known; there are {', '.join(_PLAIN)}, "
        ".GroupLabels.NAME, .CommonLabels.NAME and .CommonAnnotations.NAME"
    )


def _filtered(field: Field, change: Callable[[str], str]) -> Field:
    return lambda group: change(field(group))


def _labelled(labels: Callable[[AlertGroup], Labels], name: str) -> Field:
    return lambda group: label_value(labels(group), name)


def subject(group: AlertGroup) -> str:
    """Return the line that stands for *group*: `[FIRING:2] HighLoad (api critical)`."""
    count = f":{len(group.firing)}" if group.firing else ""
    own = [value for name, value in group.common_labels if name != "alertname"]
    rest = f" ({' '.join(own)})" if own else ""
    return f"[{group.status.upper()}{count}] {group.name}{rest}"


def body_text(group: AlertGroup) -> str:
    """Return a paragraph for each alert: status, annotations, labels."""
    paragraphs = []
    for alert in group.alerts:
        lines = [f"{alert.status.upper()}: {label_value(alert.labels, 'alertname')}"]
        lines += [f"  {name}: {text}" for name, text in alert.annotations]
        lines += [f"  {name}={value}" for name, value in alert.labels if name != "alertname"]
        if alert.generator_url:
            lines.append(f"  {alert.generator_url}")
        paragraphs.append("\n".join(lines))
    return "\n\n".join(paragraphs)
