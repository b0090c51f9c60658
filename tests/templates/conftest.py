"""Templates as rules and notifications use them, with data that every test knows."""

from collections.abc import Callable, Mapping

import pytest

from veriscope.signals import InvalidInputError, Labels, ManualClock
from veriscope.templates import GoTime, KeyValues, Listing, Record
from veriscope.templates.alertmanager import NotificationTemplates
from veriscope.templates.prometheus import RuleTemplates

LABELS = {"instance": "a.b.c:9090", "job": "été <x>"}
VALUE = 1234567.891


def answer(expr: str) -> list[tuple[Labels, float]]:
    """Answer the queries of the tests."""
    if expr == "bad(":
        raise InvalidInputError("unclosed left parenthesis")
    two = [((("l", "v"),), 7.0), ((("l", "b"),), 8.0)]
    return {"one": [((), 5.0)], "two": two}.get(expr, [])


@pytest.fixture(scope="session")
def expand() -> Callable[[str], str]:
    """Expand a text of the rule `A` at the thousandth second."""
    templates = RuleTemplates({"cluster": "c1"}, "http://h:9/p")
    return lambda text: templates.expand(
        text, labels=LABELS, value=VALUE, query=answer, name="A", time_ms=1_000_500
    )


def _alert(
    labels: Mapping[str, str], annotations: Mapping[str, str], starts_ms: int, ends_ms: int | None
) -> Record:
    return Record(
        {
            "Status": "firing" if ends_ms is None else "resolved",
            "Labels": KeyValues(labels),
            "Annotations": KeyValues(annotations),
            "StartsAt": GoTime.of_ms(starts_ms),
            "EndsAt": GoTime.zero() if ends_ms is None else GoTime.of_ms(ends_ms),
            "GeneratorURL": f"http://p/graph?x=1&y={labels['instance']}",
            "Fingerprint": "0123456789abcdef",
        },
        type_name="template.Alert",
    )


@pytest.fixture(scope="session")
def group() -> Record:
    """Return two alerts that fire and one that is over."""
    common = {"alertname": "High", "severity": "critical"}
    alerts = [
        _alert(common | {"instance": "a"}, {"summary": "S & <b>"}, 1_000_500, None),
        _alert(common | {"instance": "b"}, {"summary": "S2"}, 2_000_000, None),
        _alert(common | {"instance": "c"}, {"summary": "S3"}, 3_000_000, 6_600_000),
    ]
    return Record(
        {
            "Receiver": "team x",
            "Status": "firing",
            "Alerts": Listing(
                alerts,
                {"Firing": lambda: alerts[:2], "Resolved": lambda: alerts[2:]},
                "template.Alerts",
            ),
            "GroupLabels": KeyValues({"alertname": "High"}),
            "CommonLabels": KeyValues(common),
            "CommonAnnotations": KeyValues({}),
            "ExternalURL": "http://am:9093/x",
        },
        type_name="*template.Data",
    )


@pytest.fixture(scope="session")
def notifications() -> NotificationTemplates:
    """Return the templates that come with Veriscope, at the ten-thousandth second."""
    return NotificationTemplates((), "http://am:9093/x", ManualClock(now_ms=10_000_000))
