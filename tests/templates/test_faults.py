from collections.abc import Callable

import pytest

from veriscope.templates import Record, TemplateError
from veriscope.templates.alertmanager import NotificationTemplates
from veriscope.templates.prometheus import RuleTemplates


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{{ foo }}", '1: function "foo" not defined'),
        ("a\nb\n{{ $x }}", '3: undefined variable "$x"'),
        ("{{ if 1 }}", "1: unexpected EOF"),
        ("{{ end }}", "1: unexpected {{end}}"),
        ("{{ break }}", "1: {{break}} outside {{range}}"),
        ("{{ 1 | 2 }}", "1: non executable command in pipeline stage 2"),
        ('{{ "abc }}', "1: unterminated quoted string"),
        ("{{ ( 1 }}", "1: unclosed left paren"),
        ("{{/* x }}", "1: unclosed comment"),
        ("{{ $x, $y := 1 }}", "1: too many declarations in command"),
        ("{{ 99999999999999999999 }}", '1: integer overflow: "99999999999999999999"'),
        ("{{ 1a }}", '1: bad number syntax: "1a"'),
        ("{{", "1: unclosed action"),
        ("{{ if }}x{{ end }}", "1: missing value for if"),
        ('{{ "a".b }}', '1: unexpected . after term "\\"a\\""'),
        ("{{ 1i }}", '1: complex numbers are not supported: "1i"'),
    ],
)
def test_what_does_not_parse_is_refused_with_its_line(text: str, fault: str) -> None:
    """The error is Go's: the template, the line, and what is wrong there."""
    with pytest.raises(TemplateError) as caught:
        RuleTemplates({}, "").check(text, "A")
    assert str(caught.value) == (f"error parsing template __alert_A: template: __alert_A:{fault}")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{{ .Nope }}", "1:3|.Nope|can't evaluate field Nope in type *template.Data"),
        (
            "\n {{ .Alerts.Nope }}",
            "2:11|.Alerts.Nope|can't evaluate field Nope in type template.Alerts",
        ),
        ("{{ (index .Alerts 0).Nope }}", "1:18|0|can't evaluate field Nope in type template.Alert"),
        (
            "{{ .Alerts.Firing 1 }}",
            "1:10|.Alerts.Firing|wrong number of args for Firing: want 0 got 1",
        ),
        ('{{ join "," 5 }}', "1:12|5|can't handle 5 for arg of type []string"),
        ("{{ toUpper 5 }}", "1:11|5|expected string; found 5"),
        ("{{ index .Alerts 9 }}", "1:3|index .Alerts 9|error calling index: index out of range: 9"),
        ('{{ template "nope" . }}', '1:12|{{template "nope" .}}|template "nope" not defined'),
        ("{{ range .Status }}{{ end }}", "1:9|.Status|range can't iterate over firing"),
        ("{{ eq 1 1.0 }}", "1:3|eq 1 1.0|error calling eq: incompatible types for comparison"),
        (
            '{{ match "(" "x" }}',
            '1:3|match "(" "x"|error calling match: error parsing regexp: missing closing ): `(`',
        ),
    ],
)
def test_what_fails_names_its_place(
    notifications: NotificationTemplates, group: Record, text: str, fault: str
) -> None:
    """The error is Go's: line, column, template and the part that failed."""
    with pytest.raises(TemplateError) as caught:
        notifications.text(text, group)
    place, at, message = fault.split("|")
    assert str(caught.value) == f'template: :{place}: executing "" at <{at}>: {message}'


def test_a_fault_in_a_definition_names_it(
    notifications: NotificationTemplates, group: Record
) -> None:
    """The place is in the definition, wherever it was called from."""
    with pytest.raises(TemplateError, match=r'^template: :2:5: executing "t" at <\.x\.y>: '):
        notifications.text('{{ define "t" }}\n{{ .x.y }}{{ end }}{{ template "t" 1 }}', group)


def test_a_failing_query_says_why(expand: Callable[[str], str]) -> None:
    """What PromQL has against a query stands in the error."""
    with pytest.raises(TemplateError, match="error calling query: unclosed left parenthesis"):
        expand('{{ query "bad(" }}')


def test_a_file_that_does_not_parse_is_named() -> None:
    """The name of the file and the line in it are in the error."""
    with pytest.raises(TemplateError, match=r"^template: mine\.tmpl:2: unexpected EOF"):
        NotificationTemplates([("mine.tmpl", '{{ define "x" }}\n')], "")
