"""
One script of things that go wrong, at Debian's Prometheus with Alertmanager and at Veriscope.

The same rule files, the same Alertmanager file and the same samples: the same notifications.
"""

import shutil
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.peer.alerting.pair import Pair, moment, sample
from tests.peer.alerting.recorder import Recorder
from tests.peer.alerting.sides import Ours, Theirs, fetch, wait_until, write_whole

pytestmark = [
    pytest.mark.peer,
    pytest.mark.waiting(reason="two servers wait for each other's intervals, two minutes in all"),
    pytest.mark.skipif(
        shutil.which("prometheus") is None or shutil.which("prometheus-alertmanager") is None,
        reason="Debian's prometheus and prometheus-alertmanager are not installed",
    ),
]

RULES = """
groups:
  - name: shop
    rules:
      - alert: Watchdog
        expr: vector(1) and on() watched == 1
        labels: {topic: watchdog}
        annotations:
          summary: '{{ $externalLabels.region }} is watched from {{ $externalURL }}'
      - alert: SlowCheckout
        expr: checkout_seconds > 1
        for: 3s
        labels: {topic: checkout, severity: page}
        annotations:
          summary: '{{ $labels.service }} takes {{ $value | humanizeDuration }}'
          runbook: http://runbooks.example/slow
      - alert: ApiDown
        expr: api_up == 0
        labels: {topic: api}
      - alert: SlowDeploy
        expr: deploy_seconds > 1
        for: 12s
        labels: {topic: deploy}
      - alert: Flapping
        expr: door_open == 1
        labels: {topic: flap}
      - alert: QueueFull
        expr: queue_length > 10
        keep_firing_for: 3s
        labels: {topic: queue}
      - alert: DiskLow
        expr: disk_free < 10
        labels: {topic: disk}
        annotations:
          free: '{{ $value | printf "%.1f" }} %'
      - alert: DatabaseDown
        expr: database_up == 0
        labels: {topic: database, severity: critical}
      - alert: DatabaseSlow
        expr: query_seconds > 1
        labels: {topic: database, severity: warning}
      - alert: Nagging
        expr: lamp_on == 1
        labels: {topic: lamp}
      - alert: CertificateEnds
        expr: certificate_days < 7
        labels: {topic: certificate}
      - alert: NightJob
        expr: night_job_failed == 1
        labels: {topic: night}
      - alert: PodDown
        expr: pod_up == 0
        labels: {topic: pod}
      - alert: NodeDown
        expr: node_up == 0
        labels: {topic: node}
      - alert: Errors
        expr: error_ratio > 0.01
        labels:
          topic: errors
          service: '{{ if gt $value 0.1 }}many{{ else }}some{{ end }}'
        annotations:
          summary: >-
            {{ $value | humanizePercentage }} of
            {{ with query "sum(rate_per_second)" }}{{ . | first | value | humanize }}{{ end }}
            fail{{ range query "sort(rate_per_second)" }}; {{ .Labels.service }}{{ end }}
      - alert: CronGone
        expr: absent(cron_runs{service="cron",instance=~".+"}) and on() cron_expected == 1
        labels: {topic: cron}
      - alert: Unreachable
        expr: ping_lost == 1
        labels: {topic: ping}
      - alert: Undescribed
        expr: disk_sound == 1
        labels: {topic: sound}
        annotations:
          summary: '{{ template "nothing" }}'
      - alert: Probe
        expr: probe == 1
        labels: {topic: probe}
  - name: bounded
    limit: 2
    rules:
      - alert: Crowd
        expr: crowd > 0
        labels: {topic: crowd}
"""

