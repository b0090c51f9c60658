import re
from pathlib import Path

from prometheus_client import Counter
from prometheus_client.metrics import MetricWrapperBase

from veriscope import genrf
from veriscope.genrf import metrics

PAGE = (Path(__file__).parents[2] / "docs/genrf.md").read_text(encoding="utf-8")


def test_the_examples_run() -> None:
    """What the page shows can be pasted."""
    for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(compile(block, "docs/genrf.md", "exec"), {})  # noqa: S102 - the project's own page


def test_families_and_recorders_are_documented() -> None:
    """Each family has its row with its labels, and each recorder is named."""
    rows = {row[0]: row[1] for row in re.findall(r"^\| `(\w+)` \| (.+)$", PAGE, re.MULTILINE)}
    families = [each for each in vars(metrics).values() if isinstance(each, MetricWrapperBase)]
    assert len(families) == 10
    for family in families:
        (described,) = family.describe()
        row = rows[described.name + ("_total" if isinstance(family, Counter) else "")]
        assert all(f"`{label}`" in row for label in family._labelnames)
    for name in genrf.__all__:
        assert name in PAGE or name in {"STATUSES", "Generation"}
