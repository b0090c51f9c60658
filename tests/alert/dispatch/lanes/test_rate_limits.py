"""The token bucket."""

from hypothesis import given
from hypothesis import strategies as st

from veriscope.alert.dispatch.lanes.rate_limits import TokenBucket
from veriscope.signals import ManualClock


@given(st.integers(1, 20), st.integers(1, 100), st.lists(st.integers(0, 5_000), max_size=60))
def test_no_window_gets_more_than_twice_the_limit(
    count: int, per_s: int, pauses_ms: list[int]
) -> None:
    """A full bucket and what flows in meanwhile: never more, in any window."""
    clock = ManualClock(0)
    bucket = TokenBucket(count, per_s, clock)
    taken = []
    for pause_ms in pauses_ms:
        clock.advance(ms=pause_ms)
        if not bucket.take():
            taken.append(clock.now_ms())
    for at in taken:
        window = [each for each in taken if at <= each < at + per_s * 1000]
        assert len(window) <= 2 * count


@given(st.integers(1, 20), st.integers(1, 100))
def test_it_says_when_the_next_token_is_there(count: int, per_s: int) -> None:
    """After the time that it names there is a token; a little before, there is none."""
    clock = ManualClock(0)
    bucket = TokenBucket(count, per_s, clock)
    assert [bucket.take() for _ in range(count)] == [0.0] * count
    wait_s = bucket.take()
    clock.advance(ms=int(wait_s * 1000) - 1)
    assert bucket.take() > 0
    clock.advance(ms=2)
    assert bucket.take() == 0.0
