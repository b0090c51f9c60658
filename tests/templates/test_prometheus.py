from collections.abc import Callable

import pytest

Expand = Callable[[str], str]


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("humanize $value", "1.235M"),
        ("humanize 0.00123", "1.23m"),
        ("humanize -999.96", "-1000"),
        ('humanize "NaN"', "NaN"),
        ("humanize1024 1536", "1.5ki"),
        ("humanizeDuration 93784.5", "1d 2h 3m 4s"),
        ("humanizeDuration -61", "-1m 1s"),
        ("humanizeDuration 59.987", "59.99s"),
        ("humanizeDuration 0.0015", "1.5ms"),
        ("humanizePercentage 0.1234567", "12.35%"),
        ("humanizeTimestamp 1435065584.128", "2015-06-23 13:19:44.128 +0000 UTC"),
        (
            '(toTime 1435065584.5).Format "Mon Jan _2 15:04:05.000 MST 2006"',
            "Tue Jun 23 13:19:44.500 UTC 2015",
        ),
        ("(toTime 86400).Weekday", "Friday"),
        ("(toTime 1).AddDate 0 1 40", "1970-03-13 00:00:01 +0000 UTC"),
        ("(toTime 90).Sub (toTime 0)", "1m30s"),
        ("toDuration 90.5", "1m30.5s"),
        ("now", "1000.5"),
        ('parseDuration "1h30m"', "5400"),
        ('query "two" | first | value', "7"),
        ('query "two" | sortByLabel "l" | first | label "l"', "b"),
        ('query "one" | first | strvalue', ""),
        ('title "hello wORLD it\'s foo-bar"', "Hello WORLD It'S Foo-Bar"),
        ('toUpper "straße"', "STRAßE"),
        ('toLower "ÀÉ"', "àé"),
        ('match "a.*" "banana"', "true"),
        ('reReplaceAll "(.*):.*" "$1!" "host:80"', "host!"),
        ('reReplaceAll "b*" "x" "abcb"', "xaxcx"),
        ('stripPort "[::1]:80"', "::1"),
        ('stripDomain "a.b.c:80"', "a:80"),
        ('stripDomain "10.0.0.1:80"', "10.0.0.1:80"),
        ('graphLink "up == 1"', "/graph?g0.expr=up+%3D%3D+1&g0.tab=0"),
        ('tableLink "up"', "/graph?g0.expr=up&g0.tab=1"),
        ('urlQueryEscape "a b&c"', "a+b%26c"),
        ("pathPrefix", "/p"),
        ("externalURL", "http://h:9/p"),
        ('safeHtml "<b>"', "<b>"),
    ],
)
def test_functions_give_what_prometheus_gives(expand: Expand, action: str, expected: str) -> None:
    """Each function of rules' templates is there, and answers as Prometheus does."""
    assert expand(f"{{{{ {action} }}}}") == expected
