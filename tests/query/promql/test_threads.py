"""Work that is shared out to threads."""

import pytest

from veriscope.query.promql import threads


@pytest.mark.parametrize("work", [0, 1 << 40])
def test_a_threads_error_is_raised(work: int) -> None:
    """A failure in another thread is the caller's."""
    with pytest.raises(ZeroDivisionError):
        threads.run_all([lambda: None, lambda: 1 / 0, lambda: None], work)


@pytest.mark.parametrize("work", [0, 1 << 40])
def test_work_is_split_without_gaps(work: int) -> None:
    """The parts of all segments together hold each row once."""
    for count in (0, 1, 7, 100):
        parts = threads.split(count, work, 107)
        assert [row for part in parts for row in range(count)[part]] == list(range(count))
