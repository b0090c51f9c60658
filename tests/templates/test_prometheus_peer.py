import json
import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from veriscope.signals import InvalidInputError, Labels
from veriscope.templates import Record, TemplateError
from veriscope.templates.functions.limits import Budget
from veriscope.templates.functions.prometheus import FUNCTIONS
from veriscope.templates.html.writer import HtmlWriter
from veriscope.templates.language.evaluate import Execution
from veriscope.templates.language.parser import parse
from veriscope.templates.prometheus import RuleTemplates
from veriscope.templates.values import StringMap

pytestmark = pytest.mark.peer
BINARY = shutil.which("prometheus")
_EXPR = (
    'label_replace(label_replace(vector(1234567.891), "i", "a.b:80", "", ""), "j", "é <", "", "")'
)
_TWO = 'label_replace(vector(7), "l", "v", "", "") or label_replace(vector(8), "l", "b", "", "")'
_QUERY = f"query {json.dumps(_TWO)}"
_NUMBERS = (
    *("0", "1", "-1", "0.5", "1e-7", "12345.678", "-12345.678", "1e15", "1e30", "1e-30", "999.95"),
    *(
        "1023",
        "1024",
        "60",
        "59.99",
        "3600",
        "-90061",
        "90061.5",
        "0.000123",
        "1e20",
        "'a'",
        "true",
    ),
    *('"NaN"', '"Inf"', '"-Inf"', '"1e3"', '"x"', '""', '"0x10p2"', '"1_000"', "123456789"),
)
_FUNCTIONS = (
    *("humanize", "humanize1024", "humanizeDuration", "humanizePercentage", "humanizeTimestamp"),
    *("toTime", "print"),
)
_VERBS = (
    *("%v", "%s", "%d", "%q", "%x", "%X", "%f", "%e", "%g", "%t", "%T", "%5.2f", "%-10s|", "%10s|"),
    *("%05d", "%+d", "%+v", "%08.3f", "% d", "%c", "%U", "%o", "%O", "%.3s", "%10.3v|", "%-8v|"),
    *("%+q", "%G", "%E", "%3c|", "%6.2f%%", "% x", "%.0f", "%08v", "%+.1e", "%F", "%z"),
)
_OPERANDS = (
    *("1", "-5", "1.5", '"hi"', '"é\\n"', "true", "nil", "$labels", ".Value", "-0.0", "1e100"),
    *("100000.0", "1e-5", "255", "'x'", '"a\\"b`"'),
)
_COMPARED = ("1", "1.0", '"a"', "true", "nil", ".Value", "2", '"b"', "'a'")
_OTHERS = (
    '{{ printf "%[2]d %[1]d" 1 2 }}{{ printf "%[5]d" 1 }}{{ printf "%*d|%-*d|" 5 1 5 1 }}',
    '{{ printf "%[3]*.[2]*[1]f" 12.0 2 6 }}{{ printf "%!" 1 }}{{ printf "no" 1 "x" nil }}',
    '{{ print 1 2 "a" "b" 3 4.5 nil true }}{{ println 1 "a" }}{{ html 1 nil "<" }}',
    '{{ js "it\'s <b>\\n=&\\"\\\\ é" }}{{ urlquery "a b/é+~*()!\'" 1 2 "x" }}',
    '{{ index "abc" 7 }}',
    "{{ index nil 1 }}",
    "{{ index 3 1 }}",
    '{{ slice "hello" 3 1 }}',
    "{{ and }}",
    "{{ not }}",
    "{{ 1 | and 2 }}",
    "{{ call 1 }}",
    "{{ eq 1 }}",
    "{{ lt 1 2 3 }}",
    "{{ len 3 }}",
    "{{ humanize }}",
    "{{ humanize 1 2 }}",
    '{{ label 1 (query "x") }}',
    "{{ $labels.nope.x }}",
    "{{ $value.x }}",
    "{{ .Nope }}",
    "a\n  {{ $labels.a.b }}",
    '{{ $labels "x" }}',
    '{{ $labels.i "x" }}',
    "{{ 1 2 }}",
    "{{ (args 1).arg1.x }}",
    "{{ toUpper 5 }}",
    "{{ first 5 }}",
    '{{ match "(" "y" }}',
    '{{ reReplaceAll "[" "" "" }}',
    '{{ template "nope" }}',
    "{{ range 1.5 }}{{ end }}",
    '{{ query "none" | first | value }}',
    "{{ range $k, $v := $labels }}{{$k}}={{$v}};{{ end }}{{ $labels }}{{ . }}",
    "{{ range $i, $e := " + _QUERY + " }}{{$i}}:{{$e.Value}}{{.}} {{else}}none{{end}}",
    "{{ with " + _QUERY + ' }}{{ . | first | value | humanize }}{{ . | first | label "l" }}{{end}}',
    "{{ " + _QUERY + ' | sortByLabel "l" | first | label "l" }}',
    '{{ $x := 1 }}{{ if true }}{{ $x = 2 }}{{ $x := 3 }}{{ end }}{{ $x }}a {{- " b " -}} c',
    "{{ range (args 1 2 3) }}{{ if eq . 2 }}{{ continue }}{{ end }}{{ . }}{{ end }}",
    '{{ "a\\t\\u00e9\\x41\\101" }}{{ 0x1F }} {{ 017 }} {{ 1_000 }} {{ +5 }} {{ .5 }} {{ 0x1p4 }}',
    '{{ define "t" }}[{{.}}]{{ end }}{{ template "t" 5 }}{{ template "t" }}',
    '{{ block "b" 3 }}<{{ . }}>{{ end }}',
    '{{ title "hello wORLD foo_bar foo-bar it\'s été 1abc" }}{{ toUpper "straße" }}',
    '{{ stripPort "a:80" }} {{ stripPort "[::1]:80" }}{{ stripPort "a:b:c" }}',
    '{{ stripDomain "a.b:80" }} {{ stripDomain "10.0.0.1:80" }} {{ stripDomain "[::1]:80" }}',
    '{{ graphLink "up{a=\\"b c\\"}+1" }} {{ tableLink "up / 2" }}{{ pathPrefix }}{{ externalURL }}',
    '{{ parseDuration "1y2w3d" }}{{ parseDuration "5ms" }}',
    '{{ parseDuration "x" }}',
    '{{ (toTime 1435065584.5).Format "Mon Jan _2 3:04PM .000 2006 002 -07:00 Z0700 06 Janet" }}',
    "{{ (toTime 1e9).YearDay }}{{ (toTime 1).Sub (toTime 0) }}{{ (toTime 1).AddDate 0 1 40 }}",
    '{{ reReplaceAll "b*" "x" "abcb" }}{{ reReplaceAll "(?P<n>b)" "${n}1$n1$$" "abc" }}',
)
_FAULTY = (
    *("{{", "{{ }}", "{{ foo }}", "{{ $x }}", "{{ if }}x{{ end }}", "{{ if 1 }}", "{{ end }}"),
    *("{{ else }}", "{{ break }}", '{{ define "a" }}', "{{ define a }}{{ end }}", "{{ template }}"),
    *('{{ "abc }}', "{{ `abc }}", "{{ 'a }}", "{{/* x }}", "{{ ( 1 }}", "{{ 1 ) }}", "{{ | 1 }}"),
    *("{{ 1 | 2 }}", "{{ 1a }}", "{{ 0x }}", "{{ 99999999999999999999 }}", '{{ "a".b }}'),
    *("{{ $x := }}", "{{ $x, $y := 1 }}", "{{ range $a, $b, $c := . }}{{ end }}", "{{ @ }}"),
    *("{{ .a-b }}", '{{ "\\z" }}', "{{ 'ab' }}", "a\nb\n{{ foo }}", "{{ if 1 }}{{ end 5 }}"),
    *("{{ 1,2 }}", "{{ true.x }}", '{{ block "x" }}{{ end }}', "{{ with 1 }}{{ break }}{{ end }}"),
)


