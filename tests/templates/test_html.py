import pytest

from veriscope.templates import Record, TemplateError
from veriscope.templates.alertmanager import NotificationTemplates


def _html(text: str, value: str) -> str:
    return NotificationTemplates((), "").html(text, Record({"V": value}))


@pytest.mark.parametrize(
    ("text", "value", "expected"),
    [
        ("<p>{{ .V }}</p>", "<b>&+", "<p>&lt;b&gt;&amp;&#43;</p>"),
        ("<p>{{ .V | safeHtml }}</p>", "<b>", "<p><b></p>"),
        ("{{ .V | html }}", "<b>&", "&lt;b&gt;&amp;"),
        ('<p title="{{ .V }}">', 'a"b', '<p title="a&#34;b">'),
        ("<p title={{ .V }}>", "a b>", "<p title=a&#32;b&gt;>"),
        ("<p title={{ .V }}>", "", "<p title=ZgotmplZ>"),
        ('<a href="{{ .V }}">', "javascript:alert(1)", '<a href="#ZgotmplZ">'),
        ('<a href="{{ .V }}">', "http://h/?a=b&c d", '<a href="http://h/?a=b&amp;c%20d">'),
        ('<a href="{{ .V | safeUrl }}">', "tel:1", '<a href="tel:1">'),
        ('<a href="/x?q={{ .V }}">', "a&b=c", '<a href="/x?q=a%26b%3dc">'),
        ('<a href="?q={{ .V | urlquery }}">', "a&b", '<a href="?q=a%26b">'),
        ('<p style="color: {{ .V }}">', "red", '<p style="color: red">'),
        ('<p style="color: {{ .V }}">', "x;y:url(z)", '<p style="color: ZgotmplZ">'),
        ("<style>p { color: {{ .V }} }</style>", "#fff", "<style>p { color: #fff }</style>"),
        ("<title>{{ .V }}</title>", "</title>", "<title>&lt;/title&gt;</title>"),
        ("<p {{ .V }}=1>", "onclick", "<p ZgotmplZ=1>"),
        ("<!-- {{ .V }} -->x", "-->", "x"),
        ("1 < 2 {{ .V }}", "", "1 &lt; 2 "),
        ('<p {{ if .V }}title="{{ .V }}"{{ end }}>', "q", '<p title="q">'),
    ],
)
def test_a_value_is_escaped_for_its_place(text: str, value: str, expected: str) -> None:
    """Text, attributes, URLs and styles each have their own escaping, as in Go."""
    assert _html(text, value) == expected


@pytest.mark.parametrize(
    ("text", "cure"),
    [
        ("<script>var a = {{ .V }}</script>", "attribute such as data-x"),
        ('<p onclick="{{ .V }}">', "attribute such as data-x"),
        ('<img srcset="{{ .V }}">', "use src"),
        ("<style>p { background: url({{ .V }}) }</style>", "use an attribute"),
        ("<p style=\"font: '{{ .V }}'\">", "use an attribute"),
    ],
)
def test_where_nothing_is_safe_a_value_is_refused(text: str, cure: str) -> None:
    """Inside scripts, and inside strings of CSS, there is an error that says what to do."""
    with pytest.raises(TemplateError, match=cure):
        _html(text, "x")
