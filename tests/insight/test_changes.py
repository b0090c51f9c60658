"""Which series changed: known truth among noise."""

from typing import Any

import numpy as np
import pytest

from veriscope.insight.changes import LEAST_SCORE, MOST_SCORE, rates, score_changes

STEPS, ONSET, LEAD = 260, 240, 8


def noise(kind: str, count: int, seed: int) -> Any:
    """Return series in which nothing happens."""
    chance = np.random.default_rng(seed)
    white = chance.normal(0, 1, (count, STEPS))
    match kind:
        case "white":
            return 50 + white
        case "correlated":
            for step in range(1, STEPS):
                white[:, step] += 0.7 * white[:, step - 1]
            return 50 + white
        case "heavy":
            return 50 + chance.standard_t(4, (count, STEPS))
        case "rare":
            return np.floor(chance.exponential(0.6, (count, STEPS)))
        case "rising":
            return np.arange(STEPS) * 3.0 + white
        case _:
            return np.full((count, STEPS), 7.0)


@pytest.mark.parametrize("kind", ["white", "correlated", "heavy", "rare", "rising", "still"])
def test_noise_is_not_called_a_change(kind: str) -> None:
    """Of a thousand series in which nothing happens at most five are named."""
    found = score_changes(noise(kind, 1_000, seed=3), ONSET, LEAD)
    assert (found.scores >= LEAST_SCORE).sum() <= 5


def changed(values: Any, shape: str) -> Any:
    """Let *values* change at the onset."""
    after = np.arange(STEPS - ONSET + LEAD)
    match shape:
        case "step":
            values[:, ONSET - LEAD :] += 12
        case "fall":
            values[:, ONSET:] -= 12
        case "spike":
            values[:, ONSET - 2 : ONSET + 2] += 40
        case _:
            values[:, ONSET - LEAD :] += after * 1.2
    return values


@pytest.mark.parametrize("shape", ["step", "fall", "spike", "drift"])
@pytest.mark.parametrize("kind", ["white", "correlated", "heavy"])
def test_first_five_are_those_that_changed(kind: str, shape: str) -> None:
    """Five changed series among a thousand are the first five: precision at five is 1."""
    values = noise(kind, 1_000, seed=5)
    truth = [13, 200, 404, 777, 990]
    values[truth] = changed(values[truth], shape)
    best = np.argsort(-score_changes(values, ONSET, LEAD).scores)[:5]
    assert sorted(best.tolist()) == truth


def test_levels_are_those_before_and_since() -> None:
    """A switch from 0 to 5 is said to be just that, and scores no more than the most."""
    values = np.zeros((1, STEPS))
    values[:, ONSET:] = 5
    found = score_changes(values, ONSET, LEAD)
    assert (found.before[0], found.after[0]) == (0, 5)
    assert found.scores[0] == MOST_SCORE


def test_little_is_not_judged() -> None:
    """Nothing is said of series without a past, or without a present."""
    values = np.full((2, STEPS), np.nan)
    values[0, ONSET:] = 9
    values[1, :ONSET] = 9
    assert score_changes(values, ONSET, LEAD).scores.tolist() == [0, 0]
    assert score_changes(values[:, -5:], 2, LEAD).scores.tolist() == [0, 0]
    assert score_changes(values[:0], ONSET, LEAD).scores.tolist() == []


def test_gaps_do_not_matter() -> None:
    """A series that is scraped every other step changes as any other."""
    values = noise("white", 3, seed=1)
    values[1] = changed(values[1:2], "step")[0]
    values[:, ::2] = np.nan
    assert np.argmax(score_changes(values, ONSET, LEAD).scores) == 1


def test_counters_increase_by_the_second() -> None:
    """Resets begin at 0, and what was not there before did not increase."""
    counters = np.array(
        [
            [0, 10, 20, 30, 40, 50],
            [100, 110, 120, 10, 20, 30],
            [np.nan, np.nan, np.nan, 5, 15, 25],
            [0, 10, np.nan, np.nan, np.nan, np.nan],
        ]
    )
    found = rates(counters, 2, 20.0)
    assert found[0, 2:].tolist() == [1, 1, 1, 1]
    assert found[1, 2:].tolist() == [1, 1, 1, 1]
    assert found[2, 2:].tolist() == [0, 0, 0.5, 1]
    assert np.isnan(found[3, 2:]).all()
