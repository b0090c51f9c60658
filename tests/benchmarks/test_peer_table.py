import json
from pathlib import Path

import pytest

from peers import table
from peers.__main__ import build_parser
from peers.table import Bound, Row

FIGURES = {"Prometheus": 200.0, "VictoriaMetrics": 50.0, "Veriscope": 40.0}


@pytest.mark.parametrize(
    ("aim", "met"),
    [
        ((), None),
        ((Bound(0.2, "Prometheus"),), True),
        ((Bound(0.2, "Prometheus"), Bound(0.7, "VictoriaMetrics")), False),
        ((Bound(39.9),), False),
        ((Bound(40),), True),
        ((Bound(0.2, "Prometheus", at_least=True),), True),
        ((Bound(1.5, "Prometheus", at_least=True),), False),
    ],
)
def test_an_aim_is_met_when_every_part_of_it_holds(
    aim: tuple[Bound, ...], *, met: bool | None
) -> None:
    """Bounds are inclusive, absolute or relative to a peer, from above or below."""
    assert Row("p50", "ms", FIGURES, aim).met is met


def test_the_table_shows_figures_ratios_aim_and_verdict() -> None:
    """A reader sees at each measure what it was, beside whom, and whether that was asked."""
    row = Row("p50", "ms", FIGURES, (Bound(0.5, "Prometheus"), Bound(1, shown="1 ms")))
    shown = [
        cell.strip() for cell in table.to_markdown([row]).splitlines()[2].strip("|").split("|")
    ]
    times = "\N{MULTIPLICATION SIGN}"
    assert shown == [
        "p50",
        "200 ms",
        "50.0 ms",
        "40.0 ms",
        "0.20",
        "0.80",
        f"≤ 0.5 {times} Prometheus, ≤ 1 ms",
        "missed",
    ]


def test_the_columns_are_aligned() -> None:
    """Every line of the table is as long as the others."""
    rows = [Row("short", "", FIGURES), Row("a longer measure", "ms", {"Veriscope": 1234567.0})]
    assert len({len(line) for line in table.to_markdown(rows).splitlines()}) == 1
    narrow = table.to_markdown(rows, widest=10).splitlines()
    assert len({len(line) for line in narrow}) == 1
    assert "a longer …" in narrow[-1]


def test_a_server_without_a_figure_has_an_empty_cell() -> None:
    """What was not measured is not zero, and has no ratio."""
    cells = Row("cache", "", {"Veriscope": 5.0}).cells()
    assert cells[1:6] == ["", "", "5.00", "", ""]


def test_the_geometric_mean_is_that_of_ratios() -> None:
    """Twice as fast and twice as slow is the same in the mean."""
    assert table.geometric_mean([0.5, 2.0, 10.0, 0.1]) == pytest.approx(1.0)


def test_growth_needs_both_runs(tmp_path: Path) -> None:
    """Memory for each series is what it grew by, over the series that came with it."""
    file = tmp_path / "run.json"
    file.write_text(json.dumps({"series": 10_000, "peak_bytes": {"Veriscope": 1e9}}))
    series, peaks = table.read_peaks(file)
    assert table.growth_per_series((100_000, 1.27e9), (series, peaks["Veriscope"])) == 3000


def test_every_option_is_documented() -> None:
    """The page tells each option of the command."""
    page = (Path(__file__).parents[2] / "docs/benchmarks.md").read_text()
    options = [option for action in build_parser()._actions for option in action.option_strings]
    assert all(f"`{option}" in page for option in options if option not in ("-h", "--help"))
