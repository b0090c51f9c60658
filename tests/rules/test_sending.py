"""Telling others of alerts: when, with which end, and again when it failed."""

import asyncio
from collections.abc import Sequence

import pytest

from veriscope.rules.alerting import AlertingRule, Found
from veriscope.rules.sending import Outbox, generator_url
from veriscope.signals import UnavailableError
from veriscope.signals.alerts import PostedAlert

MINUTE = 60_000
URL = "http://here/graph?g0.expr=x&g0.tab=1"
X = Found((("alertname", "A"),), (), 1.0)


class Taken:
    """Takes alerts, or fails as often as it is told to."""

    def __init__(self) -> None:
        self.batches: list[list[PostedAlert]] = []
        self.failures = 0
        self.open = asyncio.Event()
        self.open.set()

    async def send(self, alerts: Sequence[PostedAlert]) -> None:
        """Keep the alerts, once it is open."""
        await self.open.wait()
        if self.failures:
            self.failures -= 1
            raise UnavailableError("away")
        self.batches.append(list(alerts))

    @property
    def times(self) -> list[tuple[int | None, int | None]]:
        """Begin and end of each alert."""
        return [(a.starts_at_ms, a.ends_at_ms) for batch in self.batches for a in batch]


@pytest.fixture
def taken() -> Taken:
    """Return one that is open."""
    return Taken()


@pytest.fixture
def rule() -> AlertingRule:
    """Return one that fires at once."""
    return AlertingRule(hold_ms=0)


def outbox(taken: Taken, interval_ms: int = 15_000) -> Outbox:
    """Return one that sends again after a minute."""
    return Outbox(taken.send, resend_ms=MINUTE, interval_ms=interval_ms)


async def step(box: Outbox, rule: AlertingRule, time_ms: int, *found: Found) -> None:
    """Evaluate once and wait for what is sent."""
    rule.advance(found, time_ms)
    box.offer(rule, URL, time_ms)
    await box.settle(5)


@pytest.mark.parametrize(("interval_ms", "lasts"), [(15_000, 4), (2 * MINUTE, 8)])
async def test_a_firing_alert_is_sent_again_after_the_delay(
    taken: Taken, rule: AlertingRule, interval_ms: int, lasts: int
) -> None:
    """With an end four times as far away as the next time, and its first begin."""
    box = outbox(taken, interval_ms)
    for time_ms in (0, 30_000, MINUTE, MINUTE + 1):
        await step(box, rule, time_ms, X)
    assert taken.times == [(0, lasts * MINUTE), (0, MINUTE + 1 + lasts * MINUTE)]
    assert taken.batches[0][0].generator_url == URL


async def test_an_end_is_told_at_once_and_again(taken: Taken, rule: AlertingRule) -> None:
    """For as long as the alert is kept."""
    box = outbox(taken)
    await step(box, rule, 0, X)
    for time_ms in (1_000, 2_000, 1_000 + 2 * MINUTE):
        await step(box, rule, time_ms)
    assert taken.times == [(0, 4 * MINUTE), (0, 1_000), (0, 1_000)]


async def test_nothing_pending_is_sent(taken: Taken) -> None:
    """People hear of it once it fires."""
    rule = AlertingRule(hold_ms=2)
    box = outbox(taken)
    for time_ms in (0, 1):
        await step(box, rule, time_ms, X)
    assert taken.batches == []
    await step(box, rule, 2, X)
    assert taken.times == [(2, 2 + 4 * MINUTE)]


async def test_what_could_not_be_sent_goes_with_the_next_evaluation(
    taken: Taken, rule: AlertingRule
) -> None:
    """The begin, and the end too."""
    box = outbox(taken)
    taken.failures = 1
    await step(box, rule, 0, X)
    await step(box, rule, 1, X)
    taken.failures = 1
    await step(box, rule, 2)
    await step(box, rule, 3)
    assert taken.times == [(0, 1 + 4 * MINUTE), (0, 2)]


async def test_an_end_that_failed_is_told_before_the_next_begin(
    taken: Taken, rule: AlertingRule
) -> None:
    """Else the first alert would go on for ever in the eyes of who hears of it."""
    box = outbox(taken)
    await step(box, rule, 0, X)
    taken.failures = 1
    await step(box, rule, 1)
    await step(box, rule, 2, X)
    assert taken.times == [(0, 4 * MINUTE), (0, 1), (2, 2 + 4 * MINUTE)]
    assert rule.leaving == []


async def test_a_slow_receiver_holds_up_nobody(taken: Taken, rule: AlertingRule) -> None:
    """What happens meanwhile goes with the next batch, as it is by then."""
    box = outbox(taken)
    taken.open.clear()
    rule.advance([X], 0)
    box.offer(rule, URL, 0)
    await box.settle(0)
    rule.advance([], 1)
    box.offer(rule, URL, 1)
    await box.settle(0)
    assert taken.batches == []
    taken.open.set()
    await box.settle(5)
    assert taken.times == [(0, 4 * MINUTE), (0, 1)]


async def test_a_rule_that_is_no_more_tells_the_ends_of_its_alerts(
    taken: Taken, rule: AlertingRule
) -> None:
    """And returns when it has been told."""
    box = outbox(taken)
    await step(box, rule, 0, X)
    rule.end(5)
    await box.bid_farewell([(rule, URL)], 5)
    assert taken.times[-1] == (0, 5)


def test_the_link_is_spelled_as_prometheus_spells_it() -> None:
    """Go's query escaping."""
    assert generator_url("http://h:1/p", 'rate(a{b="c d~"}[5m]) > 0.5') == (
        "http://h:1/p/graph?g0.expr=rate%28a%7Bb%3D%22c+d~%22%7D%5B5m%5D%29+%3E+0.5&g0.tab=1"
    )
