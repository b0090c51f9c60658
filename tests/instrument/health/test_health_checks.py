import asyncio
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from veriscope.instrument.health import CheckResult, HealthChecks
from veriscope.signals import InvalidInputError, ManualClock


@pytest.fixture
def registry() -> CollectorRegistry:
    """Return a registry of the test's own."""
    return CollectorRegistry()


@pytest.fixture
def checks(registry: CollectorRegistry) -> HealthChecks:
    """Return an empty set of checks."""
    return HealthChecks("genrf", "1.2", registry=registry)


@pytest.fixture
def hanging() -> Iterator[Callable[[], None]]:
    """Return a check that hangs until the test ends."""
    release = threading.Event()
    yield lambda: (release.wait(30), None)[1]
    release.set()


def check_threads() -> list[str]:
    """Return the names of the threads in which checks run."""
    return [t.name for t in threading.enumerate() if t.name.startswith("veriscope-check-")]


def test_the_document_s_json_comes_out(checks: HealthChecks) -> None:
    """Timestamp, status and checks as in the document, and it is JSON."""
    checks.add("database", lambda: None)
    checks.add("gpu", lambda: "no_gpu")
    before = time.time()
    document = json.loads(json.dumps(checks.run()))
    assert before - 1 <= document["timestamp"] <= time.time()
    assert document["status"] == "healthy"
    assert document["checks"] == {"database": "healthy", "gpu": "no_gpu"}
    assert document["details"]["database"] == {
        "status": "healthy",
        "reason": "",
        "critical": True,
        "cached": False,
        "age_s": 0.0,
        "observed": None,
        "unit": "",
        "duration_ms": document["details"]["database"]["duration_ms"],
    }
    assert (document["service"], document["version"]) == ("genrf", "1.2")


def raising() -> None:
    """Fail as a database does."""
    raise ConnectionError("no route")


@pytest.mark.parametrize(
    ("check", "text"),
    [
        (lambda: None, "healthy"),
        (lambda: True, "healthy"),
        (lambda: "no_gpu", "no_gpu"),
        (lambda: CheckResult(text="warm"), "warm"),
        (lambda: False, "unhealthy: the check returned False"),
        (lambda: 7, "unhealthy: the check returned a int, which says nothing"),
        (lambda: CheckResult(ok=False, reason="cold"), "unhealthy: cold"),
        (raising, "unhealthy: no route"),
    ],
)
def test_what_a_check_may_answer(checks: HealthChecks, check: Any, text: str) -> None:
    """Every answer has one meaning; what is not understood is not taken for health."""
    checks.add("it", check)
    assert checks.run()["checks"] == {"it": text}


async def test_async_checks_run_in_the_caller_s_loop(checks: HealthChecks) -> None:
    """Connections that belong to the loop can be used."""
    loops = []

    async def check() -> None:
        loops.append(asyncio.get_running_loop())

    checks.add("pool", check, cache_s=0)
    await checks.run_async()
    assert loops == [asyncio.get_running_loop()]


def test_async_checks_run_without_a_loop_too(checks: HealthChecks) -> None:
    """`run` needs no event loop."""

    async def check() -> str:
        await asyncio.sleep(0)
        return "fine"

    checks.add("pool", check)
    assert checks.run()["checks"] == {"pool": "fine"}


def test_one_that_hangs_is_given_up_and_does_not_pile_up(
    checks: HealthChecks, hanging: Callable[[], None]
) -> None:
    """It costs its timeout once and one thread; until it ends it is said to be running."""
    checks.add("spice", hanging, timeout_s=0.1, cache_s=0)
    checks.add("other", lambda: None, cache_s=0)
    started = time.monotonic()
    first = checks.run()
    assert time.monotonic() - started < 30
    assert first["checks"] == {"spice": "unhealthy: no answer within 0.1 s", "other": "healthy"}
    for _ in range(20):
        again = checks.run()["checks"]["spice"]
        assert again.startswith("unhealthy: still running after")
    assert check_threads() == ["veriscope-check-spice"]


def test_one_that_hung_is_run_again_once_it_has_ended(checks: HealthChecks) -> None:
    """A check that comes back is healthy again."""
    release = threading.Event()
    checks.add("slow", lambda: (release.wait(60), None)[1], timeout_s=0.5, cache_s=0)
    assert checks.run()["status"] == "unhealthy"
    release.set()
    for thread in threading.enumerate():
        if thread.name == "veriscope-check-slow":
            thread.join(60)
    assert checks.run()["status"] == "healthy"


async def test_an_async_check_that_hangs_is_cancelled(checks: HealthChecks) -> None:
    """Nothing of it is left in the host's loop."""
    cancelled = asyncio.Event()

    async def hang() -> None:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    checks.add("pool", hang, timeout_s=0.05)
    assert (await checks.run_async())["checks"]["pool"] == "unhealthy: no answer within 0.05 s"
    async with asyncio.timeout(60):
        await cancelled.wait()


