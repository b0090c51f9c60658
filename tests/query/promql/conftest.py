"""The `load`/`eval` language that fills a source and asks an engine."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from veriscope.query.promql import PromqlEngine, parse
from veriscope.query.promql.ast import VectorSelector
from veriscope.query.promql.lexer import duration_ms
from veriscope.signals import STALE_NAN, Grid, Labels, Matrix, to_labels

_EXPANSION = re.compile(r"(?P<start>-?[\d.]+(?:e[+-]?\d+)?)(?P<step>[+-][\d.]+)?x(?P<times>\d+)")


def expand(words: str) -> list[float | None]:
    """Read Prometheus' series notation: `1 _ NaN stale 0+10x5 _x3`."""
    values: list[float | None] = []
    for word in words.split():
        if word == "_":
            values.append(None)
        elif word == "stale":
            values.append(STALE_NAN)
        elif word.startswith("_x"):
            values.extend([None] * int(word[2:]))
        elif found := _EXPANSION.fullmatch(word):
            start, step = float(found["start"]), float(found["step"] or 0)
            values.extend(start + step * index for index in range(int(found["times"]) + 1))
        else:
            values.append(float(word))
    return values


def milliseconds(duration: str) -> int:
    """Read a PromQL duration."""
    return duration_ms(duration, duration, 0) if duration != "0" else 0


@dataclass
class Script:
    """
    Runs Prometheus' test language.

    `load STEP` with lines `SERIES VALUES…`; `eval instant at TIME EXPR` and
    `eval range from TIME to TIME step TIME EXPR` with lines `SERIES VALUES…` (or one number
    for a scalar); `eval_ordered instant …`; `eval_fail … ` with an optional line of the error's
    text. Lines `expect warn TEXT` and `expect info TEXT` name what is said beside the answer; where
    there are any, nothing else may be said.
    """

    source: Any
    engine: PromqlEngine

    def run(self, text: str) -> None:
        """Run all commands of *text*."""
        blocks: list[list[str]] = []
        for line in text.splitlines():
            if not line.strip() or line.strip().startswith("#"):
                continue
            if line.startswith(("load", "eval", "clear")):
                blocks.append([line.strip()])
            else:
                blocks[-1].append(line.strip())
        for head, *lines in blocks:
            self._command(head, lines)

    def _command(self, head: str, lines: list[str]) -> None:
        if head == "clear":
            self.source.series.clear()
            self.source.changes.append(-(2**62))
            return
        if head.startswith("load"):
            step = milliseconds(head.split()[1])
            for line in lines:
                series, values = split_series(line)
                points = enumerate(expand(values))
                self.source.add(
                    series, [(i * step, value) for i, value in points if value is not None]
                )
            return
        instant = re.fullmatch(r"eval(_ordered|_fail)? instant at (\w+) (.*)", head)
        ranged = re.fullmatch(r"eval(_fail)? range from (\w+) to (\w+) step (\w+) (.*)", head)
        if instant:
            mode, at, expr = instant.groups()
            grid = Grid.instant(milliseconds(at))
        else:
            assert ranged, head
            mode, start, end, step, expr = ranged.groups()
            grid = Grid(milliseconds(start), milliseconds(end), milliseconds(step))
        self._check(expr, grid, lines, mode or "", instant=bool(instant))

    def _check(
        self,
        expr: str,
        grid: Grid,
        lines: list[str],
        mode: str,
        *,
        instant: bool,
    ) -> None:
        ask = (
            (lambda: self.engine.instant_query(expr, grid.start_ms))
            if instant
            else (lambda: self.engine.range_query(expr, grid))
        )
        if mode == "_fail":
            with pytest.raises(Exception, match=re.escape(" ".join(lines))):
                ask()
            return
        result = ask()
        value, lines = result.value, check_notes(expr, result, lines)
        if isinstance(value, str):
            assert lines == [value], expr
            return
        if not isinstance(value, Matrix):
            (expected,) = lines
            np.testing.assert_allclose(value, [float(expected)], rtol=1e-12, err_msg=expr)
            return
        found = {
            labels: [v if p else None for v, p in zip(row, there, strict=True)]
            for labels, row, there in zip(
                value.labels, value.values.tolist(), value.present.tolist(), strict=True
            )
        }
        wanted = {}
        for line in lines:
            series, values = split_series(line)
            points = expand(values)
            wanted[series_labels(series)] = points + [None] * (len(grid) - len(points))
        assert set(found) == set(wanted), f"{expr}: {sorted(found)}"
        if mode == "_ordered":
            assert list(found) == list(wanted), expr
        for labels, points in wanted.items():
            absent = [point is None for point in points]
            assert [point is None for point in found[labels]] == absent, (expr, found[labels])
            np.testing.assert_allclose(
                [point for point in found[labels] if point is not None],
                [point for point in points if point is not None],
                rtol=1e-12,
                atol=1e-300,
                err_msg=f"{expr} {labels}",
            )


def check_notes(expr: str, result: Any, lines: list[str]) -> list[str]:
    """Compare what is said beside an answer with what is expected, and return the other lines."""
    expected = [line for line in lines if line.startswith("expect ")]
    said = [f"expect warn {text.removeprefix('PromQL warning: ')}" for text in result.warnings]
    said += [f"expect info {text.removeprefix('PromQL info: ')}" for text in result.infos]
    if expected:
        assert sorted(said) == sorted(expected), expr
    return [line for line in lines if line not in expected]


def split_series(line: str) -> tuple[str, str]:
    """Split a line into the series and its values."""
    end = line.rfind("}") + 1 if "{" in line else line.index(" ")
    return line[:end].strip(), line[end:].strip()


def series_labels(series: str) -> Labels:
    """Read a series as PromQL spells it; `{}` has no labels."""
    if not series.strip("{}"):
        return ()
    selector = parse(series)
    assert isinstance(selector, VectorSelector)
    return to_labels((m.name, m.value) for m in selector.matchers)


def commands(table: str) -> list[str]:
    """Split a table into its commands, each with its lines."""
    found: list[str] = []
    for line in table.splitlines():
        if line.startswith("eval"):
            found.append(line)
        elif line.strip() and not line.startswith("#"):
            found[-1] += "\n" + line
    return found


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give a test that takes `command` each command of its module's `TABLE`."""
    if "command" in metafunc.fixturenames:
        rows = commands(metafunc.module.TABLE)
        metafunc.parametrize("command", rows, ids=[row.splitlines()[0] for row in rows])


@pytest.fixture
def script(source: Any, engine: PromqlEngine) -> Callable[[str], None]:
    """Return what runs the test language."""
    return Script(source, engine).run
