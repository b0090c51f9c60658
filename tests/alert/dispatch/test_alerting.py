"""Alerting as a whole: restarts, reloads, clocks, the store, silences, and what it shows."""

import asyncio
from typing import Any

import pytest

from veriscope.alert.dispatch.views import AlertState
from veriscope.alert.notify import Outcome, Reason
from veriscope.alert.silences import Silence
from veriscope.signals import InvalidInputError, Matcher, MatchOp, to_labels

NOW = """
global: {resolve_timeout: 5m}
route:
  receiver: team
  group_by: [job]
  group_wait: 0s
  group_interval: 1m
  repeat_interval: 4h
  routes:
    - {matchers: [team="night"], receiver: night, mute_time_intervals: [always]}
    - {matchers: [team="never"], receiver: never, active_time_intervals: [long ago]}
time_intervals:
  - {name: always, time_intervals: [{years: ['1:9999']}]}
  - {name: long ago, time_intervals: [{years: ['1999']}]}
inhibit_rules:
  - {source_matchers: [severity="critical"], target_matchers: [severity="warning"], equal: [job]}
receivers: [{name: team}, {name: night}, {name: never}]
"""


async def test_a_restart_repeats_nothing(office: Any) -> None:
    """What was told before the process was killed is not told again after."""
    await office.open(NOW)
    await office.post("A", job="a")
    await office.settle()
    await office.alerting._journal.durable(10)
    await office.kill()
    await office.open(NOW)
    await office.pass_time(120)
    assert office.person.heard == [("firing", ("A",), ())]


async def test_a_restart_forgets_nothing(office: Any) -> None:
    """An alert that was acknowledged, but not yet told, is told after the restart."""
    await office.open(NOW.replace("group_wait: 0s", "group_wait: 30s"))
    await office.post("A", job="a")
    await office.kill()
    office.clock.advance(60)
    await office.open(NOW)
    await office.settle()
    assert office.person.heard == [("firing", ("A",), ())]


async def test_killed_between_delivery_and_log_tells_twice_with_one_key(office: Any) -> None:
    """Where the log was not written, the second notification is of the same group."""
    await office.open(NOW)
    await office.post("A", job="a")
    office.state.is_away = True
    await office.settle()
    await office.kill()
    office.state.is_away = False
    await office.open(NOW)
    await office.settle()
    assert [each.key for each in office.person.told] == ['{}:{job="a"}'] * 2


async def test_a_restart_resolves_nothing_by_mistake(office: Any) -> None:
    """After an hour without the server an alert still has `resolve_timeout` to be heard of."""
    await office.open(NOW)
    await office.post("A", job="a")
    await office.settle()
    await office.alerting._journal.durable(10)
    await office.kill()
    office.clock.advance(3600)
    await office.open(NOW)
    await office.pass_time(290)
    assert len(office.person.told) == 1
    await office.pass_time(70)
    assert office.person.heard[1:] == [("resolved", (), ("A",))]


async def test_an_end_during_a_restart_is_told(office: Any) -> None:
    """An alert that ended before the restart, untold, is told after it."""
    await office.open(NOW)
    await office.post("A", job="a")
    await office.settle()
    await office.post("A", job="a", ends_s=0)
    await office.alerting._journal.durable(10)
    await office.kill()
    await office.open(NOW)
    await office.settle()
    assert office.person.heard[1:] == [("resolved", (), ("A",))]


async def test_a_timed_out_alert_stays_ended_over_a_restart(office: Any) -> None:
    """What was told to have ended does not fire again because the server starts."""
    await office.open(NOW)
    await office.post("A", job="a")
    await office.pass_time(400)
    assert office.person.heard[1:] == [("resolved", (), ("A",))]
    await office.alerting._journal.durable(10)
    await office.kill()
    await office.open(NOW)
    await office.pass_time(100)
    assert len(office.person.told) == 2