async def test_the_host_s_loop_goes_on_while_checks_block(checks: HealthChecks) -> None:
    """A blocking check does not hold up the service that it watches."""
    gate = threading.Event()
    checks.add("blocking", lambda: (gate.wait(60), None)[1], timeout_s=90)
    run = asyncio.ensure_future(checks.run_async())
    for _ in range(3):
        await asyncio.sleep(0.01)
    assert not run.done()
    gate.set()
    assert (await run)["status"] == "healthy"


def test_outcomes_are_cached(registry: CollectorRegistry) -> None:
    """For `cache_s` seconds the check is not asked again, and the age is told."""
    clock = ManualClock(now_ms=1_000_000)
    checks = HealthChecks("genrf", registry=registry, clock=clock)
    calls = []
    checks.add("database", lambda: calls.append(1), cache_s=5)
    assert checks.run()["details"]["database"]["cached"] is False
    clock.advance(ms=4900)
    details = checks.run()["details"]["database"]
    assert (details["cached"], details["age_s"], len(calls)) == (True, 4.9, 1)
    clock.advance(ms=100)
    assert checks.run()["details"]["database"]["cached"] is False
    assert len(calls) == 2


def test_callers_at_the_same_time_share_a_run(checks: HealthChecks) -> None:
    """Sixty-four probes of an orchestrator are one run of each check."""
    calls, gate = [], threading.Event()

    def check() -> None:
        calls.append(1)
        gate.wait(60)

    checks.add("database", check, cache_s=0)
    found: list[dict[str, Any]] = []
    threads = [threading.Thread(target=lambda: found.append(checks.run())) for _ in range(64)]
    for thread in threads:
        thread.start()
    while not calls:
        time.sleep(0.001)
    assert len(check_threads()) == 1
    gate.set()
    for thread in threads:
        thread.join(10)
    assert len(found) == 64
    assert all(document["status"] == "healthy" for document in found)


async def test_a_caller_that_goes_away_takes_nothing_with_it(checks: HealthChecks) -> None:
    """A cancelled request leaves the run to the others."""
    gate = threading.Event()
    checks.add("database", lambda: (gate.wait(60), None)[1])
    first = asyncio.ensure_future(checks.run_async())
    await asyncio.sleep(0)
    second = asyncio.ensure_future(checks.run_async())
    await asyncio.sleep(0)
    first.cancel()
    gate.set()
    assert (await second)["status"] == "healthy"


def test_checks_that_are_not_critical_only_degrade(checks: HealthChecks) -> None:
    """The service stays healthy, and says what it lacks."""
    checks.add("cache", raising, critical=False)
    checks.add("database", lambda: None)
    document = checks.run()
    assert (document["status"], document["degraded"]) == ("healthy", ["cache"])
    assert document["checks"]["cache"] == "unhealthy: no route"
    checks.add("disk", raising)
    assert checks.run()["status"] == "unhealthy"


def test_what_depends_on_a_failure_is_skipped(checks: HealthChecks) -> None:
    """One cause, one failure: the rest says whom it waits for."""
    asked = []
    checks.add("network", raising)
    checks.add("database", lambda: asked.append("database"), after=["network"])
    checks.add("migrations", lambda: asked.append("migrations"), after=("database",))
    checks.add("disk", lambda: asked.append("disk"))
    assert checks.run()["checks"] == {
        "network": "unhealthy: no route",
        "database": "skipped: network is unhealthy",
        "migrations": "skipped: database is skipped",
        "disk": "healthy",
    }
    assert asked == ["disk"]


def test_what_depends_on_health_runs_after_it(checks: HealthChecks) -> None:
    """Order follows dependencies, whatever takes how long."""
    order = []
    checks.add("a", lambda: (time.sleep(0.05), order.append("a"))[1])
    checks.add("b", lambda: order.append("b"), after="a")
    checks.run()
    assert order == ["a", "b"]


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("a", {}, "taken"),
        ("", {}, "empty"),
        ("b", {"after": ["c"]}, "'b' is to run after 'c', which must be added before it"),
        ("b", {"after": ["b"]}, "'b' is to run after 'b'.*cycle"),
        ("b", {"timeout_s": 0}, "timeout_s"),
        ("b", {"cache_s": -1}, "cache_s"),
    ],
)
def test_what_cannot_work_is_refused(
    checks: HealthChecks, name: str, options: dict[str, Any], words: str
) -> None:
    """Mistakes and cycles show when a check is added."""
    checks.add("a", lambda: None)
    with pytest.raises(InvalidInputError, match=words):
        checks.add(name, lambda: None, **options)


