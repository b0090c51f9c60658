"""amtool drives Veriscope as it drives Alertmanager: the same commands, the same answers."""

import json
import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.peer.served_alerting import served_alerting

pytestmark = [
    pytest.mark.peer,
    pytest.mark.skipif(
        shutil.which("amtool") is None or shutil.which("prometheus-alertmanager") is None,
        reason="Debian's prometheus-alertmanager is not installed",
    ),
]

CONFIG = """
route:
  receiver: team
  group_by: [alertname]
  group_wait: 1h
  routes:
    - matchers: ['severity="page"']
      receiver: pager
      continue: true
    - matchers: ['job=~"db.*"', 'env!="test"']
      receiver: database
      routes:
        - match: {severity: none}
          receiver: nobody
receivers:
  - name: team
    webhook_configs: [{url: 'http://127.0.0.1:1/'}]
  - name: pager
    pagerduty_configs: [{routing_key: key}]
  - name: database
  - name: nobody
inhibit_rules:
  - source_matchers: [alertname="Down"]
    target_matchers: [alertname="Slow"]
    equal: [instance]
"""
ID = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}")
MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z| UTC)")


class Pair(NamedTuple):
    """The addresses of both."""

    theirs: str
    ours: str


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    """Start both with the same file."""
    config = tmp_path / "alertmanager.yml"
    config.write_text(CONFIG)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    theirs = subprocess.Popen(
        [
            "prometheus-alertmanager",
            f"--config.file={config}",
            f"--storage.path={tmp_path / 'alertmanager'}",
            f"--web.listen-address={address}",
            "--cluster.listen-address=",
            "--log.level=error",
        ]
    )
    try:
        with served_alerting(config) as ours:
            wait_for(f"http://{address}/-/ready")
            yield Pair(f"http://{address}", ours)
    finally:
        theirs.terminate()
        theirs.wait(30)


def wait_for(url: str) -> None:
    """Return once *url* is answered 200."""
    deadline = time.monotonic() + 30
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            assert time.monotonic() < deadline
            time.sleep(0.05)


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def comparable(self) -> tuple[int, str, str]:
        """What both must say: all but ids, times, how wide they are, and why it is wrong."""
        out = re.sub(" +", " ", MOMENT.sub("TIME", ID.sub("ID", self.out)))
        return self.code, out, self.err.partition("BadRequest ")[0]


def amtool(url: str, *arguments: str) -> Ended:
    """Run amtool against *url*."""
    done = subprocess.run(
        ["amtool", f"--alertmanager.url={url}", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def same(pair: Pair, *arguments: str) -> Ended:
    """Run amtool against both, demand the same, and return what ours said."""
    theirs, ours = (amtool(url, *arguments) for url in pair)
    assert ours.comparable == theirs.comparable, arguments
    return ours


def test_alerts(pair: Pair) -> None:
    """Added, queried in each form, narrowed, and held back."""
    start = (datetime.now(UTC) - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    add = ("alert", "add")
    for labels in (
        ("Down", "instance=a", "severity=page", f"--start={start}", "--annotation=summary=it is"),
        ("Slow", "instance=a", f"--start={start}", "--generator-url=http://x/graph?g0.expr=up"),
        ("Slow", "instance=b", "job=db1", f"--start={start}"),
        ("Old", f"--start={start}", f"--end={start}"),
    ):
        assert same(pair, *add, *labels).code == 0
    for query in (
        (),
        ("Slow",),
        ("alertname=~S.*", "instance!=a"),
        ("--inhibited",),
        ("--silenced",),
        ("--receiver=database",),
        ("--receiver=(",),
        ("alertname=~(",),
    ):
        for form in ("simple", "extended"):
            same(pair, "alert", "query", f"--output={form}", *query)
    shown = [json.loads(amtool(url, "alert", "query", "-o", "json").out) for url in pair]
    assert without_times(shown[1]) == without_times(shown[0])
    assert {alert["labels"]["alertname"] for alert in shown[1]} == {"Down", "Slow"}


def without_times(document: Any) -> Any:
    """Return *document* without what two servers cannot agree in."""
    match document:
        case dict():
            left = document.keys() - {"updatedAt", "endsAt"}
            return {key: without_times(document[key]) for key in left}
        case list():
            return [without_times(each) for each in document]
        case _:
            return document


def test_silences(pair: Pair, tmp_path: Path) -> None:
    """Made, found, changed, ended, and carried from one to the other."""
    author = ("--author=me", "--comment=planned")
    ids = []
    for url in pair:
        made = amtool(url, "silence", "add", "alertname=Down", "job=~d.*", "--duration=2h", *author)
        assert made.code == 0, made.err
        ids.append(made.out.strip())
    same(pair, "silence", "add", "alertname!=Down", "env=prod", "--duration=1h", *author)
    same(pair, "silence", "add", "alertname=", *author)
    for query in ((), ("alertname=Down",), ("env=prod",), ("env=dev",), ("--within=90m",)):
        for form in ("simple", "extended"):
            same(pair, "silence", "query", f"--output={form}", *query)
    for change in (("--duration=4h",), ("--comment=longer",)):
        changed = [
            amtool(url, "silence", "update", *change, silence)
            for url, silence in zip(pair, ids, strict=True)
        ]
        assert changed[1].comparable == changed[0].comparable
        ids = [ID.findall(each.out)[0] for each in changed]
    same(pair, "silence", "query", "--output=extended")
    exported = tmp_path / "silences.json"
    exported.write_text(amtool(pair.theirs, "silence", "query", "-o", "json").out)
    for url, silence in zip(pair, ids, strict=True):
        assert amtool(url, "silence", "expire", silence) == (0, "", "")
        assert amtool(url, "silence", "expire", "00000000-0000-4000-8000-000000000000").code == 1
    same(pair, "silence", "query", "--expired", "--output=extended")
    assert amtool(pair.ours, "silence", "import", "--force", str(exported)).code == 0
    same(pair, "silence", "query", "--quiet", "env=nowhere")
    imported = json.loads(amtool(pair.ours, "silence", "query", "-o", "json").out)
    # That of `env=prod` was there, and those two of the other server came.
    assert len(imported) == 3


def test_configuration(pair: Pair) -> None:
    """The route tree, who is told of what, and that there is no cluster."""
    same(pair, "config", "routes")
    for labels in (
        ("severity=page",),
        ("severity=page", "job=db1"),
        ("job=db1", "severity=none"),
        ("job=db1", "env=test"),
        (),
    ):
        same(pair, "config", "routes", "test", *labels)
    same(pair, "cluster", "show")
    shown = amtool(pair.ours, "config", "show")
    assert shown.code == 0
    assert "routing_key: <secret>" in shown.out
