import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from veriscope.instrument.logs import LoggingOptions, configure_logging
from veriscope.instrument.logs.metrics import metrics_of
from veriscope.instrument.logs.options import SECRET_KEYS

PAGE = (Path(__file__).parents[3] / "docs/logging.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| `(\w+)` \| (.+?) \|", PAGE, re.MULTILINE))


def test_the_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the page shows can be pasted."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VERISCOPE_URL", raising=False)
    try:
        for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
            exec(compile(block, "docs/logging.md", "exec"), {})  # noqa: S102 - our own page
    finally:
        configure_logging(console="off", ship=False, directory=tmp_path).reset()
    assert len((tmp_path / "logs/genrf.log").read_text().splitlines()) == 2
    assert (tmp_path / "logs/genrf-security.log").exists()


@pytest.mark.parametrize("field", msgspec.structs.fields(LoggingOptions), ids=lambda f: f.name)
def test_options_are_documented(field: Any) -> None:
    """Each option has its row, with its default."""
    shown = ROWS[field.name].strip("`")
    if field.name == "redact":
        assert all(f"`{word}`" in PAGE for word in SECRET_KEYS)
    elif field.name.endswith("_mode"):
        assert shown == oct(field.default)
    else:
        assert shown == str(field.default)


def test_metrics_are_documented() -> None:
    """Each metric has its row."""
    registry = CollectorRegistry()
    metrics_of(registry)
    assert {f"{family.name}_total" for family in registry.collect()} <= set(ROWS)
