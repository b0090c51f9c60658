"""Whom an alert concerns, as a real Alertmanager decides it: routes, groups, silences."""

import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from prometheus_client import CollectorRegistry

from veriscope.alert.config import parse_alerting_config
from veriscope.alert.group import fingerprint_of, group_key, rfc3339
from veriscope.alert.inhibition import Inhibitor
from veriscope.alert.matchers import parse_matchers
from veriscope.alert.routing import build_routes
from veriscope.alert.silences import Silence, Silences
from veriscope.signals import InvalidInputError, MatchOp, SystemClock, to_labels

pytestmark = pytest.mark.peer
BINARY = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")

CONFIG = r"""
route:
  receiver: root
  group_by: [alertname]
  group_wait: 0s
  group_interval: 1s
  routes:
  - receiver: log
    matchers: ['kind!="quiet"']
    group_by: ['...']
    continue: true
  - receiver: odd
    matchers: ['{team=~"db|web",env!~"dev.*"}', 'z="quote \" back \\ line \n"']
  - receiver: old
    match: {team: db, env: prod}
    match_re: {team: "d.", alertname: "A.*"}
    routes:
    - {receiver: page, group_by: [env, team, absent], matchers: ['severity=critical', alertname=A1]}
    - {receiver: later, matchers: ['severity=~"w.*|"'], continue: true}
    - {receiver: last, match: {severity: warning}}
  - {group_by: [team], matchers: [team=none]}
inhibit_rules:
- source_match: {severity: critical}
  target_match_re: {severity: "warning|info"}
  equal: [team, zone]
- source_matchers: [a=1]
  target_matchers: [b=1]
receivers:
"""
RECEIVERS = ("root", "log", "odd", "old", "page", "later", "last")
ALERTS: list[dict[str, str]] = [
    {"alertname": "A1"},
    {"alertname": "A2", "kind": "quiet"},
    {"alertname": "A3", "team": "web", "env": "prod", "z": 'quote " back \\ line \n'},
    {"alertname": "A1", "team": "db", "env": "prod", "severity": "critical"},
    {"alertname": "A1", "team": "db", "env": "prod", "severity": "warning", "zone": "9"},
    {"alertname": "A4", "team": "db", "env": "prod"},
    {"alertname": "B", "team": "db", "env": "prod", "severity": "info", "kind": "quiet"},
    {"alertname": "A5", "team": "none", "odd": "x\ty\x00é\u2028"},
    {"alertname": "A6", "team": "db", "severity": "critical", "zone": "1"},
    {"alertname": "A7", "team": "db", "severity": "info", "zone": "1"},
    {"alertname": "A8", "team": "db", "severity": "info", "zone": "2"},
    {"alertname": "A9", "a": "1", "b": "1", "one": "x"},
    {"alertname": "A9", "a": "1", "b": "1", "two": "x"},
]


