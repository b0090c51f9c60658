"""The same verdict on configuration files as amtool's, which is the real Alertmanager's."""

import shutil
import subprocess
import textwrap
from pathlib import Path

import pytest

from veriscope.alert.config import load_alerting_config
from veriscope.signals.yaml_documents import DocumentError

pytestmark = pytest.mark.peer
AMTOOL = shutil.which("amtool")

# In each, RECEIVERS stands for two receivers, `all` and `ops`.
GOOD = {
    "least": "route: {receiver: all}\nRECEIVERS",
    "tree": """
        route:
          receiver: all
          group_by: [alertname, service]
          group_wait: 0s
          group_interval: 1m
          repeat_interval: 1h30m
          routes:
          - receiver: ops
            matchers: ['severity="critical"', '{team=~"db|web", env!="dev"}']
            continue: true
            routes:
            - group_by: ['...']
            - match: {service: api}
              match_re: {instance: "10[.].*"}
        RECEIVERS
        """,
    "routes without receivers": "route: {receiver: all, routes: [{match: {a: b}}]}\nRECEIVERS",
    "switch by yes": "route: {receiver: all, routes: [{continue: yes}]}\nRECEIVERS",
    "numbers and yes as texts": """
        route: {receiver: all, routes: [{match: {code: 500, really: yes}}]}
        RECEIVERS
        """,
    "name is a number": "route: {receiver: 7}\nreceivers: [{name: 7}]",
    "empty group_by": "route: {receiver: all, group_by: []}\nRECEIVERS",
    "null values": "route: {receiver: all, group_by: , routes: }\nglobal:\nRECEIVERS",
    "empty sections": """
        route: {receiver: all}
        inhibit_rules: []
        templates: []
        time_intervals: []
        RECEIVERS
        """,
    "intervals": """
        route:
          receiver: all
          routes:
          - {receiver: ops, mute_time_intervals: [night], active_time_intervals: [work, night]}
        RECEIVERS
        mute_time_intervals:
        - name: night
          time_intervals:
          - times: [{start_time: 00:00, end_time: 06:30}, {start_time: 22:00, end_time: 24:00}]
        time_intervals:
        - name: work
          time_intervals:
          - weekdays: ['Monday:Friday', sunday]
            days_of_month: ['1:5', -3:-1, 31]
            months: [1:3, may:August, december, 4]
            years: [2020:2022, 2030]
            location: Europe/Berlin
          - {}
        """,
    "interval without times": """
        route: {receiver: all}
        RECEIVERS
        time_intervals: [{name: never}]
        """,
    "inhibition": """
        route: {receiver: all}
        RECEIVERS
        inhibit_rules:
        - source_matchers: [severity = critical]
          target_matchers: [severity =~ "warning|info"]
          equal: [service, instance]
        - source_match: {a: b}
          source_match_re: {c: d.*}
          target_match: {e: f}
          target_match_re: {g: h+}
        - {}
        """,
    "templates that are not there": """
        route: {receiver: all}
        templates: ['nowhere/*.tmpl']
        RECEIVERS
        """,
    "a template": "route: {receiver: all}\ntemplates: ['*.tmpl']\nRECEIVERS",
    "anchor": """
        route: {receiver: all, routes: [{matchers: &m ['a=b']}, {matchers: *m}]}
        RECEIVERS
        """,
    "merge key": """
        route: {receiver: a}
        receivers:
        - name: a
          webhook_configs: [&hook {url: 'http://x.example/', send_resolved: true}]
        - name: b
          webhook_configs: [{<<: *hook, send_resolved: false}]
        """,
    "unused name twice in lists": """
        route: {receiver: all, routes: [{mute_time_intervals: [n, n]}]}
        time_intervals: [{name: n}]
        RECEIVERS
        """,
    "zero group_wait": "route: {receiver: all, group_wait: 0s}\nRECEIVERS",
    "interval below a second": "route: {receiver: all, group_interval: 5ms}\nRECEIVERS",
    "receiver not used": "route: {receiver: all}\nreceivers: [{name: all}, {name: other}]",
    "colon in a name": "route: {receiver: all, routes: [{matchers: ['a:b=c']}]}\nRECEIVERS",
    "empty matchers": "route: {receiver: all, matchers: [], match: {}}\nRECEIVERS",
    "braces only": "route: {receiver: all, routes: [{matchers: ['{}', '']}]}\nRECEIVERS",
    "resolve_timeout": "global: {resolve_timeout: 1h}\nroute: {receiver: all}\nRECEIVERS",
}

