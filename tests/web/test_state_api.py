"""Rules, alerts, targets and status, in the shapes of Prometheus' API."""

from typing import Any

import numpy as np
import pytest

from veriscope.collect.scrape import ActiveTarget, DroppedTarget, Health, TargetsSnapshot
from veriscope.signals import (
    Duration,
    MetricMetadata,
    MetricType,
    SampleBatch,
    to_labels,
)
from veriscope.signals.exemplars import ExemplarBatch
from veriscope.store import Store
from veriscope.web import (
    AlertingRuleState,
    AlertState,
    ApiSources,
    RecordingRuleState,
    RuleGroupState,
    ServerFacts,
)

ALERT = AlertState(
    labels={"alertname": "Down", "job": "api"},
    annotations={"summary": "It is down."},
    state="firing",
    active_at="2026-01-01T00:00:00Z",
    value="1e+00",
)
GROUPS = (
    RuleGroupState(
        name="one",
        file="a.yml",
        interval=60.0,
        rules=(
            RecordingRuleState(name="job:up:sum", query="sum by (job) (up)", health="ok"),
            AlertingRuleState(
                state="firing", name="Down", query="up == 0", duration=300.0,
                labels={"severity": "page"}, alerts=(ALERT,), health="err", last_error="boom",
            ),
        ),
    ),
    RuleGroupState(
        name="two",
        file="b.yml",
        interval=30.0,
        rules=(RecordingRuleState(name="x", query="1", labels={"severity": "low"}),),
    ),
)  # fmt: skip
TARGETS = TargetsSnapshot(
    active=(
        ActiveTarget(
            discovered_labels=to_labels({"__address__": "h:1", "job": "api"}),
            labels=to_labels({"instance": "h:1", "job": "api"}),
            scrape_pool="api",
            scrape_url="http://h:1/metrics",
            global_url="http://h:1/metrics",
            last_error="",
            last_scrape_ms=1_700_000_000_123,
            last_scrape_duration_s=0.25,
            health=Health.UP,
            scrape_interval=Duration.parse("15s"),
            scrape_timeout=Duration.parse("10s"),
        ),
    ),
    dropped=(DroppedTarget(to_labels({"__address__": "h:2"}), "web"),),
)


@pytest.fixture
def sources(store: Store) -> ApiSources:
    """Return rules and targets."""
    return ApiSources(
        exemplars=store.exemplars,
        statistics=store.cardinality,
        facts=ServerFacts(
            version="1.2.3",
            started_ms=1_700_000_000_000,
            config=lambda: "global: {}\n",
            flags={"web.enable-admin-api": "false"},
            retention="30d",
        ),
        groups=lambda: GROUPS,
        targets=lambda: TARGETS,
        alertmanagers=lambda: ["http://am:9093/api/v2/alerts"],
    )


async def ask(web: Any, path: str, status: int = 200, **parameters: Any) -> Any:
    """Return the data at *path*, or the error."""
    async with web.get(f"/api/v1/{path}", params=parameters) as answer:
        assert answer.status == status, await answer.text()
        body = await answer.json()
        return body["data"] if status == 200 else body


async def test_rules_are_shown_with_their_alerts(web: Any) -> None:
    """Each kind with its own keys."""
    found = await ask(web, "rules")
    assert [group["name"] for group in found["groups"]] == ["one", "two"]
    recording, alerting = found["groups"][0]["rules"]
    assert recording == {
        "type": "recording",
        "name": "job:up:sum",
        "query": "sum by (job) (up)",
        "labels": {},
        "health": "ok",
        "evaluationTime": 0.0,
        "lastEvaluation": "0001-01-01T00:00:00Z",
    }
    assert alerting["type"] == "alerting"
    assert alerting["state"] == "firing"
    assert alerting["lastError"] == "boom"
    assert alerting["duration"] == 300.0
    assert alerting["alerts"] == [
        {
            "labels": {"alertname": "Down", "job": "api"},
            "annotations": {"summary": "It is down."},
            "state": "firing",
            "activeAt": "2026-01-01T00:00:00Z",
            "value": "1e+00",
        }
    ]
    assert (await ask(web, "alerts")) == {"alerts": alerting["alerts"]}