class Peer:
    """A real Alertmanager."""

    def __init__(self, url: str) -> None:
        self.url = url

    def ask(self, path: str, body: object = None, method: str | None = None) -> Any:
        """Return the JSON of an answer, or its status where that is an error."""
        request = urllib.request.Request(
            f"{self.url}/api/v2/{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            return error.code
        return json.loads(text) if text else None


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[str], Peer]]:
    """Start a real Alertmanager with a configuration."""
    if BINARY is None:
        pytest.skip("Alertmanager is not installed")
    started: list[subprocess.Popen[bytes]] = []

    def run(config: str) -> Peer:
        (tmp_path / "am.yml").write_text(config)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        process = subprocess.Popen(
            [
                *(str(BINARY), f"--config.file={tmp_path}/am.yml"),
                *(f"--storage.path={tmp_path}/data", "--cluster.listen-address="),
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        started.append(process)
        end = time.monotonic() + 60
        while time.monotonic() < end:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=60):
                    break
            except (OSError, urllib.error.URLError):
                assert process.poll() is None
        return Peer(f"http://127.0.0.1:{port}")

    yield run
    for process in started:
        process.terminate()
        process.wait(60)


def test_routes_groups_and_inhibition(start: Callable[[str], Peer], receiver: Any) -> None:
    """Each alert reaches the same receivers in groups of the same key, or is inhibited."""
    hooks = "".join(
        f"- {{name: {name}, webhook_configs: [{{url: '{receiver.url}/{name}'}}]}}\n"
        for name in RECEIVERS
    )
    config = parse_alerting_config(CONFIG + hooks, "am.yml", Path())
    assert config.route is not None
    root = build_routes(config.route)
    inhibitor = Inhibitor(config.inhibit_rules)
    sets = [to_labels(labels) for labels in ALERTS]
    inhibitor.update(Fires(labels) for labels in sets)
    inhibited = {labels: inhibitor.inhibited_by(labels, 0) for labels in sets}
    groups = {
        (route.receiver, group_key(route.key, route.group_labels(labels)), labels)
        for labels in sets
        for route in root.find(labels)
        if not inhibited[labels]
    }
    assert sum(map(bool, inhibited.values())) == 2

    peer = start(CONFIG + hooks)
    peer.ask("alerts", [{"labels": labels} for labels in ALERTS])
    found: set[Any] = set()
    seen = 0
    while not groups <= found:
        seen += 1
        found |= {
            (request.path.strip("/"), request.body["groupKey"], to_labels(alert["labels"]))
            for request in receiver.wait(seen)
            for alert in request.body["alerts"]
        }
    shown = {
        to_labels(each["labels"]): each["status"]["inhibitedBy"] for each in peer.ask("alerts")
    }
    assert shown == {labels: list(by) for labels, by in inhibited.items()}
    # A warning may leave before its source has come; apart from those, nothing else was sent.
    assert {each for each in found if not inhibited[each[2]]} == groups


class Fires(NamedTuple):
    """An alert that fires."""

    labels: tuple[tuple[str, str], ...]

    @property
    def fingerprint(self) -> str:
        """What stands for the labels."""
        return fingerprint_of(self.labels)

    def resolved_at(self, _now_ms: int) -> bool:
        """Tell that it has not ended."""
        return False


class Nowhere:
    """State that is not kept."""

    def all(self, _kind: str) -> dict[str, bytes]:
        """Return nothing."""
        return {}

    def put_many(self, _kind: str, documents: Mapping[str, bytes]) -> None:
        """Forget them."""

    def delete_many(self, _kind: str, keys: Collection[str]) -> None:
        """Forget them."""


# What to do with a silence: the number of an earlier one to change (or None for a new one), its
# matchers, and its start and end in hours from now; or `expire` and the number.
STEPS: list[tuple[Any, ...]] = [
    (None, "a=1", 0, 1),
    (0, "a=1", 0, 2),
    (0, "a=1", 0.5, 2),
    (0, "a=2", 0, 2),
    (None, "b=1", 1, 2),
    (4, "b=1", 1.5, 2),
    (4, "b=1", -1, 2),
    (4, "b=1", 1, 3),
    (None, "c=~x|,d!=1", -1, 5),
    (8, "d!=1,c=~x|", -1, 5),
    (None, "a=~", 0, 1),
    (None, "a=", 0, 1),
    (None, "a!=1", 0, 1),
    (None, "a!~.+", 0, 1),
    (None, "a=~x*,b=", 0, 1),
    (None, "a=1", 2, 1),
    (None, "a=1", 1, 1),
    (None, "a=1", -2, -1),
    (None, "", 0, 1),
    (None, "e=1", 1, 2),
    ("expire", 19),
    ("expire", 3),
    (3, "a=2", 0, 3),
    (19, "e=1", 1, 2),
]


async def test_silences(start: Callable[[str], Peer]) -> None:
    """The same are made, changed in place, replaced and refused, and stand the same after."""
    peer = start("route: {receiver: a}\nreceivers: [{name: a}]\n")
    ours = Silences(Nowhere(), SystemClock(), CollectorRegistry())
    real_ids: list[str | None] = []
    our_ids: list[str | None] = []
    for step in STEPS:
        if step[0] == "expire":
            peer.ask(f"silence/{real_ids[step[1]]}", method="DELETE")
            await ours.expire(str(our_ids[step[1]]))
            real_ids.append(None)
            our_ids.append(None)
            continue
        # The starts that are compared are of whole seconds: those that are now are not.
        now_ms = time.time_ns() // 1_000_000
        former, text, starts, ends = step
        matchers = parse_matchers(text)
        before = None if former is None else peer.ask(f"silence/{real_ids[former]}")
        known = None if former is None else ours.get(str(our_ids[former]))
        starts_at = rfc3339(now_ms + round(starts * 3_600_000))
        our_start_ms = now_ms + round(starts * 3_600_000)
        if starts == 0 and before is not None and known is not None:
            starts_at, our_start_ms = before["startsAt"], known.starts_at_ms
        ends_ms = now_ms + round(ends * 3_600_000)
        answer = peer.ask(
            "silences",
            {
                "id": "" if former is None else real_ids[former],
                "matchers": [
                    {
                        "name": each.name,
                        "value": each.value,
                        "isRegex": each.op in (MatchOp.REGEX, MatchOp.NOT_REGEX),
                        "isEqual": each.op in (MatchOp.EQUAL, MatchOp.REGEX),
                    }
                    for each in matchers
                ],
                "startsAt": starts_at,
                "endsAt": rfc3339(ends_ms),
                "createdBy": "me",
                "comment": "why",
            },
        )
        real_ids.append(answer["silenceID"] if isinstance(answer, dict) else None)
        try:
            our_ids.append(
                await ours.set(
                    Silence(
                        matchers=matchers,
                        starts_at_ms=our_start_ms,
                        ends_at_ms=ends_ms,
                        id="" if former is None else str(our_ids[former]),
                    )
                )
            )
        except InvalidInputError:
            our_ids.append(None)
        assert _numbered(our_ids) == _numbered(real_ids), step
    now_ms = time.time_ns() // 1_000_000
    states = {each["id"]: each["status"]["state"] for each in peer.ask("silences")}
    our_states = {each.id: each.state(now_ms).value for each in ours.all()}
    assert [our_states.get(str(each)) for each in our_ids] == [
        states.get(str(each)) for each in real_ids
    ]
    assert len(states) == len(our_states)


def _numbered(ids: list[str | None]) -> list[int | None]:
    """Return for each id the place at which it stood first."""
    return [None if each is None else ids.index(each) for each in ids]
