"""Receivers that are down, slow or unwilling."""

from typing import Any

import pytest

from veriscope.alert.notify import Outcome, Reason

FAST = """
global: {resolve_timeout: 1h}
route:
  receiver: team
  group_by: [alertname]
  group_wait: 0s
  group_interval: 5m
  repeat_interval: 4h
  routes:
    - {matchers: [who="other"], receiver: other}
receivers: [{name: team}, {name: other}]
"""
REFUSED = Outcome.failed(Reason.CLIENT_ERROR, "HTTP 400: bad")


async def test_a_receiver_that_was_down_hears_once(office: Any) -> None:
    """After ten minutes without a receiver, each group comes once, in the order of its fault."""
    await office.open(FAST)
    office.person.always = office.failing()
    for name in ("A", "B", "C"):
        await office.post(name)
        await office.pass_time(1)
    for _ in range(10):
        for name in ("A", "B", "C"):
            await office.post(name)
        await office.pass_time(60)
    assert office.person.tries > 30
    office.person.always = office.taking()
    for name in ("A", "B", "C"):
        await office.post(name)
    await office.pass_time(120)
    assert sorted(each.firing for each in office.person.told) == [("A",), ("B",), ("C",)]
    assert office.alerting.dead_letters() == []


async def test_pauses_grow(office: Any) -> None:
    """A receiver that fails is not hammered: some tens of tries in five minutes."""
    await office.open(FAST)
    office.person.always = office.failing()
    await office.post("A")
    await office.pass_time(290)
    assert 11 <= office.person.tries <= 17


async def test_retry_after_is_kept(office: Any) -> None:
    """A receiver that asks for a pause gets one, for all groups."""
    await office.open(FAST)
    office.person.answers.append(Outcome.retry(Reason.CLIENT_ERROR, "HTTP 429", 50))
    await office.post("A")
    await office.settle()
    await office.post("B")
    await office.pass_time(49)
    assert office.person.tries == 1
    await office.pass_time(2)
    assert sorted(each.firing for each in office.person.told) == [("A",), ("B",)]


async def test_a_refusal_is_a_dead_letter(office: Any) -> None:
    """What is refused for good is listed, not repeated before the next flush, and counted."""
    await office.open(FAST)
    office.person.always = lambda _: REFUSED
    await office.post("A")
    await office.pass_time(299)
    assert office.person.tries == 1
    await office.post("A")
    await office.pass_time(10)
    [letter] = office.alerting.dead_letters()
    assert (letter.receiver, letter.reason, letter.detail) == (
        "team",
        "clientError",
        "HTTP 400: bad",
    )
    assert (letter.count, letter.group.name) == (2, "A")
    assert office.metric("veriscope_dead_letters") == 1


async def test_a_letter_goes_when_it_is_delivered_after_all(office: Any) -> None:
    """The next flush that is taken says what the letter said."""
    await office.open(FAST)
    office.person.answers.append(REFUSED)
    await office.post("A")
    await office.settle()
    assert len(office.alerting.dead_letters()) == 1
    await office.pass_time(299)
    await office.post("A")
    await office.pass_time(2)
    assert office.person.heard == [("firing", ("A",), ())]
    assert office.alerting.dead_letters() == []


async def test_what_ended_undelivered_is_a_dead_letter(office: Any) -> None:
    """An alert that began and ended while nobody could be told is not simply forgotten."""
    await office.open(FAST)
    office.person.always = office.failing()
    await office.post("A")
    await office.pass_time(60)
    await office.post("A", ends_s=0)
    await office.pass_time(300)
    office.person.always = office.taking()
    await office.pass_time(400)
    assert office.person.told == []
    [letter] = office.alerting.dead_letters()
    assert letter.detail == "ended before it could be delivered: HTTP 500"


async def test_a_dead_letter_can_be_sent_again(office: Any) -> None:
    """As it was stored, where the group has ended; then it is no longer listed."""
    await office.open(FAST)
    office.person.answers.append(REFUSED)
    await office.post("A")
    await office.settle()
    await office.post("A", ends_s=0)
    await office.pass_time(400)
    [letter] = office.alerting.dead_letters()
    office.person.answers.append(REFUSED)
    assert not await office.alerting.retry_dead_letter(letter.id)
    assert await office.alerting.retry_dead_letter(letter.id)
    assert office.person.heard == [("firing", ("A",), ())]
    assert office.alerting.dead_letters() == []
    with pytest.raises(KeyError):
        await office.alerting.retry_dead_letter(letter.id)