async def test_the_store_may_be_away(office: Any) -> None:
    """People are told meanwhile; what was to be stored is stored when it is back."""
    await office.open(NOW)
    office.state.is_away = True
    await office.post("A", job="a")
    await office.settle()
    assert office.person.heard == [("firing", ("A",), ())]
    assert office.state.kinds == {}
    office.state.is_away = False
    assert await office.alerting._journal.durable(30)
    assert {kind: len(found) for kind, found in office.state.kinds.items()} == {
        "alert": 1,
        "incident": 1,
        "notification": 1,
    }


@pytest.mark.parametrize("jump_s", [86_400, -86_400, 200])
async def test_the_wall_clock_may_jump(office: Any, jump_s: int) -> None:
    """A jump ends no alert, and neither repeats nor holds up a notification."""
    await office.open(NOW)
    await office.post("A", job="a")
    await office.pass_time(30)
    office.clock.jump(jump_s)
    await office.pass_time(200)
    assert office.person.heard == [("firing", ("A",), ())]
    await office.post("B", job="a")
    await office.post("C", job="c")
    await office.pass_time(60)
    assert office.person.heard[1:] == [("firing", ("C",), ()), ("firing", ("A", "B"), ())]
    await office.pass_time(60)
    assert office.person.heard[3:] == [("firing", ("B",), ("A",))]


async def test_a_jump_does_not_bring_the_next_repeat_nearer(office: Any) -> None:
    """`repeat_interval` is counted in time that has passed."""
    await office.open(NOW)
    for hour in range(7):
        if hour == 2:
            office.clock.jump(5 * 3600)
        if hour == 3:
            office.clock.jump(-5 * 3600)
        for _ in range(60):
            await office.post("A", job="a")
            await office.pass_time(60, step_s=30)
    assert len(office.person.told) == 2


async def test_the_four_gates(office: Any) -> None:
    """Inhibition, inactive and mute times, and silences hold alerts back, and are counted."""
    alerting = await office.open(NOW)
    await alerting.silences.set(
        Silence(
            matchers=(Matcher("alertname", MatchOp.EQUAL, "Quiet"),),
            starts_at_ms=office.clock.now_ms(),
            ends_at_ms=office.clock.now_ms() + 3_600_000,
        )
    )
    await office.post("Big", job="a", severity="critical")
    await office.post("Small", job="a", severity="warning")
    await office.post("Quiet", job="a")
    await office.post("Night", team="night")
    await office.post("Never", team="never")
    await office.pass_time(60)
    assert office.person.heard == [("firing", ("Big",), ())]
    counted = "veriscope_notifications_suppressed_total"
    for reason in ("inhibition", "silence", "mute_time_interval", "active_time_interval"):
        assert office.metric(counted, reason=reason) >= 1
    states = {dict(v.alert.labels)["alertname"]: v.status for v in alerting.alerts()}
    assert states["Big"].state is AlertState.ACTIVE
    assert states["Small"].state is AlertState.SUPPRESSED
    assert len(states["Small"].inhibited_by) == len(states["Quiet"].silenced_by) == 1
    muted = {g.receiver: g.alerts[0].status.muted_by for g in alerting.groups()}
    assert muted == {"team": (), "night": ("always",), "never": ("long ago",)}


async def test_a_silence_ends_what_was_told(office: Any) -> None:
    """When a silence ends, what still fires is told again only where the log says it is news."""
    alerting = await office.open(NOW)
    await office.post("A", job="a")
    await office.settle()
    silence = await alerting.silences.set(
        Silence(
            matchers=(Matcher("job", MatchOp.EQUAL, "a"),),
            starts_at_ms=office.clock.now_ms(),
            ends_at_ms=office.clock.now_ms() + 3_600_000,
        )
    )
    await office.post("B", job="a")
    await office.pass_time(61)
    assert len(office.person.told) == 1
    await alerting.silences.expire(silence)
    await office.pass_time(60)
    assert office.person.heard[1:] == [("firing", ("A", "B"), ())]


