from collections.abc import Callable, Iterator
from typing import Any

import pytest
from prometheus_client import REGISTRY

import veriscope
from veriscope.instrument import delivery
from veriscope.instrument.delivery import ExportOptions, process
from veriscope.instrument.delivery.tally import tally_of
from veriscope.signals import InvalidInputError


@pytest.fixture(autouse=True)
def fresh_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the process be as it was started, and as it was before at the end."""
    names = ("VERISCOPE_URL", "VERISCOPE_TOKEN", "OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES")
    for name in names:
        monkeypatch.delenv(name, raising=False)
    before = process._process.exporter, process._process.settings, process._process.is_settled
    suggested = process._process.suggested_name
    process._process.exporter, process._process.is_settled = None, False
    process._process.suggested_name = ""
    yield
    delivery.shutdown(0)
    process._process.exporter, process._process.settings, process._process.is_settled = before
    process._process.suggested_name = suggested
    REGISTRY.unregister(tally_of(REGISTRY))
    REGISTRY.register(tally_of(REGISTRY))


def test_without_a_url_all_stays_in_memory() -> None:
    """There is no exporter, and what is kept for alerts is there all the same."""
    assert delivery.configure(receivers=[{"name": "team"}]) is None
    assert delivery.current() is None
    assert delivery.current_settings().receivers == [{"name": "team"}]
    assert delivery.flush()
    assert delivery.shutdown()


def test_the_environment_is_read_on_first_use(sink: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """URL, token, name and resource attributes come from it, once."""
    monkeypatch.setenv("VERISCOPE_URL", f"{sink.url}/")
    monkeypatch.setenv("VERISCOPE_TOKEN", "from-environment")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.name=chat,team=a%20b,broken,k=v=w")
    exporter = delivery.current()
    assert exporter is not None
    assert exporter is delivery.current()
    assert exporter.url == sink.url
    assert exporter.options.service_name == "chat"
    assert (exporter.resource["team"], exporter.resource["k"]) == ("a b", "v=w")
    assert delivery.flush(60)
    assert sink.headers[0]["Authorization"] == "Bearer from-environment"


def test_a_suggested_name_serves_where_nothing_else_names_the_service(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first name that tracing, logging or the framework was given names metrics and records."""
    monkeypatch.setenv("VERISCOPE_URL", "http://127.0.0.1:9")
    for name in (None, "chat", "other"):
        delivery.suggest_service_name(name)
    assert delivery.current_settings().service_name == "chat"
    monkeypatch.setenv("OTEL_SERVICE_NAME", "environment")
    delivery.configure()
    assert delivery.current_settings().service_name == "environment"


def test_arguments_go_before_the_environment(sink: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """An argument, then the options, then `OTEL_SERVICE_NAME` names the service."""
    monkeypatch.setenv("VERISCOPE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "environment")
    options = ExportOptions(service_name="options")
    for name, given, wanted in (
        ("argument", options, "argument"),
        (None, options, "options"),
        (None, None, "environment"),
    ):
        exporter = veriscope.configure(sink.url, service_name=name, options=given)
        assert exporter is not None
        assert exporter.url == sink.url
        assert exporter.options.service_name == wanted


def test_configuring_again_sends_what_the_former_exporter_holds(sink: Any) -> None:
    """Nothing is lost, and the former one takes no more."""
    first = delivery.configure(sink.url, service_name="first")
    assert first is not None
    first.add_sample("kept", {}, 1)
    second = delivery.configure(sink.url, service_name="second")
    assert delivery.current() is second is not first
    assert sink.values("kept") == [1.0]
    assert first.shutdown()


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        ("monitor:7070", "http://HOST:PORT"),
        ("ftp://monitor", "http://HOST:PORT"),
        ("http://", "http://HOST:PORT"),
        ("http://monitor:70700", "Port out of range"),
        ("http://user:secret@monitor", "VERISCOPE_TOKEN"),
        ("http://monitor/?a=b", "query"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused_with_its_cure(url: str, hint: str) -> None:
    """`configure` raises, names cause and cure, shows no password, and changes nothing."""
    with pytest.raises(InvalidInputError, match=hint) as caught:
        delivery.configure(url)
    assert "secret" not in str(caught.value)
    assert not process._process.is_settled


@pytest.mark.parametrize("token", ["two words", "line\n", "é", "\x7f"])
def test_a_token_that_no_header_holds_is_refused(token: str) -> None:
    """It would fail in each request; the message does not show it."""
    with pytest.raises(InvalidInputError, match="VERISCOPE_TOKEN") as caught:
        delivery.configure("http://127.0.0.1:9", token=token)
    assert token not in str(caught.value)


def test_a_ca_file_that_cannot_be_read_is_refused() -> None:
    """It is named."""
    options = ExportOptions(service_name="s", ca_file="/no/such.pem")
    with pytest.raises(InvalidInputError, match=r"ca_file /no/such\.pem"):
        delivery.configure("https://127.0.0.1:9", options=options)


def test_settings_of_the_environment_that_cannot_be_used_are_as_none(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """On a hot path nothing raises: the log says it once, and data stays in memory."""
    monkeypatch.setenv("VERISCOPE_URL", "nonsense")
    assert delivery.current() is None
    assert delivery.current() is None
    assert [each.levelname for each in caplog.records] == ["WARNING"]
    assert "nonsense" in caplog.text


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("metrics_interval_s", 0.0),
        ("metrics_interval_s", float("nan")),
        ("batch_interval_s", -1.0),
        ("timeout_s", float("inf")),
        ("max_queue_bytes", 0),
        ("max_waiting_items", 0),
        ("first_pause_s", 0.0),
        ("longest_pause_s", 0.1),
        ("shutdown_timeout_s", -1.0),
        ("service_name", " "),
    ],
)
def test_options_without_sense_are_refused_by_name(name: str, value: object) -> None:
    """The message names the option."""
    with pytest.raises(InvalidInputError, match=name):
        ExportOptions(**{"service_name": "s", name: value})  # type: ignore[arg-type]


def test_importing_is_light(run_python: Callable[..., Any]) -> None:
    """Neither the package nor an answer of None loads what only an exporter needs."""
    code = (
        "import sys; from veriscope.instrument import delivery; assert delivery.current() is None;"
        "print(sorted({'numpy', 'opentelemetry', 'urllib3', 'prometheus_client', 'google.protobuf'}"
        " & set(sys.modules)))"
    )
    assert run_python(code).out.strip() == "[]"


def test_public_names_are_there() -> None:
    """Each name of `__all__` can be had and is explained; no other name can."""
    for name in delivery.__all__:
        assert getattr(delivery, name).__doc__
    with pytest.raises(AttributeError, match="no_such_name"):
        delivery.no_such_name  # noqa: B018
