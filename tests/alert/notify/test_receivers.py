import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import structlog
from prometheus_client import CollectorRegistry

from veriscope.alert import AlertGroup
from veriscope.alert.notify import DeliveryOptions, load_receivers
from veriscope.signals import InvalidInputError

MakeGroup = Callable[..., AlertGroup]
FAST = DeliveryOptions(first_pause_s=0.01, longest_pause_s=0.05, max_queue=3, max_age_s=30)


def webhooks(url: str, registry: CollectorRegistry, options: DeliveryOptions = FAST) -> Any:
    """Return a receiver with one webhook."""
    source = [{"name": "team", "webhook_configs": [{"url": url}]}]
    return load_receivers(source, registry=registry, options=options)["team"]


def test_a_file_of_alertmanagers_is_read(
    receiver: Any, make_group: MakeGroup, tmp_path: Path, registry: CollectorRegistry
) -> None:
    """Receivers and globals count, file names are the file's, and routing is left with a word."""
    (tmp_path / "url").write_text(f"{receiver.url}/from-file\n")
    file = tmp_path / "alertmanager.yml"
    file.write_text(
        "global: {resolve_timeout: 5m, smtp_smarthost: 'localhost:25', smtp_from: a@b}\n"
        "route: {receiver: team}\n"
        "receivers:\n"
        "- name: team\n"
        "  webhook_configs: [{url_file: url}]\n"
        "  email_configs: [{to: c@d}]\n"
        "- name: nobody\n"
    )
    with structlog.testing.capture_logs() as logs:
        receivers = load_receivers(file, registry=registry)
    assert list(receivers) == ["team", "nobody"]
    assert [entry["sections"] for entry in logs] == [["route"]]
    hook, email = receivers["team"].deliveries
    hook.put(make_group())
    assert receiver.wait(1)[0].path == "/from-file"
    assert not email.notifier.send_resolved


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ([{"name": "a", "webhok_configs": []}], "`webhok_configs`"),
        ([{"name": "a", "webhook_configs": [{"ulr": "x"}]}], "`ulr`"),
        ([{"name": "a", "webhook_configs": [{}]}], "url or url_file"),
        ([{"name": "a", "webhook_configs": [{"url": "ftp://x"}]}], "http or https"),
        ([{"name": "a", "slack_configs": [{}]}], "slack_api_url"),
        ([{"name": "a", "pagerduty_configs": [{}]}], "routing_key"),
        ([{"name": "a", "email_configs": [{"to": "x@y"}]}], "smtp_from"),
        (
            [{"name": "a", "email_configs": [{"to": "x@y", "from": "z", "smarthost": "h"}]}],
            "host:port",
        ),
        (
            [
                {
                    "name": "a",
                    "webhook_configs": [
                        {"url": "http://x", "http_config": {"basic_auth": {}, "authorization": {}}}
                    ],
                }
            ],
            "not both",
        ),
        ([{"name": "a"}, {"name": "a"}], "given twice"),
        ([{"webhook_configs": []}], "`name`"),
        ({"receivers": [], "global": {"smtp": 1}}, "`smtp`"),
        ({"receivers": [], "recievers": []}, "`recievers`"),
        ("/nowhere/receivers.yml", "cannot read"),
    ],
)
def test_what_is_not_understood_is_refused_by_name(source: Any, said: str) -> None:
    """A typing error in a configuration is an error, not a receiver that never gets anything."""
    with pytest.raises(InvalidInputError, match=said):
        load_receivers(source)


def test_secrets_are_never_shown() -> None:
    """Neither an error nor the configuration's own text gives a secret away."""
    with pytest.raises(InvalidInputError) as caught:
        load_receivers([{"name": "a", "webhook_configs": [{"url": "gopher://s3cret"}]}])
    assert "s3cret" not in str(caught.value)


def test_notifications_arrive_in_order_after_an_outage(
    receiver: Any, make_group: MakeGroup, registry: CollectorRegistry
) -> None:
    """The end of an alert never overtakes its beginning, however often that is refused."""
    receiver.statuses = [503, 429, 500]
    team = webhooks(receiver.url, registry)
    assert team.put(make_group(firing=1))
    assert team.put(make_group(firing=0, resolved=1))
    assert team.flush(60)
    assert [r.body["status"] for r in receiver.wait(5)] == ["firing"] * 4 + ["resolved"]
    labels = {"integration": "webhook"}
    assert registry.get_sample_value("veriscope_notifications_total", labels) == 2
    assert registry.get_sample_value("veriscope_notification_latency_seconds_count", labels) == 5