def _query(expr: str) -> list[tuple[Labels, float]]:
    if expr == "x":
        raise InvalidInputError("never asked")
    return [((("l", "v"),), 7.0), ((("l", "b"),), 8.0)] if expr == _TWO else []


@pytest.fixture
def prometheus(tmp_path: Path) -> Iterator[str]:
    """Start a real Prometheus on the rules and console templates in *tmp_path*; its address."""
    if BINARY is None:
        pytest.skip("NO TEMPLATE WAS JUDGED: install Debian's `prometheus` package")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    (tmp_path / "consoles").mkdir()
    config = {
        "global": {"evaluation_interval": "1s", "external_labels": {"cluster": "c1"}},
        "rule_files": [str(tmp_path / "*.rules")],
    }
    (tmp_path / "prometheus.yml").write_text(json.dumps(config))
    annotations = {f"a{at}": text for at, text in enumerate(_texts())}
    rule = {"alert": "A", "expr": _EXPR, "annotations": annotations}
    groups = {"groups": [{"name": "g", "interval": "1s", "rules": [rule]}]}
    (tmp_path / "judged.rules").write_text(json.dumps(groups))
    process = subprocess.Popen(
        [
            *(BINARY, f"--config.file={tmp_path / 'prometheus.yml'}"),
            *(f"--storage.tsdb.path={tmp_path / 'data'}", f"--web.listen-address={address}"),
            *(
                "--web.external-url=http://h:9/p",
                f"--web.console.templates={tmp_path / 'consoles'}",
            ),
            f"--web.console.libraries={tmp_path / 'consoles'}",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://{address}/p"
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(f"{url}/-/ready", timeout=60):
                break
        except (OSError, urllib.error.URLError):
            assert process.poll() is None
    yield url
    process.terminate()
    process.wait(60)


def _texts() -> list[str]:
    return [
        *(f"{{{{ {function} {number} }}}}" for function in _FUNCTIONS for number in _NUMBERS),
        *(f'{{{{ printf "{verb}" {one} }}}}' for verb in _VERBS for one in _OPERANDS),
        *(
            f"{{{{ {name} {first} {second} }}}}"
            for name in ("eq", "ne", "lt", "le", "gt", "ge")
            for first in _COMPARED
            for second in _COMPARED
        ),
        *_OTHERS,
    ]


def _expanded(text: str) -> str:
    try:
        return RuleTemplates({"cluster": "c1"}, "http://h:9/p").expand(
            text,
            labels={"i": "a.b:80", "j": "é <"},
            value=1234567.891,
            query=_query,
            name="A",
            time_ms=0,
        )
    except TemplateError as error:
        return f"<error expanding template: {error}>"


def test_rules_are_expanded_as_by_prometheus(prometheus: str) -> None:
    """A thousand texts of one rule come to the same annotations, errors and their places too."""
    alerts: Sequence[dict[str, dict[str, str]]] = ()
    end = time.monotonic() + 60
    while not alerts and time.monotonic() < end:
        with urllib.request.urlopen(f"{prometheus}/api/v1/alerts", timeout=60) as response:
            alerts = json.load(response)["data"]["alerts"]
    real = alerts[0]["annotations"]
    differ = {
        text: (real[f"a{at}"], ours)
        for at, text in enumerate(_texts())
        if (ours := _expanded(text)) != real[f"a{at}"]
    }
    assert not differ


def test_what_does_not_parse_is_refused_as_by_promtool(tmp_path: Path) -> None:
    """Each fault has the same words and the same line."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("NO FAULT WAS JUDGED: install Debian's `prometheus` package")
    path = tmp_path / "faulty.rules"
    for text in _FAULTY:
        rule = {"alert": "A", "expr": "1", "annotations": {"a": text}}
        path.write_text(json.dumps({"groups": [{"name": "g", "rules": [rule]}]}))
        judged = subprocess.run(
            [promtool, "check", "rules", path], capture_output=True, text=True, check=False
        )
        found = re.search(r'annotation "a": (template: .*)', judged.stdout + judged.stderr)
        assert found is not None, text
        with pytest.raises(TemplateError) as caught:
            RuleTemplates({}, "").check(text, "A")
        assert str(caught.value) == f"error parsing template __alert_A: {found[1]}", text


_PLACES = (
    *("{{V}}", "<p>{{V}}</p>", '<p title="{{V}}">', "<p title='{{V}}'>", "<p title={{V}} x>"),
    *('<a href="{{V}}">', "<a href={{V}}>", '<a href="/x/{{V}}">', '<a href="/x?q={{V}}&z=1">'),
    *('<a href="x#{{V}}">', '<a href="{{V}}{{V}}">', '<img src="{{V}}">', '<p {{V}}="x">'),
    *('<p style="color: {{V}}">', "<style>p { color: {{V}} }</style>", "<title>{{V}}</title>"),
    *("<textarea>{{V}}</textarea>", "<!-- {{V}} -->x", "a < b {{V}} <3", "{{ V | safeHtml }}"),
    *("<!DOCTYPE html><br/>{{V}}", '<p title="{{ V | safeHtml }}">', '<a data-href="{{V}}">'),
    *('<svg xlink:href="{{V}}">', '<p {{if true}}title="{{V}}"{{end}}>', '<p\ntitle = "{{V}}">'),
    *('<A HREF="{{V}}">', '<p title="x" {{V}}>', "<br title/>{{V}}", "<script>a<1</script>{{V}}"),
)
_SHOWN = (
    *("a b", '<b>"x"\'&+</b>', "javascript:alert(1)", "http://x/?a=b&c=<d>", "é/ü%20%zz(1)", "red"),
    *("expression(1)", "1+1=2", "mailto:a@b", "x:y", "/p:q?r", "a`=b\n\tc", "#fff", "--x"),
)


def test_html_is_escaped_as_by_prometheus(prometheus: str, tmp_path: Path) -> None:
    """Each value comes out the same in each place of a console page."""
    for at, place in enumerate(_PLACES):
        text = place.replace("V", ".Params.v")
        (tmp_path / "consoles" / f"{at}.html").write_text(text)
        templates = parse("", text, FUNCTIONS)
        for value in _SHOWN:
            query = urllib.parse.urlencode({"v": value})
            url = f"{prometheus}/consoles/{at}.html?{query}"
            with urllib.request.urlopen(url, timeout=60) as response:
                real = response.read().decode()
            writer = HtmlWriter()
            data = Record({"Params": StringMap({"v": value})})
            Execution(templates, FUNCTIONS, writer, Budget()).run_safely("", data)
            assert str(writer) == real, (place, value)