BAD = {
    "nothing": "",
    "no route": "RECEIVERS",
    "null route": "route:\nRECEIVERS",
    "no receiver": "route: {group_by: [a]}\nRECEIVERS",
    "unknown receiver": "route: {receiver: nobody}\nRECEIVERS",
    "unknown receiver below": "route: {receiver: all, routes: [{receiver: nobody}]}\nRECEIVERS",
    "no receivers": "route: {receiver: all}",
    "receiver twice": "route: {receiver: a}\nreceivers: [{name: a}, {name: a}]",
    "receiver without a name": "route: {receiver: a}\nreceivers: [{name: a}, {}]",
    "receiver's name is empty": "route: {receiver: a}\nreceivers: [{name: a}, {name: ''}]",
    "root with matchers": "route: {receiver: all, matchers: [a=b]}\nRECEIVERS",
    "root with match": "route: {receiver: all, match: {a: b}}\nRECEIVERS",
    "root with match_re": "route: {receiver: all, match_re: {a: b}}\nRECEIVERS",
    "root continues": "route: {receiver: all, continue: true}\nRECEIVERS",
    "root is muted": """
        route: {receiver: all, mute_time_intervals: [n]}
        time_intervals: [{name: n}]
        RECEIVERS
        """,
    "root is active at times": """
        route: {receiver: all, active_time_intervals: [n]}
        time_intervals: [{name: n}]
        RECEIVERS
        """,
    "unknown interval": "route: {receiver: all, routes: [{mute_time_intervals: [n]}]}\nRECEIVERS",
    "unknown active interval": """
        route: {receiver: all, routes: [{routes: [{active_time_intervals: [n]}]}]}
        RECEIVERS
        """,
    "interval twice": "route: {receiver: all}\ntime_intervals: [{name: n}, {name: n}]\nRECEIVERS",
    "interval in both spellings": """
        route: {receiver: all}
        time_intervals: [{name: n}]
        mute_time_intervals: [{name: n}]
        RECEIVERS
        """,
    "interval without a name": "route: {receiver: all}\ntime_intervals: [{}]\nRECEIVERS",
    "unknown key": "route: {receiver: all}\nrecievers: []\nRECEIVERS",
    "unknown key of a route": "route: {receiver: all, matcher: [a=b]}\nRECEIVERS",
    "unknown key of a rule": "route: {receiver: all}\ninhibit_rules: [{source: a}]\nRECEIVERS",
    "unknown key of an interval": """
        route: {receiver: all}
        time_intervals: [{name: n, time_intervals: [{days: [1]}]}]
        RECEIVERS
        """,
    "key twice": "route: {receiver: all}\nroute: {receiver: all}\nRECEIVERS",
    "not YAML": "route: {receiver: all\nRECEIVERS",
    "a list": "- route",
    "merge of a text": "route: {receiver: all, <<: text}\nRECEIVERS",
    "route is a list": "route: [{receiver: all}]\nRECEIVERS",
    "group_by is a text": "route: {receiver: all, group_by: a}\nRECEIVERS",
    "group_by twice": "route: {receiver: all, group_by: [a, a]}\nRECEIVERS",
    "group_by all and one": "route: {receiver: all, group_by: ['...', a]}\nRECEIVERS",
    "group_by no label": "route: {receiver: all, group_by: [a-b]}\nRECEIVERS",
    "zero group_interval": "route: {receiver: all, group_interval: 0s}\nRECEIVERS",
    "zero repeat_interval": "route: {receiver: all, routes: [{repeat_interval: 0s}]}\nRECEIVERS",
    "no duration": "route: {receiver: all, group_wait: soon}\nRECEIVERS",
    "negative duration": "route: {receiver: all, group_wait: -1s}\nRECEIVERS",
    "duration without a unit": "route: {receiver: all, group_wait: 30}\nRECEIVERS",
    "no matcher": "route: {receiver: all, routes: [{matchers: [a]}]}\nRECEIVERS",
    "matchers as a text": "route: {receiver: all, routes: [{matchers: a=b}]}\nRECEIVERS",
    "matcher without an end": "route: {receiver: all, routes: [{matchers: ['a=\"b']}]}\nRECEIVERS",
    "matcher's expression": "route: {receiver: all, routes: [{matchers: ['a=~(']}]}\nRECEIVERS",
    "look-ahead": "route: {receiver: all, routes: [{matchers: ['a=~(?!x)']}]}\nRECEIVERS",
    "name of a match": "route: {receiver: all, routes: [{match: {a-b: c}}]}\nRECEIVERS",
    "expression of a match": "route: {receiver: all, routes: [{match_re: {a: '['}}]}\nRECEIVERS",
    "rule's matcher": "route: {receiver: all}\ninhibit_rules: [{source_matchers: [a]}]\nRECEIVERS",
    "rule's label": "route: {receiver: all}\ninhibit_rules: [{equal: [a-b]}]\nRECEIVERS",
    "rule's target": """
        route: {receiver: all}
        inhibit_rules: [{target_match_re: {a: '*'}}]
        RECEIVERS
        """,
    "continue is a word": "route: {receiver: all, routes: [{continue: maybe}]}\nRECEIVERS",
    "bad template": "route: {receiver: all}\ntemplates: ['*.broken']\nRECEIVERS",
    "slack without an address": """
        route: {receiver: a}
        receivers: [{name: a, slack_configs: [{channel: '#x'}]}]
        """,
    "email without a server": """
        route: {receiver: a}
        receivers: [{name: a, email_configs: [{to: x@example.org}]}]
        """,
    "webhook without an address": """
        route: {receiver: a}
        receivers: [{name: a, webhook_configs: [{send_resolved: false}]}]
        """,
    "secret twice": """
        global: {slack_api_url: 'http://x.example', slack_api_url_file: x}
        route: {receiver: all}
        RECEIVERS
        """,
}