@pytest.mark.parametrize(
    ("parameters", "names"),
    [
        ({"type": "alert"}, ["Down"]),
        ({"type": "record"}, ["job:up:sum", "x"]),
        ({"rule_name[]": "x"}, ["x"]),
        ({"rule_group[]": "one"}, ["job:up:sum", "Down"]),
        ({"file[]": "b.yml"}, ["x"]),
        ({"match[]": '{severity=~"p.*|low"}'}, ["Down", "x"]),
        ({"match[]": '{severity!~"page|"}'}, ["x"]),
        ({"rule_group[]": "one", "type": "alert"}, ["Down"]),
        ({"file[]": "c.yml"}, []),
    ],
)
async def test_rules_can_be_chosen(web: Any, parameters: dict[str, str], names: list[str]) -> None:
    """By kind, name, group, file and labels; a group without a chosen rule is left out."""
    found = await ask(web, "rules", **parameters)
    assert [rule["name"] for group in found["groups"] for rule in group["rules"]] == names
    assert all(group["rules"] for group in found["groups"])


async def test_rules_can_be_asked_for_in_parts(web: Any) -> None:
    """A token leads on to the next groups; one of another time is refused."""
    first = await ask(web, "rules", group_limit="1")
    assert [group["name"] for group in first["groups"]] == ["one"]
    token = first["groupNextToken"]
    rest = await ask(web, "rules", group_limit="1", group_next_token=token)
    assert [group["name"] for group in rest["groups"]] == ["two"]
    assert "groupNextToken" not in rest
    for wrong in ({"group_limit": "1", "group_next_token": "00"}, {"group_next_token": token}):
        assert (await ask(web, "rules", 400, **wrong))["errorType"] == "bad_data"


async def test_alerts_can_be_left_out(web: Any) -> None:
    """Where only the rules are wanted."""
    found = await ask(web, "rules", exclude_alerts="true")
    assert found["groups"][0]["rules"][1]["alerts"] == []
    assert (await ask(web, "rules", 400, type="other"))["errorType"] == "bad_data"


async def test_targets_are_shown_as_scraped_and_dropped(web: Any) -> None:
    """With labels, times and health; by state and by pool."""
    found = await ask(web, "targets")
    assert found["activeTargets"] == [
        {
            "discoveredLabels": {"__address__": "h:1", "job": "api"},
            "labels": {"instance": "h:1", "job": "api"},
            "scrapePool": "api",
            "scrapeUrl": "http://h:1/metrics",
            "globalUrl": "http://h:1/metrics",
            "lastError": "",
            "lastScrape": "2023-11-14T22:13:20.123Z",
            "lastScrapeDuration": 0.25,
            "health": "up",
            "scrapeInterval": "15s",
            "scrapeTimeout": "10s",
        }
    ]
    assert found["droppedTargets"] == [
        {"discoveredLabels": {"__address__": "h:2"}, "scrapePool": "web"}
    ]
    assert found["droppedTargetCounts"] == {"api": 0, "web": 1}
    assert (await ask(web, "targets", state="active"))["droppedTargets"] == []
    assert (await ask(web, "targets", state="dropped"))["activeTargets"] == []
    assert (await ask(web, "targets", scrapePool="web"))["activeTargets"] == []
    assert await ask(web, "scrape_pools") == {"scrapePools": ["api", "web"]}


async def test_target_metadata_is_of_what_the_target_exposes(web: Any, store: Store) -> None:
    """Metrics of other targets are not its own; a selector of labels chooses targets."""
    own = to_labels({"__name__": "own_total", "job": "api", "instance": "h:1", "code": "200"})
    other = to_labels({"__name__": "other", "job": "api", "instance": "h:9"})
    known = (
        MetricMetadata("own", MetricType.COUNTER, "Own.", ""),
        MetricMetadata("other", MetricType.GAUGE, "Other.", ""),
    )
    store.metrics.insert_batches(
        [SampleBatch.at((own, other), np.ones(2), 1_700_000_000_000, known)]
    )
    expected = [
        {
            "target": {"instance": "h:1", "job": "api"},
            "metric": "own",
            "type": "counter",
            "help": "Own.",
            "unit": "",
        }
    ]
    assert await ask(web, "targets/metadata") == expected
    assert await ask(web, "targets/metadata", match_target='{job="api"}', metric="own") == expected
    assert await ask(web, "targets/metadata", match_target='{job="web"}') == []
    assert (await ask(web, "targets/metadata", 400, match_target="{"))["errorType"] == "bad_data"


async def test_alertmanagers_are_listed(web: Any) -> None:
    """Those that take alerts."""
    found = await ask(web, "alertmanagers")
    assert found["activeAlertmanagers"] == [{"url": "http://am:9093/api/v2/alerts"}]
    assert found["droppedAlertmanagers"] == []


