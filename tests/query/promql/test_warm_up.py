"""Compiling what queries run."""

from veriscope.query.promql.warm_up import warm_up


def test_every_loop_runs() -> None:
    """Nothing that it calls has gone or takes other arguments."""
    warm_up()