async def test_a_reload_takes_the_new_file(office: Any) -> None:
    """Groups are made anew; what was told is not told again to whom it was told."""
    alerting = await office.open(NOW)
    await office.post("A", job="a")
    await office.settle()
    await alerting.reload(office.config(NOW))
    await office.settle()
    assert len(office.person.told) == 1
    await alerting.reload(office.config(NOW.replace("receiver: team\n", "receiver: night\n", 1)))
    await office.settle()
    assert [each.receiver for each in office.person.told] == ["team", "night"]


async def test_a_reload_waits_for_what_is_under_way(office: Any) -> None:
    """A notification that is on its way during a reload is not sent a second time."""
    alerting = await office.open(NOW)
    office.person.open.clear()
    await office.post("A", job="a")
    alerting.step()
    await alerting.reload(office.config(NOW))
    alerting.step()
    office.person.open.set()
    await office.settle()
    assert office.person.tries == 1


async def test_a_bad_file_changes_nothing(office: Any) -> None:
    """A configuration whose receivers cannot be built leaves the former in force."""
    alerting = await office.open(NOW)

    def refuse(*_: object, **__: object) -> None:
        raise InvalidInputError("no")

    alerting._build = refuse
    with pytest.raises(InvalidInputError):
        await alerting.reload(office.config(NOW))
    await office.post("A", job="a")
    await office.settle()
    assert office.person.heard == [("firing", ("A",), ())]


async def test_a_receiver_may_not_want_ends(office: Any) -> None:
    """Without `send_resolved` only what fires is told, and that it ended is known all the same."""
    office.person = office.new_person(send_resolved=False)
    await office.open(NOW)
    await office.post("A", job="a")
    await office.settle()
    await office.post("A", job="a", ends_s=0)
    await office.post("B", job="a")
    await office.pass_time(60)
    await office.post("B", job="a", ends_s=0)
    await office.pass_time(60)
    await office.post("B", job="a")
    await office.pass_time(120)
    assert [each[1:] for each in office.person.heard] == [(("A",), ()), (("B",), ()), (("B",), ())]


async def test_without_routes_alerts_are_only_known(office: Any) -> None:
    """A server without a configuration shows alerts and tells nobody."""
    alerting = await office.open("{}")
    await office.post("A", job="a")
    await office.settle()
    [view] = alerting.alerts()
    assert (view.receivers, view.status.state) == ((), AlertState.ACTIVE)
    assert alerting.groups() == []


async def test_views_are_in_alertmanagers_order(office: Any) -> None:
    """Alerts by fingerprint, groups by their labels, fewer first."""
    alerting = await office.open(NOW)
    for job in ("b", "a", "c"):
        await office.post("A", job=job)
    await office.post("Z")
    views = alerting.alerts()
    assert [v.alert.fingerprint for v in views] == sorted(v.alert.fingerprint for v in views)
    assert alerting.alert(views[0].alert.fingerprint) == views[0]
    assert [dict(g.labels).get("job") for g in alerting.groups()] == [None, "a", "b", "c"]


async def test_it_runs_by_itself(office: Any) -> None:
    """`run` does what is due when it is due, and ends when it is told to."""
    alerting, stop = await office.open(NOW), asyncio.Event()
    await office.stop_writing()
    running = asyncio.create_task(alerting.run(stop))
    await office.post("A", job="a")
    await office.until(lambda: bool(office.person.told))
    stop.set()
    await asyncio.wait_for(running, 20)
    assert "notification" in office.state.kinds


async def test_letters_outlive_the_process(office: Any) -> None:
    """Dead letters are still there after a restart, and gone when they were deleted."""
    alerting = await office.open(NOW)
    office.person.always = lambda _: Outcome.failed(Reason.CLIENT_ERROR, "no")
    await office.post("A", job="a")
    await office.settle()
    [letter] = alerting.dead_letters()
    await alerting._journal.durable(10)
    await office.kill()
    alerting = await office.open(NOW)
    assert alerting.dead_letters() == [letter]
    assert alerting.delete_dead_letter(letter.id)
    assert not alerting.delete_dead_letter(letter.id)
    assert dict(letter.group.group_labels) == dict(to_labels({"job": "a"}))