@pytest.mark.parametrize(
    ("reason", "shown"),
    [
        ("postgresql://me:s3cret@db/x is gone", "postgresql://<redacted>@db/x is gone"),
        ("amqp://u:p@ss@host", "amqp://<redacted>@host"),
        ("connect(host=db, password='s3 cret')", "connect(host=db, password=<redacted>)"),
        ('{"api_key": "s3cret"}', '{"api_key": <redacted>}'),
        ("Authorization: Bearer abcdefghi", "Authorization: <redacted>"),
        ("two\nlines", "two lines"),
        ("the token bucket is empty", "the token bucket is empty"),
    ],
)
def test_reasons_hold_no_credentials(checks: HealthChecks, reason: str, shown: str) -> None:
    """`/health` is read by many; a DSN's password is not for them."""
    checks.add("database", lambda: CheckResult(ok=False, reason=reason))
    document = checks.run()
    assert document["checks"]["database"] == f"unhealthy: {shown}"
    assert document["details"]["database"]["reason"] == shown


def test_a_long_reason_is_cut(checks: HealthChecks) -> None:
    """A page of HTML in an exception does not become the answer."""
    checks.add("http", lambda: CheckResult(ok=False, reason="x" * 10_000))
    assert len(checks.run()["details"]["http"]["reason"]) == 500


def test_checks_report_to_the_registry(checks: HealthChecks, registry: CollectorRegistry) -> None:
    """Health can be alerted on; answers from the cache are no runs."""
    checks.add("good", lambda: None)
    checks.add("bad", raising)
    checks.run()
    checks.run()
    labels = {"service": "genrf", "check": "bad"}
    assert registry.get_sample_value("veriscope_health_check_up", labels) == 0
    assert registry.get_sample_value("veriscope_health_check_up", labels | {"check": "good"}) == 1
    runs = "veriscope_health_check_runs_total"
    assert registry.get_sample_value(runs, labels | {"status": "unhealthy"}) == 1
    assert registry.get_sample_value(runs, labels | {"status": "healthy"}) == 0
    name = "veriscope_health_check_duration_seconds"
    assert (registry.get_sample_value(name, labels) or 0) > 0


def test_several_services_share_a_registry(registry: CollectorRegistry) -> None:
    """Two sets of checks in one process do not collide."""
    for service in ("a", "b"):
        checks = HealthChecks(service, registry=registry)
        checks.add("it", lambda: None)
        checks.run()
        labels = {"service": service, "check": "it"}
        assert registry.get_sample_value("veriscope_health_check_up", labels) == 1


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_worker_checks_for_itself(
    checks: HealthChecks, hanging: Callable[[], None]
) -> None:
    """What hangs in the parent neither hangs nor is reported in the child."""
    checks.add("fast", lambda: None)
    checks.add("spice", lambda: hanging() if os.getpid() == parent else None, timeout_s=0.05)
    parent = os.getpid()
    threading.Thread(target=checks.run, daemon=True).start()
    while not check_threads():
        time.sleep(0.001)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, checks.run()["status"].encode())
        os._exit(0)
    assert os.read(reader, 100) == b"healthy"
    os.waitpid(child, 0)
    os.close(reader)
    os.close(writer)


def test_health_json_follows_the_draft(checks: HealthChecks) -> None:
    """Keys, status words and arrays of draft-inadarei-api-health-check-06."""
    checks.add("disk", lambda: CheckResult(observed=29, unit="percent", component_type="system"))
    found = checks.report().as_health_json()
    assert (found["status"], found["version"], found["serviceId"]) == ("pass", "1.2", "genrf")
    (disk,) = found["checks"]["disk"]
    assert disk.pop("time").endswith("+00:00")
    assert disk == {
        "componentType": "system",
        "observedValue": 29,
        "observedUnit": "percent",
        "status": "pass",
    }
    checks.add("cache", raising, critical=False)
    assert checks.report().as_health_json()["status"] == "warn"
    checks.add("database", raising)
    found = checks.report().as_health_json()
    assert found["status"] == "fail"
    assert found["output"] == "cache: no route; database: no route"
    assert found["checks"]["cache"][0]["status"] == "warn"
    assert found["checks"]["database"][0]["output"] == "no route"


def test_the_interpreter_ends_while_a_check_hangs(run_python: Callable[..., Any]) -> None:
    """No thread of ours is waited for at exit."""
    code = (
        "import time; from veriscope import HealthChecks; checks = HealthChecks('x');"
        "checks.add('hang', lambda: time.sleep(60), timeout_s=0.05); print(checks.run()['status'])"
    )
    done = run_python(code)
    assert (done.code, done.out, done.err) == (0, "unhealthy\n", "")
    assert done.seconds < 30
