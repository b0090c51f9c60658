from collections.abc import Callable

import pytest

Expand = Callable[[str], str]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        (
            "{{ $labels.job }} {{ .Labels.instance }} {{ $.Value }}",
            "été <x> a.b.c:9090 1.234567891e+06",
        ),
        ("{{ $externalLabels.cluster }} {{ $externalURL }}", "c1 http://h:9/p"),
        ("{{ $labels.nope }}|", "|"),
        ("a {{- ` b ` -}} c", "a b c"),
        ("a {{- /* gone */ -}} b{{/* too */}}", "ab"),
        ("{{ `raw\\n` }}{{ \"\\x41\\101\\u00e9\\t\" }}{{ 'a' }}", "raw\\nAAé\t97"),
        (
            "{{ 0x1F }} {{ 0b11 }} {{ 017 }} {{ 1_000 }} {{ 1e3 }} {{ .5 }} {{ 0x1p4 }}",
            "31 3 15 1000 1000 0.5 16",
        ),
        ("{{ if 0 }}a{{ else if eq 1 1 }}b{{ else }}c{{ end }}", "b"),
        ("{{ with 5 }}{{ . }}{{ end }}{{ with 0 }}x{{ else }}y{{ end }}", "5y"),
        ("{{ with 0 }}x{{ else with 3 }}{{ . }}{{ end }}", "3"),
        ("{{ $x := 1 }}{{ if true }}{{ $x = 2 }}{{ $x := 3 }}{{ end }}{{ $x }}", "2"),
        (
            "{{ range $k, $v := $labels }}{{ $k }}={{ $v }};{{ end }}",
            "instance=a.b.c:9090;job=été <x>;",
        ),
        ("{{ range $i, $s := query `two` }}{{ $i }}:{{ $s.Value }} {{ end }}", "0:7 1:8 "),
        ("{{ range query `none` }}x{{ else }}empty{{ end }}", "empty"),
        (
            "{{range 5}}{{if eq . 1}}{{continue}}{{end}}{{.}}{{if gt . 2}}{{break}}{{end}}{{end}}",
            "023",
        ),
        (
            "{{ define `t` }}[{{ . }}]{{ end }}{{ template `t` 5 }}{{ template `t` }}",
            "[5][<no value>]",
        ),
        ("{{ block `b` 3 }}<{{ . }}>{{ end }}", "<3>"),
        ("{{ define `t` }}{{ .arg0 }}{{ .arg1 }}{{ end }}{{ tmpl `t` (args 1 `x`) }}", "1x"),
        ("{{ (index (query `two`) 1).Labels.l }}{{ (args 1).arg0 }}", "b1"),
        ("{{ 5 | printf `%s-%d` `a` }}", "a-5"),
        ("{{ and 1 0 2 }}{{ or 0 `` `x` }}{{ not 1 }}", "0xfalse"),
        ("{{ and false (index (query `none`) 9) }}", "false"),
        ("{{ len `été` }}{{ slice `hello` 1 3 }}{{ index `abc` 1 }}", "5el98"),
        (
            "{{ eq 1 2 1 }}{{ ne `a` `b` }}{{ lt 1 2 }}{{ le 2 2 }}{{ gt 1.5 1.0 }}",
            "truetruetruetruetrue",
        ),
        (
            "{{ html `<a b='c'>` }}{{ urlquery `a b/é` }}{{ js `it's <b>` }}",
            "&lt;a b=&#39;c&#39;&gt;a+b%2F%C3%A9it\\'s \\u003Cb\\u003E",
        ),
        (
            "{{ $labels }}{{ args 1 nil }}{{ nil | print }}",
            "map[instance:a.b.c:9090 job:été <x>]map[arg0:1 arg1:<nil>]<nil>",
        ),
    ],
)
def test_a_template_is_carried_out_as_go_does(expand: Expand, text: str, expected: str) -> None:
    """Actions, control structures, variables and definitions mean what they mean in Go."""
    assert expand(text.replace("nil | print", "print nil")) == expected


@pytest.mark.parametrize(
    ("layout", "values", "expected"),
    [
        ("%v %v %v", "1.0 `a` true", "1 a true"),
        ("%5.2f|%-5s|%05d|%+d", "1.234 `a` 7 7", " 1.23|a    |00007|+7"),
        ("%q %x %X %e %g", "`a\\b` `hi` 255 1.5 1e21", '"a\\\\b" 6869 FF 1.500000e+00 1e+21'),
        ("%d %s %t", "`x` 1 1.5", "%!d(string=x) %!s(int=1) %!t(float64=1.5)"),
        ("%d %d", "1", "1 %!d(MISSING)"),
        ("%d", "1 `x`", "1%!(EXTRA string=x)"),
        ("%[2]d %[1]d %%", "1 2", "2 1 %"),
        ("%*d|%-*d|%.*f", "4 1 4 1 2 1.239", "   1|1   |1.24"),
        ("%", "", "%!(NOVERB)"),
        ("%T %T %c %U", "1 nil 233 233", "int <nil> é U+00E9"),
    ],
)
def test_printf_writes_what_go_writes(
    expand: Expand, layout: str, values: str, expected: str
) -> None:
    """Verbs, flags and the markers of what does not fit are those of Go's fmt."""
    assert expand(f"{{{{ printf `{layout}` {values} }}}}") == expected


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        *(("100000.0", "100000"), ("1e6", "1e+06"), ("1e21", "1e+21"), ("0.0001", "0.0001")),
        *(("0.00001", "1e-05"), ("123456.75", "123456.75"), ("1234567.5", "1.2345675e+06")),
        *(("-0.0", "-0"), ("5e-324", "5e-324"), ("0.1", "0.1")),
    ],
)
def test_a_float_has_the_fewest_digits(expand: Expand, number: str, expected: str) -> None:
    """It is printed as Go prints it, with an exponent from a million on."""
    assert expand(f"{{{{ {number} }}}}") == expected
