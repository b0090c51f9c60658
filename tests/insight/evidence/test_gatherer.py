"""Evidence of alerts: what is found where something has gone wrong."""

import asyncio
import threading
from datetime import UTC, datetime
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from PIL import Image

from tests.insight.evidence.outage import (
    MINUTE_MS,
    NOW_MS,
    ONSET_MS,
    Bench,
    firing,
    log,
    trace,
    write,
)
from veriscope.insight.evidence import gatherer
from veriscope.signals import METRIC_NAME, UnavailableError
from veriscope.signals.events import Event

HOUR_MS = 60 * MINUTE_MS


def metric(labels: Any) -> str:
    """Return the name of a series."""
    return dict(labels).get(METRIC_NAME, "")


def missing(evidence: Any) -> dict[str, str]:
    """Return why which part is missing."""
    return dict(each.split(": ", 1) for each in evidence.missing)


def test_values_are_those_of_the_expression_without_its_threshold(failing: Bench) -> None:
    """Two errors a second now; before the onset there was no series."""
    (value,) = failing.gather().values
    assert dict(value.labels)["alertname"] == "AnswersFail"
    assert value.now == pytest.approx(2.0)
    assert (value.hour_before, value.day_before, value.week_before) == (0.0, None, None)


def test_graph_is_drawn(failing: Bench) -> None:
    """A picture of the size that mail and chat expect."""
    image = Image.open(BytesIO(failing.gather().graph_png))
    assert (image.format, image.size) == ("PNG", (1600, 640))


def test_series_that_changed_are_named_and_no_others(failing: Bench) -> None:
    """The chip got hot when answers began to fail; calm series and those elsewhere did not."""
    changed = failing.gather().changed
    assert [metric(each.labels) for each in changed] == ["chip_celsius"]
    assert changed[0].before == pytest.approx(50, abs=0.5)
    assert changed[0].after == pytest.approx(80, abs=0.5)
    assert not changed[0].is_rate


def test_counters_change_by_their_rates(failing: Bench) -> None:
    """A counter that rises twice as fast has changed, and its figures are a second's."""
    steps = np.arange(361)
    doubled = np.cumsum(np.where(steps > 340, 300.0, 150.0))
    write(failing.store, doubled, __name__="tokens_total", job="chat", instance="a:1")
    changed = {metric(each.labels): each for each in failing.gather().changed}
    assert changed["tokens_total"].is_rate
    assert changed["tokens_total"].before == pytest.approx(10, rel=0.05)
    assert changed["tokens_total"].after == pytest.approx(20, rel=0.05)


def test_a_process_that_has_just_begun_has_not_changed(failing: Bench) -> None:
    """All its counters rise from nothing; that says nothing."""
    steps = np.arange(361)
    for name in ("fresh_total", "also_fresh_total"):
        young = np.where(steps > 335, (steps - 335) * 30.0, np.nan)[336:]
        times = np.linspace(NOW_MS - 25 * 15_000, NOW_MS, len(young))
        write(failing.store, young, times, __name__=name, job="chat", instance="young:1")
    assert "fresh_total" not in {metric(each.labels) for each in failing.gather().changed}


def test_error_patterns_that_rose_are_told(failing: Bench) -> None:
    """New ones are, those as frequent as ever are not, nor is what is no error."""
    before = [ONSET_MS - number * MINUTE_MS for number in range(10, 60, 2)]
    since = [ONSET_MS + number * 1_000 for number in range(60)]
    log(failing.store, "weights are not finite", since)
    log(failing.store, "disk is slow", before + since[:2])
    log(failing.store, "asked", since, severity=9)
    (pattern,) = failing.gather().log_patterns
    assert pattern.pattern.startswith("weights are not finite")
    assert (pattern.service, pattern.count, pattern.per_minute_before) == ("chat", 60, 0)
    assert pattern.per_minute_since == pytest.approx(10)


def test_failed_traces_come_before_slow_ones(failing: Bench) -> None:
    """Each once."""
    trace(failing.store, 1, 10)
    trace(failing.store, 2, 5_000)
    trace(failing.store, 3, 7, status="error")
    found = failing.gather().traces
    assert [(int(each.trace_id, 16), each.is_error) for each in found] == [
        (3, True),
        (2, False),
        (1, False),
    ]


def test_events_are_those_of_the_hour_and_of_the_place(failing: Bench) -> None:
    """What concerns another job, or was long ago, explains nothing."""

    def event(title: str, minutes: int, **labels: str) -> Event:
        pairs = tuple(sorted(labels.items()))
        time_ms = ONSET_MS - minutes * MINUTE_MS
        return Event(time_ms=time_ms, kind="deploy", title=title, labels=pairs)

    failing.store.events.add(
        [
            event("chat 2.0", 3, job="chat"),
            event("for all", 1),
            event("other 9", 2, job="other"),
            event("long ago", 90),
        ]
    )
    assert [each.title for each in failing.gather().events] == ["for all", "chat 2.0"]


def test_the_machine_is_the_alert_s_or_the_only_one(failing: Bench) -> None:
    """With two machines and no instance on the alert nobody can say which."""
    write(failing.store, np.full(361, 1.5), __name__="node_load1", instance="a")
    (figure,) = failing.gather().host
    assert (figure.instance, figure.name, figure.text) == ("a", "load", "1.5")
    write(failing.store, np.full(361, 2.5), __name__="node_load1", instance="b")
    assert "none of the machines" in missing(failing.gather())["host"]
    named = firing({"alertname": "AnswersFail", "job": "chat", "instance": "b:9100"})
    (figure,) = failing.gather(named).host
    assert (figure.instance, figure.text) == ("b", "2.5")