ROUTING = """
global:
  resolve_timeout: 1m
templates: []
route:
  receiver: others
  group_by: [alertname]
  group_wait: 1s
  group_interval: 2s
  repeat_interval: 1h
  routes:
    - matchers: [topic = flap]
      receiver: flap
      group_wait: 4s
      group_interval: 7s
    - matchers: [topic = disk]
      receiver: first
      continue: true
    - matchers: ['topic =~ "disk|tape"']
      receiver: second
      group_by: [region, service]
    - matchers: [topic = lamp]
      receiver: nag
      repeat_interval: 3s
    - matchers: [topic = night]
      receiver: night
      mute_time_intervals: [quiet]
    - matchers: [topic = pod]
      receiver: pods
      group_by: ['...']
    - matchers: [topic = node]
      receiver: few
    - matchers: [topic = probe]
      receiver: probe
      group_by: [service]
      group_wait: 2s
inhibit_rules:
  - source_matchers: [severity = critical]
    target_matchers: [severity = warning]
    equal: [region, topic]
time_intervals:
  - name: quiet
    time_intervals: [QUIET]
receivers:
  - name: others
    webhook_configs: [{url: RECORDER/others}]
  - name: flap
    webhook_configs: [{url: RECORDER/flap}]
  - name: first
    webhook_configs: [{url: RECORDER/first}]
  - name: second
    webhook_configs: [{url: RECORDER/second, send_resolved: false}]
  - name: nag
    webhook_configs: [{url: RECORDER/nag}]
  - name: night
    webhook_configs: [{url: RECORDER/night}]
  - name: pods
    webhook_configs: [{url: RECORDER/pods}]
  - name: few
    webhook_configs: [{url: RECORDER/few, max_alerts: 2}]
  - name: probe
    webhook_configs: [{url: RECORDER/probe}]
"""
ALWAYS = "{times: [{start_time: '00:00', end_time: '24:00'}]}"
NEVER = "{years: ['2001']}"


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """Return the rule file, which has no rules yet."""
    path = tmp_path / "rules.yml"
    path.write_text("groups: []\n")
    return path


@pytest.fixture
def pair(tmp_path: Path, rules: Path, run_server: Callable[..., Any]) -> Iterator[Pair]:
    """Start both sides, each with a receiver of its own."""
    recorders = Recorder(), Recorder()
    for name in ("theirs", "ours"):
        (tmp_path / name).mkdir()
    theirs = Theirs(tmp_path / "theirs", rules, recorders[0])
    ours = Ours(tmp_path / "ours", rules, recorders[1], run_server)
    pair = Pair(theirs, ours)
    try:
        pair.each(lambda side: side.write_routing(ROUTING.replace("QUIET", ALWAYS)))
        pair.each(lambda side: side.start())
        yield pair
    finally:
        theirs.stop()
        pair.close()
        for recorder in recorders:
            recorder.close()


def test_both_tell_the_same(pair: Pair, rules: Path) -> None:
    """In some thirty steps, from rules that are read to a restart of all."""
    rules_are_read(pair, rules)
    for steps in (
        pending_fires_joins_and_resolves,
        flaps,
        fires_on,
        inhibits,
        silences,
        repeats,
        routes,
        limits,
        templates,
        misses,
        retries,
        restarts,
    ):
        steps(pair)
    pair.nobody_else_told()


def rules_are_read(pair: Pair, rules: Path) -> None:
    """Read rules by a reload; fire an alert without labels of a series."""
    write_whole(rules, RULES)
    pair.each(lambda side: side.reload())
    pair.set(sample("watched", 1))
    pair.told("others", {"Watchdog": "firing"})


def pending_fires_joins_and_resolves(pair: Pair) -> None:
    """Let an alert be pending, in vain at first, and a second join; end the first."""
    pair.set(sample("checkout_seconds", 1.5, service="web"))
    pair.wait_for_state("SlowCheckout", "pending")
    pair.set(sample("checkout_seconds", 0.5, service="web"))
    pair.wait_for_state("SlowCheckout", "pending", 0)

    pair.set(sample("checkout_seconds", 2.5, service="web"))
    pair.wait_for_state("SlowCheckout", "pending")
    told = pair.told("others", {"web": "firing"})
    for side, each in zip((pair.theirs, pair.ours), told, strict=True):
        [active] = pair.active(side, "SlowCheckout")
        [alert] = each.body["alerts"]
        waited = moment(alert["startsAt"]) - moment(active["activeAt"])
        assert timedelta(seconds=2.9) < waited < timedelta(seconds=5.1)

    pair.set(sample("checkout_seconds", 90, service="app"))
    pair.told("others", {"app": "firing", "web": "firing"})
    pair.set(sample("checkout_seconds", 0.1, service="web"))
    pair.told("others", {"app": "firing", "web": "resolved"})
    pair.set(sample("checkout_seconds", 95, service="app"))  # another annotation is no news
    pair.nobody_else_told()


