import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from veriscope.alert.notify.forwarding import Forwarder, OutsideConfig, Relabel
from veriscope.signals import Labels, ManualClock, decode_unit, to_labels
from veriscope.signals.alerts import PostedAlert

NOW_MS = 1_700_000_000_000


def same(labels: Labels) -> Labels:
    """Rewrite nothing."""
    return labels


def outside(url: str, **more: Any) -> OutsideConfig:
    """Return the entry of `alertmanagers` for the server at *url*."""
    data = {"static_configs": [{"targets": [url.partition("://")[2]]}], **more}
    return msgspec.convert(data, OutsideConfig, dec_hook=decode_unit)


def forwarder(
    *entries: tuple[OutsideConfig, Relabel], registry: CollectorRegistry, relabel: Relabel = same
) -> Forwarder:
    """Return one for these servers."""
    clock = ManualClock(now_ms=NOW_MS)
    return Forwarder(entries, relabel=relabel, clock=clock, registry=registry)


def alerts(count: int) -> list[PostedAlert]:
    """Return alerts that differ in `n`."""
    return [
        PostedAlert(to_labels({"alertname": "A", "n": f"{i:05}"}), starts_at_ms=NOW_MS)
        for i in range(count)
    ]


async def drained(found: Forwarder, during: Callable[[], Awaitable[None]] | None = None) -> None:
    """Run *found* until nothing waits."""
    stop = asyncio.Event()
    running = asyncio.create_task(found.run(stop))
    if during is not None:
        await during()
    stop.set()
    await running


async def test_every_server_gets_every_alert(
    open_recorder: Callable[[], Any], registry: CollectorRegistry
) -> None:
    """In order, at most 64 at a time, below the path prefix, whatever becomes of the others."""
    one, two = open_recorder(), open_recorder()
    two.answers["/am/api/v2/alerts"] = (400, {}, b"no")
    found = forwarder(
        (outside(one.url), same), (outside(two.url, path_prefix="/am/"), same), registry=registry
    )
    await found.put(alerts(100))
    await drained(found)
    assert [kept.path for kept in one.kept] == ["/api/v2/alerts"] * 2
    sent = [alert for kept in one.kept for alert in kept.json]
    assert [alert["labels"]["n"] for alert in sent] == [f"{i:05}" for i in range(100)]
    assert [len(kept.json) for kept in one.kept] == [64, 36]
    assert len(two.kept) == 2
    assert registry.get_sample_value("veriscope_forwarding_dropped_total") == 0
    label = {"alertmanager": f"{two.url}/am/api/v2/alerts"}
    assert registry.get_sample_value("veriscope_forwarding_errors_total", label) == 100


async def test_alerts_are_sent_as_they_are(recorder: Any, registry: CollectorRegistry) -> None:
    """With their times, in Go's spelling; an end that is not known is left out."""
    whole = PostedAlert(
        to_labels({"alertname": "A"}), to_labels({"summary": "s"}), NOW_MS, NOW_MS + 500, "http://g"
    )
    found = forwarder((outside(recorder.url), same), registry=registry)
    await found.put([whole, PostedAlert(whole.labels)])
    await drained(found)
    first, second = recorder.kept[0].json
    assert first == {
        "labels": {"alertname": "A"},
        "annotations": {"summary": "s"},
        "startsAt": "2023-11-14T22:13:20Z",
        "endsAt": "2023-11-14T22:13:20.5Z",
        "generatorURL": "http://g",
    }
    assert second["startsAt"] == "2023-11-14T22:13:20Z"
    assert "endsAt" not in second


async def test_labels_are_rewritten_for_all_and_for_one(
    open_recorder: Callable[[], Any], registry: CollectorRegistry
) -> None:
    """What relabelling drops is not sent: to nobody, or not to that one."""
    one, two = open_recorder(), open_recorder()

    def marked(labels: Labels) -> Labels | None:
        return None if ("n", "00000") in labels else to_labels({**dict(labels), "site": "x"})

    def nothing(_: Labels) -> None:
        return None

    found = forwarder(
        (outside(one.url), same), (outside(two.url), nothing), registry=registry, relabel=marked
    )
    await found.put(alerts(2))
    await drained(found)
    assert [alert["labels"] for alert in one.kept[0].json] == [
        {"alertname": "A", "n": "00001", "site": "x"}
    ]
    assert two.kept == []


async def test_what_nobody_takes_is_given_up_after_two_tries(
    recorder: Any, registry: CollectorRegistry
) -> None:
    """Rules send it again; what would never be taken is tried once."""
    recorder.answers["/api/v2/alerts"] = (503, {}, b"")
    found = forwarder((outside(recorder.url), same), registry=registry)
    await found.put(alerts(3))
    await drained(found)
    assert len(recorder.kept) == 2
    assert registry.get_sample_value("veriscope_forwarding_dropped_total") == 3
    assert registry.get_sample_value("veriscope_forwarding_queue_length") == 0


async def test_the_oldest_go_where_too_many_wait(
    recorder: Any, registry: CollectorRegistry
) -> None:
    """The queue is bounded, and what is lost is counted."""
    found = forwarder((outside(recorder.url), same), registry=registry)
    await found.put(alerts(10_003))
    assert registry.get_sample_value("veriscope_forwarding_queue_length") == 10_000
    await drained(found)
    assert registry.get_sample_value("veriscope_forwarding_dropped_total") == 3
    assert recorder.kept[0].json[0]["labels"]["n"] == "00003"


async def test_alerts_go_out_while_it_runs(recorder: Any, registry: CollectorRegistry) -> None:
    """Nothing waits for the end."""
    found = forwarder((outside(recorder.url), same), registry=registry)

    async def send() -> None:
        for count in (1, 2):
            await found.put(alerts(1))
            await asyncio.to_thread(recorder.wait, count)

    await drained(found, send)
    assert len(recorder.kept) == 2


async def test_without_servers_nothing_waits(registry: CollectorRegistry) -> None:
    """Whoever forwards nothing keeps nothing."""
    found = forwarder(registry=registry)
    await found.put(alerts(5))
    assert registry.get_sample_value("veriscope_forwarding_queue_length") == 0


@pytest.mark.parametrize(
    "wrong",
    [{"api_version": "v1"}, {"scheme": "ftp"}, {"basic_auth": {}, "authorization": {}}, {"x": 1}],
)
def test_what_cannot_work_is_refused(wrong: dict[str, Any]) -> None:
    """When the file is read, not when an alert fires."""
    with pytest.raises(msgspec.ValidationError):
        outside("http://a", **wrong)
