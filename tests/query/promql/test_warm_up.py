"""Compiling what queries run."""

import pytest

from veriscope.query.promql import warm_up as module
from veriscope.query.promql.warm_up import warm_up


def test_it_ends_between_two_loops_once_the_server_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiling takes half a minute; a server that is told to stop does not wait for all of it."""
    run = []
    monkeypatch.setattr(
        module, "RANGE_FUNCTIONS", dict.fromkeys(module.RANGE_FUNCTIONS, lambda *_: run.append(1))
    )
    answers = iter([False, False, True])
    warm_up(lambda: next(answers))
    assert len(run) == 2


def test_every_loop_runs() -> None:
    """Nothing that it calls has gone or takes other arguments."""
    warm_up()
