"""What a whole run found, as rows of the table and as JSON."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from peers.measure import Disagreement, Load
from peers.questions import Form, Kind, Question
from peers.servers import PROMETHEUS, VERISCOPE, VICTORIA_METRICS
from peers.table import Bound, Row, geometric_mean, growth_per_series

_MIB: Final = 2**20

_MEAN: Final = (Bound(0.5, PROMETHEUS), Bound(0.9, VICTORIA_METRICS))
_AIMS: Final[Mapping[Kind, tuple[Bound, ...]]] = {
    Kind.SCAN: (Bound(0.2, PROMETHEUS), Bound(1, VICTORIA_METRICS)),
    Kind.LARGE: (Bound(0.8, PROMETHEUS),),
    Kind.ONE_SERIES: (Bound(5, shown="5 ms"),),
    Kind.HUNDRED_SERIES: (Bound(1.3, PROMETHEUS),),
    Kind.OTHER: (),
}


@dataclass(slots=True)
class Report:
    """The figures of a run, each by server; a part that was not asked for stays empty."""

    series: int
    samples: int
    machine: Mapping[str, Any]
    loads: dict[str, Load] = field(default_factory=dict)
    seconds: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    per_second: dict[str, float] = field(default_factory=dict)
    per_second_cached: dict[str, float] = field(default_factory=dict)
    peak_bytes: dict[str, float] = field(default_factory=dict)
    disk_bytes: dict[str, float] = field(default_factory=dict)
    table_bytes: dict[str, int] = field(default_factory=dict)
    disagreements: list[Disagreement] = field(default_factory=list)
    fewer: tuple[int, Mapping[str, float]] | None = None
    """Series and peak memory of an earlier run with fewer series."""

    def rows(self, asked: Sequence[Question]) -> list[Row]:
        """Return the table's rows."""
        return [*self._query_rows(asked), *self._throughput_rows(), *self._cost_rows()]

    def _query_rows(self, asked: Sequence[Question]) -> list[Row]:
        if not self.seconds:
            return []
        medians = {question: self._medians_ms(question) for question in asked}
        mean = {
            name: geometric_mean([figures[name] for figures in medians.values()])
            for name in self.seconds[asked[0].text]
        }
        title = f"p50, geometric mean of {len(asked)} questions"
        return [
            Row(title, "ms", mean, _MEAN),
            *(
                Row(_title(question), "ms", medians[question], _AIMS[question.kind])
                for question in asked
            ),
        ]

    def _medians_ms(self, question: Question) -> dict[str, float]:
        return {
            name: statistics.median(seconds) * 1000
            for name, seconds in self.seconds[question.text].items()
        }

    def _throughput_rows(self) -> list[Row]:
        aim = (Bound(1.5, PROMETHEUS, at_least=True),)
        figures = (
            ("queries/s, 8 clients, dashboard mix", self.per_second),
            ("the same with result caches", self.per_second_cached),
        )
        return [Row(title, "", seen, aim) for title, seen in figures if seen]

    def _cost_rows(self) -> list[Row]:
        rows = []
        if self.loads:
            rate = {name: load.samples_per_second for name, load in self.loads.items()}
            cpu = {name: load.cpu_seconds_per_million for name, load in self.loads.items()}
            rows = [
                Row("remote write, samples/s", "", rate, (Bound(2, PROMETHEUS, at_least=True),)),
                Row("CPU-s per million samples, settled", "", cpu, (Bound(0.35, PROMETHEUS),)),
            ]
        if self.disk_bytes:
            sizes = {name: size / self.samples for name, size in self.disk_bytes.items()}
            rows.append(Row("bytes per sample on disk, compacted", "", sizes, (Bound(2.0),)))
        if self.peak_bytes:
            rows += self._memory_rows()
        return rows

    def _memory_rows(self) -> list[Row]:
        peaks = {name: peak / _MIB for name, peak in self.peak_bytes.items()}
        rows = [Row(f"peak memory, {self.series:,} series", "MiB", peaks, self._memory_aim())]
        if self.fewer is not None:
            series, earlier = self.fewer
            grown = {
                name: growth_per_series((self.series, peak), (series, earlier[name]))
                for name, peak in self.peak_bytes.items()
            }
            title = f"memory for each series more than {series:,}"
            rows.append(Row(title, "B", grown, (Bound(3000, shown="3,000 B"),)))
        return rows

    def _memory_aim(self) -> tuple[Bound, ...]:
        return (Bound(1024, shown="1,024 MiB"),) if self.series <= 10_000 else ()

    def document(self, asked: Sequence[Question]) -> dict[str, Any]:
        """Return everything for JSON: the figures, each time of each question, the machine."""
        return {
            "machine": dict(self.machine),
            "series": self.series,
            "samples": self.samples,
            "rows": [
                {
                    "measure": row.measure,
                    "unit": row.unit,
                    "figures": dict(row.figures),
                    "aim": [str(bound) for bound in row.aim],
                    "met": row.met,
                }
                for row in self.rows(asked)
            ],
            "seconds": self.seconds,
            "peak_bytes": self.peak_bytes,
            "disk_bytes": self.disk_bytes,
            "table_bytes": {VERISCOPE: self.table_bytes},
            "disagreements": [
                {
                    "question": each.question,
                    "server": each.server,
                    "told": each.told,
                    "refused": each.refused,
                }
                for each in self.disagreements
            ],
        }


def _title(question: Question) -> str:
    form = "" if question.form is Form.RANGE else f", {question.form.name.lower()}"
    return f"`{question.text.replace('|', chr(92) + '|')}` ({question.about}{form})"
