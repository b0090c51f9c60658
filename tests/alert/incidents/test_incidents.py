"""Which alerts become which incidents, and what people do about them."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from veriscope.alert.alerts import StoredAlert
from veriscope.alert.incidents import (
    IncidentOptions,
    Incidents,
    IncidentState,
    UnknownIncidentError,
)
from veriscope.alert.incidents.figures import by_alertname, by_severity, figures_of
from veriscope.signals import Duration, InvalidInputError, ManualClock, to_labels

START_MS = 1_763_900_000_000
MINUTE_MS = 60_000


class Shelf:
    """A journal that keeps documents at once."""

    def __init__(self) -> None:
        self.documents: dict[str, bytes] = {}

    def put(self, kind: str, key: str, document: bytes) -> None:
        """Keep one."""
        assert kind == "incident"
        self.documents[key] = document

    def delete(self, kind: str, key: str) -> None:
        """Forget one."""
        assert kind == "incident"
        self.documents.pop(key, None)

    async def all(self, kind: str) -> dict[str, bytes]:
        """Return what is kept."""
        assert kind == "incident"
        return dict(self.documents)


class Company:
    """Incidents on a clock that stands still, and the alerts that fire."""

    def __init__(self, **options: Any) -> None:
        self.clock = ManualClock(START_MS)
        self.shelf = Shelf()
        self.options = IncidentOptions(**options)
        self.registry = CollectorRegistry()
        self.over: set[str] = set()
        self.incidents = self._new()

    def _new(self) -> Incidents:
        registry = self.registry = CollectorRegistry()
        return Incidents(self.shelf, self.clock, registry, self.options)  # type: ignore[arg-type]

    async def restart(self) -> None:
        """Go on with what was stored."""
        self.incidents.store()
        self.incidents = self._new()
        await self.incidents.load()

    def begin(self, name: str, groups: tuple[str, ...] = (), **labels: str) -> str:
        """Have an alert fire; return its incident."""
        summary = labels.pop("summary", "")
        alert = StoredAlert(
            to_labels({"alertname": name, **labels}),
            to_labels({"summary": summary} if summary else {}),
            self.clock.now_ms(),
            self.clock.now_ms() + 3_600_000,
            self.clock.now_ms(),
            "http://x/graph",
            times_out=True,
        )
        self.over.discard(alert.fingerprint)
        self.incidents.began(alert, [("team", group) for group in groups])
        return next(i.id for i in self.incidents.all(fingerprint=alert.fingerprint))

    def end(self, name: str, **labels: str) -> None:
        """Have it end."""
        alert = StoredAlert(
            to_labels({"alertname": name, **labels}), (), 0, 0, 0, "", times_out=True
        )
        self.over.add(alert.fingerprint)
        self.incidents.ended(alert.fingerprint, self.clock.now_ms())

    def wait(self, minutes: float) -> None:
        """Let time pass."""
        self.clock.advance(ms=round(minutes * MINUTE_MS))
        self.incidents.mind(lambda fingerprint: fingerprint in self.over)

    def kinds(self, incident_id: str) -> list[str]:
        """Return what happened to an incident."""
        return [entry.kind for entry in self.incidents.get(incident_id).timeline]


@pytest.fixture
def company() -> Company:
    """Return incidents with the default options."""
    return Company()


def test_neighbours_that_begin_soon_are_one_incident(company: Company) -> None:
    """Of the same service within five minutes of the latest; another service is another matter."""
    first = company.begin("Slow", service="chat")
    company.wait(4)
    assert company.begin("Errors", service="chat", instance="a") == first
    company.wait(4)
    assert company.begin("Hot", instance="a") == first
    assert company.begin("Slow", service="search") != first
    company.wait(5.1)
    assert company.begin("Late", service="chat") != first
    assert company.kinds(first) == ["opened", "joined", "joined"]


def test_alerts_of_a_group_are_one_incident_whenever_they_begin(company: Company) -> None:
    """People are told of them together."""
    first = company.begin("Slow", ("{}:{a}",))
    company.wait(60)
    assert company.begin("Slow", ("{}:{a}",), pod="b") == first
    assert company.begin("Slow", ("{}:{other}",), pod="c") != first


def test_of_two_the_one_that_opened_first_is_joined(company: Company) -> None:
    """So that the order of labels decides nothing."""
    first = company.begin("Slow", service="chat")
    company.begin("Hot", instance="a")
    assert company.begin("Both", service="chat", instance="a") == first


def test_an_alert_that_fires_again_stays_where_it_was(company: Company) -> None:
    """Within five minutes of the end of all, after which the incident is over by itself."""
    first = company.begin("Slow", service="chat")
    company.end("Slow", service="chat")
    company.wait(4)
    assert company.begin("Slow", service="chat") == first
    company.end("Slow", service="chat")
    company.wait(5)
    company.wait(5)
    assert company.incidents.get(first).state is IncidentState.RESOLVED
    assert company.incidents.get(first).alert_count == 1
    assert company.begin("Slow", service="chat") != first
    assert company.kinds(first) == [
        *("opened", "ended", "again", "ended"),
        *("flapping", "resolved"),
    ]


def test_it_is_called_by_its_gravest_alert(company: Company) -> None:
    """Whatever came first."""
    first = company.begin("Slow", service="chat", severity="warning", summary="95% slow")
    assert company.incidents.get(first).title == "Slow: 95% slow"
    company.begin("Down", service="chat", severity="critical")
    company.begin("Odd", service="chat", severity="info")
    incident = company.incidents.get(first)
    assert (incident.title, incident.severity) == ("Down", "critical")
    assert incident.labels == to_labels({"service": "chat"})


def test_people_act_and_the_timeline_says_so(company: Company) -> None:
    """Who, when, what; the times count from the beginning."""
    first = company.begin("Slow", service="chat")
    company.wait(2)
    company.incidents.acknowledge(first, "ann", "looking")
    company.incidents.assign(first, "ann", "ben")
    company.incidents.comment(first, "ben", "rolled back")
    company.end("Slow", service="chat")
    company.wait(1)
    incident = company.incidents.resolve(first, "ben")
    assert (incident.acknowledge_s, incident.resolve_s) == (120, 180)
    assert (incident.acknowledged_by, incident.assignee, incident.resolved_by) == (
        "ann",
        "ben",
        "ben",
    )
    assert [(e.kind, e.by, e.text) for e in incident.timeline if e.by] == [
        ("acknowledged", "ann", "looking"),
        ("assigned", "ann", "to ben"),
        ("comment", "ben", "rolled back"),
        ("resolved", "ben", ""),
    ]


def test_resolved_while_something_fires_opens_with_the_next(company: Company) -> None:
    """It says how many still fire; their end alone opens nothing."""
    first = company.begin("Slow", service="chat")
    company.begin("Errors", service="chat")
    company.incidents.resolve(first, "ann", "known")
    assert company.incidents.get(first).timeline[-1].text == "known (2 still firing)"
    company.end("Errors", service="chat")
    assert company.incidents.get(first).state is IncidentState.RESOLVED
    assert company.begin("New", service="chat") == first
    assert company.incidents.get(first).state is IncidentState.OPEN
    assert company.incidents.get(first).resolve_s is None


def test_reopened_it_goes_on(company: Company) -> None:
    """Alerts join again; with none firing it settles again."""
    first = company.begin("Slow", service="chat")
    company.end("Slow", service="chat")
    company.wait(1)
    company.incidents.resolve(first, "ann")
    company.incidents.reopen(first, "ann", "not yet")
    assert company.begin("Slow", service="chat") == first
    company.end("Slow", service="chat")
    company.wait(0)
    company.wait(5)
    assert company.incidents.get(first).state is IncidentState.RESOLVED


@pytest.mark.parametrize(
    ("act", "fault"),
    [
        (lambda i, n: i.acknowledge(n, " "), "`by` is empty"),
        (lambda i, n: i.acknowledge(n, "a" * 201), "`by` is longer than 200"),
        (lambda i, n: i.assign(n, "ann", ""), "`to` is empty"),
        (lambda i, n: i.comment(n, "ann", " "), "`text` is empty"),
        (lambda i, n: i.comment(n, "ann", "a" * 10_001), "`text` is longer than 10,000"),
        (lambda i, n: i.reopen(n, "ann"), "is not resolved"),
        (lambda i, n: (i.resolve(n, "ann"), i.resolve(n, "ann")), "is resolved already"),
        (lambda i, n: (i.resolve(n, "ann"), i.acknowledge(n, "ann")), "reopen it first"),
    ],
    ids=range(8),
)
def test_what_makes_no_sense_is_refused(
    company: Company, act: Callable[[Incidents, str], Any], fault: str
) -> None:
    """With what is wrong and what to do."""
    with pytest.raises(InvalidInputError, match=fault):
        act(company.incidents, company.begin("Slow", service="chat"))


@pytest.mark.parametrize("name", ["INC-9", "INC-", "x", "INC-1.0", "INC-²"])
def test_an_unknown_one_is_said_to_be_so(company: Company, name: str) -> None:
    """Whatever is written for an id."""
    company.begin("Slow", service="chat")
    with pytest.raises(UnknownIncidentError):
        company.incidents.get(name)


def test_an_alert_flaps_after_four_changes_until_it_rests(company: Company) -> None:
    """It stays one incident, marked; half an hour without a change ends that."""
    first = company.begin("Slow", service="chat")
    for _ in range(2):
        company.end("Slow", service="chat")
        company.wait(1)
        company.begin("Slow", service="chat")
        company.wait(1)
    incident = company.incidents.get(first)
    assert company.incidents.is_flapping(incident)
    assert company.kinds(first).count("flapping") == 1
    company.wait(28)
    assert company.incidents.is_flapping(incident)
    company.wait(2)
    assert not company.incidents.is_flapping(incident)
    assert company.kinds(first)[-1] == "calm"


def test_rare_changes_are_no_flapping(company: Company) -> None:
    """Four within an hour are, four in two hours are not."""
    for _ in range(4):
        first = company.begin("Slow", service="chat")
        company.wait(25)
        company.end("Slow", service="chat")
        company.wait(25)
    assert not company.incidents.is_flapping(company.incidents.get(first))


async def test_all_is_there_after_a_restart(company: Company) -> None:
    """Numbers go on, alerts join, what fires is known to fire."""
    first = company.begin("Slow", ("{}:{a}",), service="chat")
    company.incidents.acknowledge(first, "ann")
    before = company.incidents.get(first)
    await company.restart()
    assert company.incidents.get(first) == before
    company.begin("Slow", ("{}:{a}",), service="chat")
    assert company.kinds(first) == ["opened", "acknowledged"]
    assert company.begin("Errors", service="chat") == first
    assert company.begin("Other", service="search") == "INC-2"
    company.wait(10)
    await company.restart()
    assert company.begin("Late", service="search") == "INC-3"


async def test_what_ended_while_nobody_looked_is_noticed(company: Company) -> None:
    """After a restart the alert is no more."""
    first = company.begin("Slow", service="chat")
    await company.restart()
    company.incidents.mind(lambda _: True)
    assert company.kinds(first) == ["opened", "ended"]


def test_ten_thousand_alerts_are_one_incident_of_bounded_size(company: Company) -> None:
    """A thousand are kept, all are counted, and what people do finds its place."""
    for number in range(10_000):
        company.incidents.began(
            StoredAlert(
                to_labels({"alertname": "Down", "pod": f"p{number}", "service": "chat"}),
                (),
                START_MS,
                START_MS + 1,
                START_MS,
                "",
                times_out=True,
            ),
            [("team", f"{{}}:{{{number % 5}}}")],
        )
    (incident,) = company.incidents.all()
    assert (incident.alert_count, len(incident.firing), len(incident.members)) == (
        10_000,
        10_000,
        1_000,
    )
    company.incidents.comment(incident.id, "ann", "all of them")
    assert len(incident.timeline) == 1_000
    assert incident.timeline[-1].text == "all of them"
    assert incident.left_out == 9_001
    company.incidents.store()
    assert len(company.shelf.documents["1"]) < 2_000_000
    company.incidents.mind(lambda _: True)
    assert not incident.firing


def test_old_ones_are_forgotten(company: Company) -> None:
    """Ninety days after their end; what goes on is kept."""
    old = company.begin("Slow", service="chat")
    company.end("Slow", service="chat")
    company.wait(6)
    company.wait(6)
    open_one = company.begin("Down", service="search")
    company.incidents.store()
    company.wait(91 * 24 * 60)
    company.incidents.store()
    with pytest.raises(UnknownIncidentError):
        company.incidents.get(old)
    assert company.incidents.get(open_one)
    assert set(company.shelf.documents) == {"2"}


def test_figures_are_of_those_that_were_taken_and_solved(company: Company) -> None:
    """Means and medians in seconds; by severity and by alert."""
    for minutes in (1, 2, 9):
        one = company.begin("Slow", service=f"s{minutes}", severity="warning")
        company.wait(minutes)
        company.incidents.acknowledge(one, "ann")
        company.incidents.resolve(one, "ann")
    company.begin("Down", service="other", severity="critical")
    found = company.incidents.all()
    figures = figures_of(found)
    assert (figures.count, figures.acknowledged, figures.resolved) == (4, 3, 3)
    assert figures.mean_time_to_acknowledge_s == 240
    assert figures.median_time_to_resolve_s == 120
    assert {key: each.count for key, each in by_severity(found).items()} == {
        "warning": 3,
        "critical": 1,
    }
    assert by_alertname(found)["Down"].mean_time_to_resolve_s is None
    assert figures_of([]).mean_time_to_acknowledge_s is None


def test_states_are_counted(company: Company) -> None:
    """`veriscope_incidents{state}`."""
    company.begin("Slow", service="a")
    company.incidents.acknowledge(company.begin("Slow", service="b"), "ann")

    def count(state: str) -> float | None:
        return company.registry.get_sample_value("veriscope_incidents", {"state": state})

    assert [count(state) for state in IncidentState] == [1, 1, 0]


def test_options_may_change(company: Company) -> None:
    """Another window and other labels hold from then on."""
    first = company.begin("Slow", rack="r1")
    company.incidents.use(IncidentOptions(labels=("rack",), window=Duration.parse("1h")))
    second = company.begin("Slow", rack="r1", pod="b")
    assert second != first
    company.wait(50)
    assert company.begin("Errors", rack="r1") == second


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["begin", "end", "wait", "resolve", "reopen", "acknowledge"]),
            st.integers(0, 3),
        ),
        max_size=40,
    )
)
def test_what_fires_is_in_one_incident_that_is_not_lost(steps: list[tuple[str, int]]) -> None:
    """Whatever happens in whichever order: no alert that fires is in none or in two."""
    company, firing = Company(), set()
    for what, number in steps:
        labels = {"service": f"s{number % 2}", "pod": f"p{number}"}
        if what == "begin":
            company.begin("A", **labels)
            firing.add(number)
        elif what == "end":
            company.end("A", **labels)
            firing.discard(number)
        elif what == "wait":
            company.wait(number * 2)
        elif known := company.incidents.all():
            with suppress(InvalidInputError):
                getattr(company.incidents, what)(known[number % len(known)].id, "ann")
        held = [each for incident in company.incidents.all() for each in incident.firing]
        assert len(held) == len(set(held)) == len(firing)
        for incident in company.incidents.all():
            assert incident.is_live or not incident.firing
