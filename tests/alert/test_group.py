from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from veriscope.alert import Alert, AlertGroup
from veriscope.signals import to_labels


def test_common_is_what_every_alert_has(make_group: Callable[..., AlertGroup]) -> None:
    """A label that differs, or that one alert lacks, is not common."""
    group = make_group(firing=2, resolved=1)
    assert group.common_labels == (("alertname", "HighLoad"), ("severity", "critical"))
    assert (group.status, len(group.firing), group.name) == ("firing", 2, "HighLoad")
    assert make_group(firing=0, resolved=2).status == "resolved"


def test_a_fingerprint_is_prometheus_own() -> None:
    """The empty label set has the offset basis of FNV-1a, as in Prometheus' `fnv.go`."""
    assert Alert((), (), 0).fingerprint == "cbf29ce484222325"


@given(st.dictionaries(st.text(min_size=1), st.text(min_size=1), max_size=4))
def test_fingerprints_stand_for_labels(labels: dict[str, str]) -> None:
    """Order does not matter, a further label does, and annotations and times do not."""
    one = Alert(to_labels(labels), (), 0)
    other = Alert(to_labels(dict(reversed(labels.items()))), (("a", "b"),), 5, 6)
    assert one.fingerprint == other.fingerprint
    assert len(one.fingerprint) == 16
    more = Alert(to_labels({**labels, "\x00new": "x"}), (), 0)
    assert more.fingerprint != one.fingerprint