def test_hints_tell_of_former_times(failing: Bench) -> None:
    """On three of seven days at this hour, a week ago among them, and once at another."""
    onsets = [ONSET_MS - day * 24 * HOUR_MS for day in (1, 4, 7)] + [ONSET_MS - 30 * HOUR_MS]
    for onset_ms in onsets:
        times = np.arange(onset_ms, onset_ms + 10 * MINUTE_MS, 30_000)
        write(
            failing.store,
            np.ones(len(times)),
            times,
            __name__="ALERTS",
            alertname="AnswersFail",
            alertstate="firing",
            job="chat",
        )
    hints = failing.gather().hints
    assert hints[0].startswith("fired 4 times in the last 7 days, last at ")
    assert hints[1:] == (
        "began at this time of day on 3 of the last 7 days",
        "fired at this time a week ago, too",
    )


def test_the_onset_is_when_the_condition_began(failing: Bench) -> None:
    """An alert with `for` fires later than what it tells of: the graph's shade begins before."""
    fired_ms = ONSET_MS + 3 * MINUTE_MS
    late = firing(starts_at_ms=fired_ms)
    shaded = []
    for _ in range(2):
        image = Image.open(BytesIO(failing.gather(late).graph_png)).convert("RGB")
        near = np.abs(np.asarray(image).astype(int) - (252, 232, 230)).sum(axis=2) < 24
        shaded.append(int(near[200].sum()))
        since = np.full(20, ONSET_MS / 1000)
        times = np.linspace(fired_ms - MINUTE_MS, NOW_MS, 20)
        labels = {"alertname": "AnswersFail", "job": "chat"}
        write(failing.store, since, times, __name__="ALERTS_FOR_STATE", **labels)
    assert shaded[1] > 1.5 * shaded[0]


def test_links_lead_to_the_time_and_the_runbook(failing: Bench) -> None:
    """The page shows the expression around the onset."""
    evidence = failing.gather()
    url = urlsplit(evidence.view_url)
    asked = parse_qs(url.query)
    assert (url.netloc, url.path) == ("x", "/graph")
    assert asked["g0.expr"] == ['sum by (job) (rate(answers_total{code="500"}[1m]))']
    assert asked["g0.range_input"] == ["1h5m"]
    now = datetime.fromtimestamp(NOW_MS / 1000, UTC)
    assert asked["g0.end_input"] == [f"{now:%Y-%m-%d %H:%M:%S}"]
    assert evidence.runbook_url == "https://runbooks/answers"


def test_alerts_from_elsewhere_get_what_there_is(failing: Bench) -> None:
    """Without an expression there is no graph, and the rest is looked for by labels."""
    evidence = failing.gather(firing(expression=""))
    assert missing(evidence)["graph"] == "the alerts come from no PromQL expression"
    assert (evidence.graph_png, evidence.values, evidence.view_url) == (b"", (), "")
    assert "chip_celsius" in {metric(each.labels) for each in evidence.changed}


def test_the_service_of_an_objective_is_known(failing: Bench) -> None:
    """Its alerts have no label but those of the objective."""
    labels = {"alertname": "Burning", "sloth_service": "chat", "sloth_slo": "answers"}
    trace(failing.store, 1, 10)
    evidence = failing.gather(firing(labels))
    assert "chip_celsius" in {metric(each.labels) for each in evidence.changed}
    assert len(evidence.traces) == 1


def test_what_makes_no_sense_is_named(failing: Bench) -> None:
    """Alerts that say of nothing what they are about get no guesses."""
    found = missing(failing.gather(firing({"severity": "critical"})))
    assert "no label in common" in found["changed series"]
    assert "`service` or `job`" in found["traces"]
    assert "no name in common" in found["hints"]


def test_a_part_that_fails_leaves_the_others(
    failing: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store without logs, or a fault of ours: the reason stands in `missing`."""

    def away(*_: Any, **__: Any) -> Any:
        raise UnavailableError("the store does not answer")

    def faulty(*_: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(type(failing.store.log_search), "patterns", away)
    monkeypatch.setitem(gatherer.PARTS, "hints", faulty)
    evidence = failing.gather()
    assert missing(evidence)["log patterns"] == "the store does not answer"
    assert "ZeroDivisionError" in missing(evidence)["hints"]
    assert evidence.graph_png


def test_what_comes_too_late_is_left_out_and_stopped(
    failing: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The deadline holds, and the query behind it is told to stop."""
    stopped = threading.Event()

    def slow(_: Any, asking: Any) -> Any:
        asking.cancel.on_cancel(stopped.set)
        stopped.wait(60)
        return {}

    monkeypatch.setitem(gatherer.PARTS, "graph", slow)
    evidence = failing.gather(deadline_s=1.0)
    assert missing(evidence)["graph"] == "not ready in time"
    assert stopped.wait(60)


async def test_nothing_is_gathered_after_the_end(failing: Bench) -> None:
    """A server that stops does not wait for evidence."""
    failing.gatherer.close()
    with pytest.raises(RuntimeError):
        await failing.gatherer.gather(firing())
    assert asyncio.all_tasks()
