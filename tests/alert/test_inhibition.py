from typing import Any, NamedTuple

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from veriscope.alert.alerts import StoredAlert
from veriscope.alert.config import InhibitRule
from veriscope.alert.inhibition import Inhibitor
from veriscope.signals import Labels, to_labels


def _alert(ends_at_ms: int = 1_000, **labels: str) -> StoredAlert:
    return StoredAlert(to_labels(labels), (), 0, ends_at_ms, 0)


def _inhibitor(*rules: dict[str, Any]) -> Inhibitor:
    return Inhibitor(msgspec.convert(rules, tuple[InhibitRule, ...]))


_SEVERITY = {
    "source_matchers": ["severity=critical"],
    "target_match_re": {"severity": "warning|info"},
    "equal": ["service"],
}


def test_a_source_that_fires_inhibits_what_is_equal() -> None:
    """Until it has ended; one of another service does not."""
    inhibitor = _inhibitor(_SEVERITY)
    source = _alert(severity="critical", service="a")
    inhibitor.update([source, _alert(severity="critical", service="b", ends_at_ms=10)])
    target = to_labels({"severity": "info", "service": "a"})
    other = to_labels({"severity": "info", "service": "b"})
    assert inhibitor.inhibited_by(target, 20) == (source.fingerprint,)
    assert inhibitor.inhibited_by(other, 5) != ()
    assert inhibitor.inhibited_by(other, 20) == ()
    assert inhibitor.inhibited_by(target, 1_000) == ()
    assert inhibitor.inhibited_by(to_labels({"severity": "none", "service": "a"}), 20) == ()


def test_the_newest_word_of_a_source_counts() -> None:
    """An update takes the place of the former alert, and `forget` removes it."""
    inhibitor = _inhibitor(_SEVERITY)
    target = to_labels({"severity": "info", "service": "a"})
    inhibitor.update([_alert(severity="critical", service="a", ends_at_ms=10)])
    inhibitor.update([_alert(severity="critical", service="a", ends_at_ms=100)])
    assert inhibitor.inhibited_by(target, 50)
    inhibitor.forget([_alert(severity="critical", service="a")])
    assert not inhibitor.inhibited_by(target, 50)


def test_labels_that_both_lack_are_equal() -> None:
    """A label that is absent has the empty value."""
    inhibitor = _inhibitor(_SEVERITY)
    inhibitor.update([_alert(severity="critical")])
    assert inhibitor.inhibited_by(to_labels({"severity": "info"}), 0)
    assert not inhibitor.inhibited_by(to_labels({"severity": "info", "service": "a"}), 0)


def test_alerts_on_both_sides_do_not_inhibit_each_other() -> None:
    """Nor themselves; one that is a source only does inhibit them."""
    inhibitor = _inhibitor({"source_matchers": ["a=1"], "target_matchers": ["b=1"]})
    both = _alert(a="1", b="1", name="x")
    inhibitor.update([both, _alert(a="1", b="1", name="y")])
    assert not inhibitor.inhibited_by(both.labels, 0)
    assert inhibitor.inhibited_by(to_labels({"b": "1"}), 0)
    source = _alert(a="1")
    inhibitor.update([source])
    assert inhibitor.inhibited_by(both.labels, 0) == (source.fingerprint,)


class Counted(NamedTuple):
    """An alert that counts how often it is asked for its end."""

    alert: StoredAlert
    asked: list[int]

    @property
    def labels(self) -> Labels:
        """Its labels."""
        return self.alert.labels

    @property
    def fingerprint(self) -> str:
        """What stands for the labels."""
        return self.alert.fingerprint

    def resolved_at(self, now_ms: int) -> bool:
        """Tell whether it has ended."""
        self.asked.append(now_ms)
        return self.alert.resolved_at(now_ms)


def test_sources_that_have_ended_cost_nothing() -> None:
    """Many alerts of a storm that is over are not looked at for every target; a jump back is."""
    asked: list[int] = []
    inhibitor = _inhibitor({"source_matchers": ["a=1"], "target_matchers": ["b=1"]})
    inhibitor.update(Counted(_alert(10, a="1", n=str(n)), asked) for n in range(100))
    targets = [to_labels({"b": "1", "n": str(n)}) for n in range(100)]
    assert not any(inhibitor.inhibited_by(target, 20) for target in targets)
    assert len(asked) == 100
    assert inhibitor.inhibited_by(targets[0], 5)
    inhibitor.update([Counted(_alert(100, a="1"), asked)])
    asked.clear()
    assert all(inhibitor.inhibited_by(target, 30) for target in targets)
    assert len(asked) <= 300


_LABELS = st.dictionaries(st.sampled_from("abc"), st.sampled_from("12"), max_size=3)
_RULES = st.fixed_dictionaries(
    {"source_match": _LABELS, "target_match": _LABELS, "equal": st.lists(st.sampled_from("abc"))}
)


@given(
    st.lists(_RULES, max_size=3),
    st.lists(st.tuples(_LABELS, st.integers(0, 2)), max_size=6),
    _LABELS,
)
def test_inhibition_as_a_plain_reference_has_it(
    rules: list[dict[str, Any]], sent: list[tuple[dict[str, str], int]], target: dict[str, str]
) -> None:
    """The same verdict as from trying every rule on every alert."""
    inhibitor = _inhibitor(*rules)
    alerts: dict[Labels, StoredAlert] = {}
    for labels, ends_at_ms in sent:
        alert = _alert(ends_at_ms, **labels)
        alerts[alert.labels] = alert
        inhibitor.update([alert])
    expected = {
        each.fingerprint
        for each in alerts.values()
        if not each.resolved_at(1)
        and any(_inhibits(rule, dict(each.labels), target) for rule in rules)
    }
    found = inhibitor.inhibited_by(to_labels(target), 1)
    assert set(found) <= expected
    assert bool(found) is bool(expected)


def _inhibits(rule: dict[str, Any], source: dict[str, str], target: dict[str, str]) -> bool:
    def fits(labels: dict[str, str], side: str) -> bool:
        return all(labels.get(name) == value for name, value in rule[side].items())

    both = fits(target, "source_match") and fits(source, "target_match")
    equal = all(source.get(name) == target.get(name) for name in rule["equal"])
    return fits(source, "source_match") and fits(target, "target_match") and equal and not both