def flaps(pair: Pair) -> None:
    """Tell nobody of what flaps before anybody was told, or between two flushes."""
    open_door, closed = (sample("door_open", value, service="door") for value in (1, 0))
    pair.set(open_door)
    pair.wait_until_known("Flapping", 1)
    pair.set(closed)
    pair.wait_until_known("Flapping", 0)
    pair.nobody_else_told()

    pair.set(open_door)
    pair.told("flap", {"door": "firing"}, held_s=7)
    for _ in range(2):
        pair.set(closed)
        pair.wait_until_known("Flapping", 0)
        pair.set(open_door)
        pair.wait_until_known("Flapping", 1)
    pair.set(closed)
    pair.told("flap", {"door": "resolved"}, held_s=7)


def fires_on(pair: Pair) -> None:
    """`keep_firing_for` outlasts a pause of the condition, and then its end."""
    full, empty = (sample("queue_length", value, service="mail") for value in (20, 0))
    pair.set(full)
    pair.told("others", {"mail": "firing"})
    pair.set(empty)
    ended_s = time.time()
    for each in pair.told("others", {"mail": "resolved"}):
        [alert] = each.body["alerts"]
        assert moment(alert["endsAt"]).timestamp() > ended_s + 2.9


def inhibits(pair: Pair) -> None:
    """Hold a warning back while something critical fires, and tell it when that is over."""
    pair.set(sample("database_up", 0, service="db"))
    pair.told("others", {"db": "firing"})
    pair.set(sample("query_seconds", 5, service="orders"))
    pair.wait_until_known("DatabaseSlow", 1)
    pair.nobody_else_told()
    pair.set(sample("database_up", 1, service="db"))
    pair.told_groups("others", [{"db": "resolved"}, {"orders": "firing"}], held_s=2)
    pair.set(sample("query_seconds", 0.1, service="orders"))
    pair.told("others", {"orders": "resolved"})


def silences(pair: Pair) -> None:
    """Tell what was silenced when the silence ends: that it fires, or that it has ended."""
    ids = pair.silence(alertname="CertificateEnds")
    pair.set(sample("certificate_days", 3, service="www"))
    pair.wait_until_known("CertificateEnds", 1)
    pair.nobody_else_told()
    pair.expire(ids)
    pair.told("others", {"www": "firing"}, held_s=2)

    ids = pair.silence(service="www")
    pair.set(sample("certificate_days", 90, service="www"))
    pair.wait_until_known("CertificateEnds", 0)
    pair.nobody_else_told()
    pair.expire(ids)
    pair.told("others", {"www": "resolved"}, held_s=5)  # the rules say again that it has ended


def repeats(pair: Pair) -> None:
    """Tell again what goes on, at the first flush after `repeat_interval`."""
    pair.set(sample("lamp_on", 1, service="lamp"))
    first = pair.told("nag", {"lamp": "firing"})
    second = pair.told("nag", {"lamp": "firing"})
    for one, other in zip(first, second, strict=True):
        assert 3 <= other.at_s - one.at_s <= 6
    pair.set(sample("lamp_on", 0, service="lamp"))
    pair.told_at_last("nag", {"lamp": "resolved"})


def routes(pair: Pair) -> None:
    """Send an alert down two routes, mute one for a while, make a group of each alert."""
    pair.set(
        sample("disk_free", 5.25, service="sda"),
        sample("disk_free", 7, service="sdb"),
        sample("night_job_failed", 1, service="backup"),
        *(sample("pod_up", 0, service="api", pod=pod) for pod in ("a", "b", "c")),
    )
    pair.told("first", {"sda": "firing", "sdb": "firing"})
    pair.told_groups("second", [{"sda": "firing"}, {"sdb": "firing"}])
    pair.told_groups("pods", [{"api": "firing"}] * 3)
    pair.nobody_else_told()
    pair.each(lambda side: side.write_routing(ROUTING.replace("QUIET", NEVER)))
    pair.each(lambda side: side.reload())
    pair.told("night", {"backup": "firing"}, held_s=2)
    pair.set(
        sample("disk_free", None, service="sda"),  # the series ends
        sample("disk_free", 70, service="sdb"),
        sample("night_job_failed", 0, service="backup"),
        *(sample("pod_up", 1, service="api", pod=pod) for pod in ("a", "b", "c")),
    )
    pair.told("first", {"sda": "resolved", "sdb": "resolved"})  # "second" wants no such news
    pair.told("night", {"backup": "resolved"})
    pair.told_groups("pods", [{"api": "resolved"}] * 3)


