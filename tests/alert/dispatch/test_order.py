"""The order of alerts, against a plain reading of Prometheus' comparison."""

from functools import cmp_to_key

from hypothesis import given
from hypothesis import strategies as st

from veriscope.alert.alerts import StoredAlert
from veriscope.alert.dispatch.order import in_order
from veriscope.signals import Labels, to_labels

NAMES = ("a", "b", "instance", "job", "z")
LABELS = st.dictionaries(st.sampled_from(NAMES), st.sampled_from("xyZ"), max_size=4)


def is_before(one: dict[str, str], other: dict[str, str]) -> bool:
    """`LabelSet.Before`, step by step."""
    if len(one) != len(other):
        return len(one) < len(other)
    for name in sorted({*one, *other}):
        if name not in one:
            return True
        if name not in other:
            return False
        if one[name] != other[name]:
            return one[name] < other[name]
    return False


def is_less(one: dict[str, str], other: dict[str, str]) -> bool:
    """`AlertSlice.Less`, step by step."""
    for name in ("job", "instance"):
        if name not in one and name not in other:
            continue
        if name not in one or name not in other:
            return name in one
        if one[name] != other[name]:
            return one[name] < other[name]
    return is_before(one, other)


def compare(one: Labels, other: Labels) -> int:
    """Return which comes first."""
    if is_less(dict(one), dict(other)):
        return -1
    return int(is_less(dict(other), dict(one)))


@given(st.lists(LABELS.map(to_labels), unique=True, max_size=12))
def test_alerts_are_sorted_as_alertmanager_sorts_them(sets: list[Labels]) -> None:
    """Job, instance, number of labels, then the first difference by name."""
    alerts = [StoredAlert(labels, (), 0, 1, 0) for labels in sets]
    assert [a.labels for a in in_order(alerts)] == sorted(sets, key=cmp_to_key(compare))
