import inspect
import re
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from veriscope.instrument.profiling import SamplingProfiler, profile_generation
from veriscope.instrument.profiling.metrics import metrics_of

PAGE = (Path(__file__).parents[3] / "docs/profiling.md").read_text(encoding="utf-8")


def test_the_examples_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the page shows can be pasted."""
    monkeypatch.chdir(tmp_path)
    for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(compile(block, "docs/profiling.md", "exec"), {})  # noqa: S102 - our own page
    assert list(tmp_path.glob("profiles/profile_generate_lna_circuit_*.prof"))


@pytest.mark.parametrize(
    ("kind", "title"),
    [
        (profile_generation, "One function: `profile_generation`"),
        (SamplingProfiler, "The whole process, always: `SamplingProfiler`"),
    ],
)
def test_arguments_are_documented(kind: Any, title: str) -> None:
    """Each argument has its row, with its default, and there is no other row."""
    section = PAGE.split(f"## {title}\n")[1].split("\n## ")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+?) \|", section, re.MULTILINE))
    arguments = {
        name: argument.default
        for name, argument in inspect.signature(kind).parameters.items()
        if name != "function"
    }
    assert set(rows) == set(arguments)
    for name, default in arguments.items():
        if name != "registry":
            assert rows[name].strip("`") == str(default)


def test_metrics_are_documented() -> None:
    """Each metric has its row."""
    registry = CollectorRegistry()
    metrics_of(registry)
    for family in registry.collect():
        name = family.name + ("_total" if family.type == "counter" else "")
        assert f"| `{name}` |" in PAGE
