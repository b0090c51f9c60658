import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from veriscope.collect.probe import PROBE_METADATA, FailureReason
from veriscope.facade.application import (
    ApplicationMetrics,
    ApplicationMonitor,
    BusinessPaths,
    Endpoint,
)

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "application.md").read_text(encoding="utf-8")
EXAMPLES = [
    (name, block)
    for name in ("application.md", "health.md")
    for block in re.findall(r"```python\n(.*?)```", (DOCS / name).read_text("utf-8"), re.DOTALL)
]


@pytest.mark.parametrize(
    "example",
    [block for _, block in EXAMPLES],
    ids=[f"{n}-{i}" for i, (n, _) in enumerate(EXAMPLES)],
)
def test_examples_run(example: str, tmp_path: Path) -> None:
    """Each example can be pasted into a file and started."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", example],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


def test_every_argument_field_reason_and_metric_is_on_the_page() -> None:
    """Nothing has to be looked up in the source."""
    arguments = ApplicationMonitor.__init__.__kwdefaults__ or {}
    names = [
        *arguments,
        *(field.name for field in fields(Endpoint)),
        *(field.name for field in fields(ApplicationMetrics) if field.name not in _DOCUMENT),
        *BusinessPaths.__struct_fields__,
        *(reason.value for reason in FailureReason),
        *(described.name for described in PROBE_METADATA),
    ]
    assert [name for name in names if f"`{name}`" not in PAGE] == []


_DOCUMENT = {"timestamp", "service_name", "endpoint", "success_count"}