def limits(pair: Pair) -> None:
    """Fail a rule with too many alerts as a whole; tell a receiver of but a few of a group."""
    pair.set(*(sample("crowd", 1, service=name) for name in ("one", "two", "three")))

    def fails(side: Any) -> None:
        def health() -> str:
            groups = fetch(f"{side.rules_url}/api/v1/rules")["data"]["groups"]
            [crowd] = [
                rule for group in groups for rule in group["rules"] if rule["name"] == "Crowd"
            ]
            return str(crowd["health"])

        wait_until(lambda: health() == "err", "the rule fails")

    pair.each(fails)
    pair.nobody_else_told()
    pair.set(sample("crowd", 0, service="two"))
    pair.told("others", {"one": "firing", "three": "firing"}, held_s=2)
    pair.set(*(sample("node_up", 0, service=name) for name in ("n1", "n2", "n3")))
    theirs, _ = pair.told("few", {"n1": "firing", "n2": "firing"})
    assert theirs.body["truncatedAlerts"] == 1


def templates(pair: Pair) -> None:
    """Ask further queries in templates; make another alert by another value."""
    pair.set(
        sample("rate_per_second", 1200, service="web"),
        sample("rate_per_second", 34, service="app"),
        sample("error_ratio", 0.05),
    )
    theirs, _ = pair.told("others", {"some": "firing"})
    summary = theirs.body["commonAnnotations"]["summary"]
    assert summary == "5% of 1.234k fail; app; web"
    pair.set(sample("error_ratio", 0.5))
    pair.told("others", {"many": "firing", "some": "resolved"})
    pair.set(sample("disk_sound", 1, service="sdc"))
    pair.told("others", {"sdc": "firing"})


def misses(pair: Pair) -> None:
    """Miss a series that ends, with the labels that the selector says."""
    runs = {"service": "cron", "instance": "c:1"}
    pair.set(sample("cron_runs", 1, **runs))
    pair.set(sample("cron_expected", 1))
    pair.set(sample("cron_runs", None, **runs))
    pair.told("others", {"cron": "firing"})
    pair.set(sample("cron_runs", 2, **runs))
    pair.told("others", {"cron": "resolved"})


def retries(pair: Pair) -> None:
    """Tell a receiver that fails once more."""
    for side in (pair.theirs, pair.ours):
        side.recorder.statuses["others"].extend((500, 503))
    pair.set(sample("ping_lost", 1, service="far"))
    pair.told("others", {"far": "firing"})
    assert pair.theirs.recorder.refused["others"] == pair.ours.recorder.refused["others"] == 2
    pair.set(sample("ping_lost", 0, service="far"))
    pair.told("others", {"far": "resolved"})


def restarts(pair: Pair) -> None:
    """Restart: nothing is told twice, silences hold, and what was pending goes on."""
    ids = pair.silence(alertname="CertificateEnds")
    pair.set(
        sample("api_up", 0, service="web"),
        sample("certificate_days", 2, service="www"),
    )
    pair.told("others", {"web": "firing"})
    pair.set(sample("deploy_seconds", 60, service="ci"))
    pair.wait_for_state("SlowDeploy", "pending")
    pending_s = time.time()
    wait_until(lambda: time.time() > pending_s + 6, "half of `for` has passed")
    pair.each(lambda side: side.stop())
    pair.has_restarted = True
    pair.each(lambda side: side.start())
    # Time for which nobody watched is not counted, and one was down longer than the other.
    pair.apart_s = abs(pair.ours.ready_s - pair.theirs.ready_s)
    told = pair.told("others", {"ci": "firing"}, held_s=pair.apart_s)
    for side, each in zip((pair.theirs, pair.ours), told, strict=True):
        [alert] = each.body["alerts"]
        waited_s = moment(alert["startsAt"]).timestamp() - side.ready_s
        assert 3 < waited_s < 11, "it was not pending for the rest of its 12 s"
    pair.nobody_else_told()
    pair.expire(ids)
    pair.told("others", {"www": "firing"}, held_s=2)
    pair.set(
        sample("api_up", 1, service="web"),
        sample("deploy_seconds", 0.1, service="ci"),
    )
    pair.told_groups("others", [{"web": "resolved"}, {"ci": "resolved"}])
