from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from veriscope.templates import Record, TemplateError
from veriscope.templates.alertmanager import NotificationTemplates

_PIECES = st.sampled_from(
    [
        *(
            "{{",
            "}}",
            "{{-",
            "-}}",
            " ",
            ".",
            "|",
            "(",
            ")",
            ":=",
            "=",
            ",",
            '"',
            "`",
            "'",
            "$x",
            "$",
        ),
        *("if", "else", "end", "range", "with", "define", "template", "block", "break", "nil"),
        *(
            ".V",
            ".L",
            ".V.x",
            "1",
            "1.5",
            "-3",
            "1e400",
            "0x",
            '"a"',
            "'b'",
            "true",
            "\n",
            "é",
            "<a ",
        ),
        *("printf", '"%d %*v %[9]s"', "index", "slice", "len", "eq", "lt", "html", "js", "print"),
        *(
            "reReplaceAll",
            "title",
            "toJson",
            "humanizeDuration",
            "safeHtml",
            "href=",
            ">",
            "</style>",
        ),
    ]
)
_TEMPLATES = NotificationTemplates((), "")
_DATA = Record({"V": "x<\0é", "L": [1, 2.5, "z", None]})


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{{ range 100001 }}{{ end }}", "over 100000 steps"),
        ("{{ range 300 }}{{ range 400 }}x{{ end }}{{ end }}", "over 100000 steps"),
        ('{{ define "r" }}{{ template "r" }}{{ end }}{{ template "r" }}', "template depth"),
        ('{{ define "r" }}{{ tmpl "r" 1 }}{{ end }}{{ template "r" }}', "template depth"),
        (
            '{{ $x := "aaaaaaaa" }}{{ range 99 }}{{ $x = print $x $x }}{{ end }}',
            "1048576 characters",
        ),
        ('{{ printf "%999999d%999999d" 1 1 }}', "1048576 characters"),
        ('{{ $x := printf "%99999d" 1 }}{{ reReplaceAll " " $x $x }}', "1048576 characters"),
        (
            "{{ $x := args 1 }}{{ range 40 }}{{ $x = args $x $x }}{{ end }}{{ $x }}",
            "a value is over",
        ),
        ("{{ $x := args 1 }}{{ range 60 }}{{ $x = args $x }}{{ end }}{{ $x }}", "nested deeper"),
        ('{{ $x := printf "%999999d" 1 }}{{ range 99 }}{{ match "a.*b" $x }}{{ end }}', "steps"),
        ("{{ " + "(" * 101 + "1" + ")" * 101 + " }}", "nested deeper than 100"),
        ("{{ if 1 }}" * 101 + "{{ end }}" * 101, "nested deeper than 100"),
        ("x" * (1 << 20) + "{{ 1 }}", "over 1048576 bytes"),
    ],
    ids=[
        "count",
        "loops",
        "calls",
        "tmpl",
        "doubling",
        "width",
        "replace",
        "shared",
        "nested",
        "scan",
        "paren",
        "if",
        "source",
    ],
)
def test_a_template_has_bounds(expand: Callable[[str], str], text: str, fault: str) -> None:
    """Steps, output, depth and source have limits, and the error says which was met."""
    with pytest.raises(TemplateError, match=fault):
        expand(text)


def test_a_list_that_holds_itself_often_is_no_json(group: Record) -> None:
    """What shares its parts is counted as often as it would be written."""
    text = "{{ $x := list 1 }}{{ range 40 }}{{ $x = list $x $x }}{{ end }}{{ toJson $x }}"
    with pytest.raises(TemplateError, match="a value is over"):
        _TEMPLATES.text(text, group)


def test_nesting_up_to_the_limit_works(expand: Callable[[str], str]) -> None:
    """A hundred levels of each kind are carried out."""
    assert expand("{{ if 1 }}" * 100 + "x" + "{{ end }}" * 100) == "x"
    assert expand("{{ " + "(" * 99 + "1" + ")" * 99 + " }}") == "1"


@given(st.lists(_PIECES, max_size=25).map("".join))
@example("{{ printf `%[0]d %[1]*.[2]*[3]f` 1 }}")
@example("{{ (((.V))).x }}{{ range $a, $b := .L }}{{ $a = $b }}{{ end }}")
@example("{{ index .L 1.5 }}")
def test_whatever_is_written_the_answer_is_text_or_a_template_error(text: str) -> None:
    """No template makes another error, and none runs for ever."""
    for carry_out in (_TEMPLATES.text, _TEMPLATES.html):
        try:
            shown = carry_out(text, _DATA)
        except TemplateError:
            continue
        assert isinstance(shown, str)


@given(st.text(st.characters(exclude_categories=[]), max_size=60))
def test_any_value_can_be_shown(value: str) -> None:
    """Text of any characters, lone surrogates too, goes through every function."""
    data = Record({"V": value})
    for name in ("html", "js", "urlquery", "title", "toJson", "len", "printf `%q %x`"):
        assert isinstance(_TEMPLATES.text(f"{{{{ {name} .V }}}}", data), str)
    mail = '<a href="{{ .V }}" title={{ .V }} style="color:{{ .V }}">{{ .V }}</a>'
    assert _TEMPLATES.html(mail, data).count("<") == 2


@pytest.mark.parametrize("name", ["__class__", "fields", "__init__", "methods", "items", "real"])
def test_no_python_attribute_is_reachable(name: str) -> None:
    """A field is what a record declares; what Python adds is not there."""
    for path in (f".{name}", f".V.{name}", f".L.{name}", f"(index .L 0).{name}"):
        with pytest.raises(TemplateError, match="can't evaluate field"):
            _TEMPLATES.text(f"{{{{ {path} }}}}", _DATA)