async def test_a_live_group_is_sent_again_as_it_is(office: Any) -> None:
    """A retry says what is the case now, not what was."""
    await office.open(FAST.replace("[alertname]", "[job]"))
    office.person.answers.append(REFUSED)
    await office.post("A", job="a")
    await office.settle()
    await office.post("B", job="a")
    [letter] = office.alerting.dead_letters()
    assert await office.alerting.retry_dead_letter(letter.id)
    assert office.person.heard == [("firing", ("A", "B"), ())]


async def test_a_slow_receiver_delays_no_other(office: Any) -> None:
    """While all threads of one lane wait, the other receiver is told."""
    slow, quick = office.new_person(), office.new_person()
    office.people = {"team": [slow], "other": [quick]}
    slow.open.clear()
    alerting = await office.open(FAST)
    for number in range(20):
        await office.post(f"A{number}")
    await office.post("B", who="other")
    alerting.step()
    await office.until(lambda: alerting.receivers()[1].integrations[0].sent == 1)
    assert (len(quick.told), len(slow.told)) == (1, 0)
    assert alerting.receivers()[0].integrations[0].waiting == 20
    slow.open.set()
    await office.settle()
    assert len(slow.told) == 20


async def test_two_integrations_fail_on_their_own(office: Any) -> None:
    """Who was told is not told again while the other is tried again."""
    good, bad = office.new_person(), office.new_person()
    office.people = {"team": [good, bad]}
    bad.always = office.failing()
    await office.open(FAST)
    await office.post("A")
    await office.pass_time(200)
    bad.always = office.taking()
    await office.pass_time(200)
    assert (len(good.told), len(bad.told)) == (1, 1)


async def test_a_notifier_that_breaks_is_a_refusal(office: Any) -> None:
    """A fault of the notifier itself is a dead letter, and others go on."""
    await office.open(FAST)

    def broken(_: object) -> Outcome:
        raise RuntimeError("secret")

    office.person.always = broken
    await office.post("A")
    await office.settle()
    [letter] = office.alerting.dead_letters()
    assert letter.detail == "RuntimeError"


async def test_a_rate_limit_holds_back_and_keeps_the_newest(office: Any) -> None:
    """Over the limit groups wait in their order; of each the newest state is told."""
    text = FAST.replace("{name: team}", "{name: team, rate_limit: {notifications: 2, per: 20m}}")
    await office.open(text.replace("[alertname]", "[job]"))
    for job in "abcd":
        await office.post("A", job=job)
        await office.settle()
    assert [each.key for each in office.person.told] == ['{}:{job="a"}', '{}:{job="b"}']
    await office.pass_time(200)
    for job in "abcd":
        await office.post("A", job=job)
    await office.post("B", job="d")
    await office.post("B", job="c")
    for _ in range(6):
        await office.pass_time(200)
        for job in "abcd":
            await office.post("A", job=job)
        await office.post("B", job="d")
        await office.post("B", job="c")
    assert [(each.key, each.firing) for each in office.person.told[2:]] == [
        ('{}:{job="c"}', ("A", "B")),
        ('{}:{job="d"}', ("A", "B")),
    ]
    assert office.metric("veriscope_notifications_rate_limited_total", receiver="team") > 0


async def test_failures_in_a_row_are_shown(office: Any) -> None:
    """A gauge for alerts about alerting rises with each failed try and falls with a success."""
    await office.open(FAST)
    labels = {"receiver": "team", "integration": "person[0]"}
    office.person.answers.extend([Outcome.retry(Reason.SERVER_ERROR, "HTTP 500")] * 3)
    await office.post("A")
    await office.pass_time(1.6, step_s=0.1)
    assert office.metric("veriscope_notifications_consecutive_failures", **labels) == 3
    [view] = office.alerting.receivers()[0].integrations
    assert (view.last_error, view.sent) == ("HTTP 500", 0)
    await office.pass_time(10)
    assert office.metric("veriscope_notifications_consecutive_failures", **labels) == 0


async def test_a_machine_without_threads_tells_later(
    office: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no thread can be started, the notification is tried again."""
    alerting = await office.open(FAST)
    [lane] = alerting._receivers.lanes("team")
    submit, left = lane._threads.submit, [2]

    def refuse_twice(*arguments: Any) -> Any:
        if left[0]:
            left[0] -= 1
            raise RuntimeError("can't start new thread")
        return submit(*arguments)

    monkeypatch.setattr(lane._threads, "submit", refuse_twice)
    await office.post("A")
    await office.pass_time(5)
    assert office.person.heard == [("firing", ("A",), ())]
