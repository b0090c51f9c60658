import re
from pathlib import Path

import msgspec
import pytest
import yaml
from prometheus_client import CollectorRegistry

from veriscope.alert.notify import DeliveryOptions, GlobalConfig, ReceiverConfig, load_receivers
from veriscope.alert.notify import metrics as notify_metrics
from veriscope.facade.alerting.syntax import FUNCTIONS, MAX_CHARACTERS, MAX_DEPTH
from veriscope.facade.framework import FrameworkOptions
from veriscope.facade.framework.metrics import dropped_counter
from veriscope.instrument.tracing import TracingOptions
from veriscope.instrument.tracing import metrics as tracing_metrics

DOCS = Path(__file__).parents[3] / "docs"
PAGES = "".join(
    (DOCS / name).read_text() for name in ("framework.md", "receivers.md", "tracing.md")
)
ROW = re.compile(r"^\| `(\w+)` \| (.+?) \| (.+) \|$", re.MULTILINE)


def structs(kind: object) -> set[type]:
    """Return the option types that *kind* leads to, itself included."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return {kind}.union(*(structs(field.type) for field in msgspec.structs.fields(kind)))
    return set().union(*(structs(part) for part in getattr(kind, "__args__", ())))


KINDS = {FrameworkOptions, DeliveryOptions, TracingOptions}
KINDS |= structs(ReceiverConfig) | structs(GlobalConfig)


@pytest.mark.parametrize("kind", sorted(KINDS, key=lambda kind: kind.__name__))
def test_every_option_has_its_row(kind: type) -> None:
    """Some table has the option types' fields, in their order, each with a meaning."""
    wanted = [field.encode_name for field in msgspec.structs.fields(kind)]
    tables = [ROW.findall(block) for block in PAGES.split("\n\n")]
    assert wanted in [[name for name, _, _ in table] for table in tables]


def test_every_metric_is_documented() -> None:
    """What is counted can be looked up."""
    registry = CollectorRegistry()
    notify_metrics.metrics_of(registry)
    tracing_metrics.metrics_of(registry)
    dropped_counter(registry)
    for family in registry.collect():
        suffix = "_total" if family.type == "counter" else ""
        assert f"`{family.name}{suffix}" in PAGES


def test_limits_of_conditions_are_documented() -> None:
    """The page's numbers are those of the code."""
    assert f"{MAX_CHARACTERS:,} characters and {MAX_DEPTH} levels" in PAGES
    assert all(f"`{name}(" in PAGES for name in FUNCTIONS)


def test_python_examples_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever pastes the page's code gets no error."""
    page = (DOCS / "framework.md").read_text()
    monkeypatch.chdir(tmp_path)
    (receivers,) = re.findall(r"```yml\n(.*?)```", page, re.DOTALL)
    (tmp_path / "receivers.yml").write_text(receivers)
    assert list(load_receivers(tmp_path / "receivers.yml", registry=CollectorRegistry())) == [
        each["name"] for each in yaml.safe_load(receivers)["receivers"]
    ]
    names: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(compile(block, "docs/framework.md", "exec"), names)  # noqa: S102 - our own page