INTERVALS = [
    ("times: [{start_time: '9:00', end_time: '17:00'}]", False),
    ("times: [{start_time: '09:00'}]", False),
    ("times: [{start_time: '09:00', end_time: '09:00'}]", False),
    ("times: [{start_time: '10:00', end_time: '09:00'}]", False),
    ("times: [{start_time: '10:00', end_time: '24:00'}]", True),
    ("times: [{start_time: '10:00', end_time: '24:01'}]", False),
    ("times: []", True),
    ("weekdays: [mon]", False),
    ("weekdays: [friday:monday]", False),
    ("weekdays: [SUNDAY:saturday]", True),
    ("weekdays: [monday:tuesday:friday]", False),
    ("weekdays: [' monday']", False),
    ("weekdays: ['1:5']", False),
    ("days_of_month: ['0']", False),
    ("days_of_month: ['32']", False),
    ("days_of_month: ['-32:-1']", False),
    ("days_of_month: ['-1:5']", False),
    ("days_of_month: ['10:5']", False),
    ("days_of_month: ['10:-25']", False),
    ("days_of_month: ['10:-15']", True),
    ("days_of_month: ['3:-25']", True),
    ("days_of_month: ['4:-25']", False),
    ("days_of_month: ['-1:-5']", False),
    ("days_of_month: ['-31:-1']", True),
    ("days_of_month: ['+1:+5']", True),
    ("days_of_month: ['1:']", False),
    ("months: ['13']", True),
    ("months: ['0']", True),
    ("months: ['2:1']", False),
    ("months: [june:may]", False),
    ("months: [june:12]", True),
    ("months: [jun]", False),
    ("years: ['2031:2030']", False),
    ("years: [soon]", False),
    ("years: ['-5']", True),
    ("location: Atlantis/Capital", False),
    ("location: ../../etc/passwd", False),
    ("location: UTC", True),
    ("location: Local", True),
    ("location: ''", True),
]

_RECEIVERS = "receivers: [{name: all}, {name: ops, webhook_configs: [{url: 'http://x.example/'}]}]"
_INTERVAL = (
    "route: {{receiver: all}}\nRECEIVERS\ntime_intervals:\n- name: n\n  time_intervals:\n  - {}"
)

CASES = [
    *(pytest.param(text, True, id=f"good: {name}") for name, text in GOOD.items()),
    *(pytest.param(text, False, id=f"bad: {name}") for name, text in BAD.items()),
    *(pytest.param(_INTERVAL.format(text), good, id=text) for text, good in INTERVALS),
]


@pytest.mark.parametrize(("text", "is_good"), CASES)
def test_a_file_is_judged_as_amtool_judges_it(text: str, is_good: bool, tmp_path: Path) -> None:  # noqa: FBT001 - a parameter of the case
    """Accepted by both or by neither; what is refused names the file."""
    if AMTOOL is None:
        pytest.skip("amtool is not installed")
    (tmp_path / "a.tmpl").write_text('{{ define "x" }}{{ .Status | toUpper }}{{ end }}')
    (tmp_path / "b.broken").write_text('{{ define "x" }}{{ .Status ')
    path = tmp_path / "alertmanager.yml"
    path.write_text(textwrap.dedent(text).replace("RECEIVERS", _RECEIVERS))
    judged = subprocess.run(
        [AMTOOL, "check-config", path], capture_output=True, text=True, check=False
    )
    assert (judged.returncode == 0) is is_good, judged.stdout + judged.stderr
    if is_good:
        load_alerting_config(path)
        return
    with pytest.raises(DocumentError, match=str(path)):
        load_alerting_config(path)