def test_a_full_queue_refuses_and_counts_and_nobody_waits(
    receiver: Any, make_group: MakeGroup, registry: CollectorRegistry
) -> None:
    """While a receiver hangs, notifying takes no time and the queue no more memory."""
    receiver.answers.clear()
    team = webhooks(receiver.url, registry)
    started = time.monotonic()
    taken = [team.put(make_group()) for _ in range(10)]
    assert time.monotonic() - started < 10
    assert taken == [True] * 3 + [False] * 7
    labels = {"integration": "webhook", "reason": "queueFull"}
    assert registry.get_sample_value("veriscope_notifications_failed_total", labels) == 7
    receiver.answers.set()
    assert team.flush(60)
    assert len(receiver.requests) == 3


def test_what_is_refused_or_too_old_is_given_up_and_counted(
    receiver: Any, make_group: MakeGroup, registry: CollectorRegistry
) -> None:
    """A notification nobody will ever take makes room for the next."""
    receiver.statuses = [400]
    team = webhooks(receiver.url, registry)
    team.put(make_group(name="first"))
    team.put(make_group(name="second"))
    assert team.flush(60)
    assert [r.body["groupLabels"]["alertname"] for r in receiver.requests] == ["first", "second"]
    receiver.statuses = [503] * 100
    hasty = webhooks(receiver.url, registry, DeliveryOptions(first_pause_s=0.01, max_age_s=0))
    hasty.put(make_group())
    assert hasty.flush(60)
    for reason in ("clientError", "serverError"):
        labels = {"integration": "webhook", "reason": reason}
        assert registry.get_sample_value("veriscope_notifications_failed_total", labels) == 1


def test_one_slow_receiver_holds_up_no_other(
    receiver: Any, make_group: MakeGroup, registry: CollectorRegistry
) -> None:
    """Each notifier has a queue and a thread of its own."""
    slow = type(receiver)()
    slow.answers.clear()
    source = [
        {"name": "team", "webhook_configs": [{"url": slow.url}, {"url": receiver.url}]},
    ]
    team = load_receivers(source, registry=registry, options=FAST)["team"]
    team.put(make_group())
    receiver.wait(1)
    assert slow.requests == []
    slow.close()


def test_the_end_of_an_alert_goes_only_where_it_is_wanted(
    receiver: Any, make_group: MakeGroup, registry: CollectorRegistry
) -> None:
    """`send_resolved: false` keeps the good news away."""
    hook = {"url": receiver.url, "send_resolved": False}
    source = [{"name": "team", "webhook_configs": [hook]}]
    team = load_receivers(source, registry=registry, options=FAST)["team"]
    team.put(make_group(firing=0, resolved=1))
    team.put(make_group(firing=1))
    assert team.flush(60)
    assert [request.body["status"] for request in receiver.requests] == ["firing"]


def test_closing_gives_up_what_waits_and_says_so(
    receiver: Any, make_group: MakeGroup, registry: CollectorRegistry
) -> None:
    """At the end of the process nothing is lost in silence."""
    receiver.answers.clear()
    team = webhooks(receiver.url, registry)
    for _ in range(3):
        team.put(make_group())
    assert team.close() == 3
    labels = {"integration": "webhook", "reason": "other"}
    assert registry.get_sample_value("veriscope_notifications_failed_total", labels) == 3
    assert not team.put(make_group())


def test_threads_are_daemons_with_our_name(
    receiver: Any, make_group: MakeGroup, registry: CollectorRegistry
) -> None:
    """Nothing runs before the first notification, and what runs does not hold the exit up."""
    receiver.answers.clear()
    team = webhooks(receiver.url, registry)
    before = {thread.ident for thread in threading.enumerate()}
    team.put(make_group())
    new = [t for t in threading.enumerate() if t.ident not in before and "notify" in t.name]
    assert [(thread.name, thread.daemon) for thread in new] == [("veriscope-notify-webhook", True)]
    logging.getLogger().debug("done")