async def test_the_server_tells_what_it_is(web: Any) -> None:
    """Configuration, flags, versions and what it is doing."""
    assert await ask(web, "status/config") == {"yaml": "global: {}\n"}
    assert await ask(web, "status/flags") == {"web.enable-admin-api": "false"}
    build = await ask(web, "status/buildinfo")
    assert int(build["version"].split(".")[0]) >= 3
    assert (build["application"], build["applicationVersion"]) == ("Veriscope", "1.2.3")
    runtime = await ask(web, "status/runtimeinfo")
    assert runtime["startTime"] == "2023-11-14T22:13:20.000Z"
    assert runtime["storageRetention"] == "30d"
    assert runtime["goroutineCount"] >= 1
    assert await ask(web, "status/walreplay") == {"min": 0, "max": 0, "current": 0}
    features = await ask(web, "features")
    assert features["api"]["admin"] is False
    assert features["promql_functions"]["rate"] is True
    assert await ask(web, "notifications") == []
    async with web.get("/api/v1/notifications/live") as answer:
        assert answer.status == 204


async def test_tsdb_statistics_name_who_has_most(web: Any, store: Store) -> None:
    """As many as are asked for, ten by default."""
    labels = tuple(to_labels({"__name__": f"m{n % 20}", "n": str(n)}) for n in range(40))
    store.metrics.insert_batches([SampleBatch.at(labels, np.ones(40), 1_700_000_000_000)])
    found = await ask(web, "status/tsdb")
    assert found["headStats"]["numSeries"] == 40
    assert found["seriesCountByMetricName"][0] == {"name": "m0", "value": 2}
    assert len(found["seriesCountByMetricName"]) == 10
    assert found["labelValueCountByLabelName"][0] == {"name": "n", "value": 40}
    assert len((await ask(web, "status/tsdb", limit="3"))["memoryInBytesByLabelName"]) == 2
    for limit in ("0", "10001", "x"):
        assert (await ask(web, "status/tsdb", 400, limit=limit))["errorType"] == "bad_data"
    blocks = (await ask(web, "status/tsdb/blocks"))["blocks"]
    assert sum(block["stats"]["numSamples"] for block in blocks) == 40


async def test_exemplars_are_empty_where_there_are_none(web: Any) -> None:
    """A list, and errors of the query as those of any query."""
    assert await ask(web, "query_exemplars", query="rate(foo[5m])") == []
    async with web.get("/api/v1/query_exemplars", params={"query": "1 + 1"}) as answer:
        assert answer.status == 204  # as Prometheus, where nothing is selected
    assert (await ask(web, "query_exemplars", 400, query="rate("))["errorType"] == "bad_data"
    wrong = await ask(web, "query_exemplars", 400, query="a", start="2", end="1")
    assert "must not be before start" in wrong["error"]


async def test_exemplars_are_answered_by_series(web: Any, store: Store) -> None:
    """Of every selector in the query, within the time, oldest first."""
    first_ms = 1_700_000_000_000
    labels = tuple(to_labels({"__name__": "latency_bucket", "le": le}) for le in ("1", "+Inf"))
    store.metrics.insert_batches([SampleBatch.at(labels, np.ones(2), first_ms)])
    traces = tuple(to_labels({"trace_id": trace}) for trace in ("b", "a", "c"))
    batch = ExemplarBatch(
        labels,
        np.array([0, 0, 1], dtype=np.uint32),
        np.array([first_ms + 500, first_ms, first_ms]),
        np.array([0.5, 0.25, 7.0]),
        traces,
    )
    store.metrics.insert_batches([batch])
    asked = {"start": str(first_ms / 1000), "end": str(first_ms / 1000 + 1)}
    query = 'histogram_quantile(0.9, rate(latency_bucket{le="1"}[5m]))'
    found = await ask(web, "query_exemplars", query=query, **asked)
    assert found == [
        {
            "seriesLabels": {"__name__": "latency_bucket", "le": "1"},
            "exemplars": [
                {"labels": {"trace_id": "a"}, "value": "0.25", "timestamp": 1700000000},
                {"labels": {"trace_id": "b"}, "value": "0.5", "timestamp": 1700000000.5},
            ],
        }
    ]
    both = await ask(web, "query_exemplars", query="latency_bucket", **asked)
    assert [each["seriesLabels"]["le"] for each in both] == ["+Inf", "1"]
    early = {"start": "1600000000", "end": "1600000001"}
    assert await ask(web, "query_exemplars", query="latency_bucket", **early) == []
