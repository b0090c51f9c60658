from concurrent.futures import ThreadPoolExecutor

from veriscope.instrument.label_values import LabelValues


def test_the_first_values_stay_and_later_ones_have_no_room() -> None:
    """The bound is on different values, not on uses."""
    values = LabelValues(2)
    assert [values.admit(value) for value in ("a", "b", "a", "c", "b")] == [
        *(True, True, True, False, True),
    ]
    values.clear()
    assert values.admit("c")


def test_threads_cannot_pass_the_bound() -> None:
    """However many ask at once, no more are admitted."""
    values = LabelValues(10)
    with ThreadPoolExecutor(16) as pool:
        admitted = list(pool.map(values.admit, map(str, range(2000))))
    assert sum(admitted) == 10
