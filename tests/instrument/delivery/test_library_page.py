import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from veriscope.instrument.delivery import ExportOptions
from veriscope.instrument.delivery.tally import Reason, tally_of

PAGE = (Path(__file__).parents[3] / "docs/library.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| `(\w+)` \| (.+?) \|", PAGE, re.MULTILINE))
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("field", msgspec.structs.fields(ExportOptions), ids=lambda each: each.name)
def test_options_are_documented_with_their_defaults(field: Any) -> None:
    """Each option has its row, and the default is that of the code."""
    cell = ROWS[field.name].strip("`")
    if field.required:
        assert cell == "needed"
    else:
        assert cell == ("none" if field.default is None else str(field.default))


def test_metrics_and_reasons_are_documented() -> None:
    """Each metric and each reason for a loss has its row."""
    registry = CollectorRegistry()
    tally_of(registry)
    for family in registry.collect():
        assert family.name + ("_total" if family.type == "counter" else "") in ROWS
    assert set(Reason) <= set(ROWS)


@pytest.mark.parametrize("example", EXAMPLES)
def test_examples_run(sink: Any, tmp_path: Path, example: str) -> None:
    """What the page shows works as it stands, against a server."""
    script = tmp_path / "example.py"
    answers_no_queries = re.sub(r"exporter\.client\.query", "str", example)
    script.write_text(answers_no_queries.replace("http://127.0.0.1:7070", sink.url))
    subprocess.run(
        [sys.executable, str(script)],
        env={**os.environ, "VERISCOPE_URL": sink.url},
        check=True,
        timeout=30,
    )
