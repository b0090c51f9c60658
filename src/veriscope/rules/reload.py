"""
From one set of rules to the next: what a rule knows goes on while the rule stays.

Source: Prometheus, rules/group.go, CopyState.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence

from veriscope.rules.group import GroupEvaluator, RuleState
from veriscope.rules.recording import Recorder, Written


def take_over(new: GroupEvaluator, old: GroupEvaluator) -> None:
    """Let the rules of *new* go on where those of *old* with the same name and labels are."""
    new.state.evaluated_ms, new.state.seconds = old.state.evaluated_ms, old.state.seconds
    new.state.slot_ms = old.state.slot_ms
    left: dict[Hashable, list[RuleState]] = defaultdict(list)
    for state in reversed(old.state.rules):
        left[_identity(old, state)].append(state)
    for state in new.state.rules:
        if before := left[_identity(new, state)]:
            _take_over(state, before.pop())
    new.jumps = old.jumps


def find_again(new: Sequence[GroupEvaluator], old: Sequence[GroupEvaluator]) -> None:
    """
    Let rules go on that have moved from *old* groups to *new* ones, such as under another name.

    They are the same in everything but their group. Prometheus has them begin anew, so that who is
    called out hears of an end that was none.
    """
    left: dict[Hashable, list[RuleState]] = defaultdict(list)
    for group in reversed(old):
        for state in reversed(group.state.rules):
            if not state.taken_over:
                left[_whole_identity(group, state)].append(state)
    for group in new:
        for state in group.state.rules:
            if not state.evaluated_ms and (before := left[_whole_identity(group, state)]):
                _take_over(state, before.pop())


async def leave(
    old: GroupEvaluator, others: Callable[[], Sequence[GroupEvaluator]], *, pause_s: float
) -> None:
    """
    End the rules of *old* that nobody has taken over: alerts are resolved, series get stale.

    The ends of series are marked *pause_s* later, so that a rule that has moved to another group
    has begun to write there: what *others* then write is not marked.
    """
    time_ms = max(old.clock.now_ms(), old.state.slot_ms + 1)
    states = [state for state in old.state.rules if not state.taken_over]
    leaving = [(alerting, url) for alerting, url in old.alerting if not alerting.taken_over]
    for alerting, _ in leaving:
        alerting.end(time_ms)
    await asyncio.gather(
        old.outbox.bid_farewell(leaving, time_ms),
        _mark_stale(old, states, others, pause_s, time_ms - old.query_offset_ms),
    )


async def _mark_stale(
    old: GroupEvaluator,
    states: Sequence[RuleState],
    others: Callable[[], Sequence[GroupEvaluator]],
    pause_s: float,
    time_ms: int,
) -> None:
    ended = {labels for state in states for labels in state.series}
    if not ended:
        return
    await asyncio.sleep(pause_s)
    for group in others():
        for state in group.state.rules:
            ended.difference_update(state.series)
    await Recorder(old.record).store([Written(ended=tuple(ended))], time_ms)


def _identity(group: GroupEvaluator, state: RuleState) -> Hashable:
    labels = {**group.state.group.labels, **state.rule.labels}
    return bool(state.rule.alert), state.rule.name, frozenset(labels.items())


def _whole_identity(group: GroupEvaluator, state: RuleState) -> Hashable:
    rule = state.rule
    return _identity(group, state), state.text, rule.for_, rule.keep_firing_for


def _take_over(new: RuleState, old: RuleState) -> None:
    old.taken_over = True
    new.health, new.error, new.series = old.health, old.error, old.series
    new.evaluated_ms, new.seconds = old.evaluated_ms, old.seconds
    if new.alerting is not None and old.alerting is not None:
        new.alerting.take_over(old.alerting)
