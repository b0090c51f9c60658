"""Answers as JSON: the `data` object of Prometheus' API, written from columns."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Final

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from veriscope.query.promql.answer_kernels import LONGEST_FRAME, LONGEST_POINT, write_series
from veriscope.query.promql.float_texts import format_floats
from veriscope.query.promql.histograms.text import as_json
from veriscope.query.promql.histograms.windows import histogram_samples
from veriscope.query.promql.result import QueryResult, ResultKind
from veriscope.query.promql.threads import frozen, processors, run_all
from veriscope.signals import HistogramSamples, LabelSets, Matrix, RaggedSamples

_CHUNK_POINTS: Final = 1 << 17
"""Points written at a time by each thread: some 3 MB of text."""
_encoder: Final = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True, eq=False)
class _Texts:
    """Texts behind one another: number *i* is `letters[bounds[i]:bounds[i + 1]]`."""

    letters: NDArray[np.uint8]
    bounds: NDArray[np.int64]

    @classmethod
    def of(cls, texts: Iterable[bytes]) -> "_Texts":
        parts = list(texts)
        letters = np.frombuffer(b"".join(parts), dtype=np.uint8)
        bounds = np.concatenate(([0], np.cumsum([len(part) for part in parts], dtype=np.int64)))
        return cls(frozen(letters), frozen(bounds.astype(np.int64)))


@dataclass(frozen=True, slots=True, eq=False)
class _Series:
    """What the compiled writer takes: rows of points, and the texts around them."""

    labels: LabelSets
    values: NDArray[np.float64]
    present: NDArray[np.bool_]
    times_ms: NDArray[np.int64]
    starts: NDArray[np.int64]
    counts: NDArray[np.int64]
    shared: bool
    tails: _Texts | None = None


def encode(result: QueryResult) -> Iterator[bytes]:
    """
    Yield *result* as the JSON object `{"resultType": …, "result": …}`, in chunks.

    Times are in seconds with up to three decimals and values are strings, both as Prometheus
    writes them; points that are not present are left out, as are series without any.
    """
    yield f'{{"resultType":"{result.kind}","result":'.encode()
    value = result.value
    if isinstance(value, Matrix):
        many = result.kind is not ResultKind.VECTOR
        yield from _list(_chunks(_matrix(value, many=many), many=many))
    elif isinstance(value, RaggedSamples):
        yield from _list(_chunks(_ragged(value), many=True))
    else:
        text = value if isinstance(value, str) else format_floats(np.asarray(value)[:1])[0].as_py()
        seconds = _encoder.encode(result.grid.start_ms / 1000)
        yield b"[" + seconds.removesuffix(b".0") + b"," + _encoder.encode(text) + b"]"
    yield b"}"


def _list(items: Iterator[bytes]) -> Iterator[bytes]:
    """Put brackets around *items*, each of which ends in a comma."""
    yield b"["
    last = next(items, None)
    for item in items:
        if last is not None:
            yield last
        last = item
    if last is not None:
        yield last[:-1]
    yield b"]"


def _chunks(series: _Series, *, many: bool) -> Iterator[bytes]:
    """Yield the series, some rows at a time; those of large answers by several threads."""
    heads = series.labels.derived(_heads, _heads)
    tails = series.tails or _no_texts(len(series.labels))
    writer = partial(
        write_series,
        many,
        frozen(series.values),
        frozen(series.present),
        frozen(series.times_ms),
        frozen(series.starts),
        frozen(series.counts),
        series.shared,
        heads.letters,
        heads.bounds,
        tails.letters,
        tails.bounds,
    )
    sizes = series.counts * LONGEST_POINT + LONGEST_FRAME
    room = np.concatenate(([0], np.cumsum(sizes))) + heads.bounds + tails.bounds
    parts = _parts(series.counts)
    written: list[bytes] = []

    def write(begin: int, stop: int, turn: int) -> None:
        out = np.empty(int(room[stop] - room[begin]), dtype=np.uint8)
        size = writer(begin, stop, out)
        written[turn] = out[:size].tobytes()

    for first in range(0, len(parts), processors()):
        turns = parts[first : first + processors()]
        written = [b""] * len(turns)
        tasks = [partial(write, *bounds, turn) for turn, bounds in enumerate(turns)]
        run_all(tasks, len(series.values))
        yield from filter(None, written)


def _parts(counts: NDArray[np.int64]) -> Sequence[tuple[int, int]]:
    """Return bounds of rows that hold about as many points as a chunk does."""
    total = np.cumsum(counts)
    if not len(total):
        return []
    cuts = np.searchsorted(total, np.arange(_CHUNK_POINTS, total[-1], _CHUNK_POINTS)) + 1
    bounds = np.unique(np.concatenate(([0], cuts, [len(total)]))).tolist()
    return list(pairwise(bounds))


def _matrix(matrix: Matrix, *, many: bool) -> _Series:
    series, steps = matrix.values.shape
    present, tails = matrix.present, None
    if matrix.histograms is not None and len(matrix.histograms.rows):
        points = matrix.histograms
        present = present.copy()
        present[points.rows, points.steps] = False
        times_ms = matrix.grid.times_ms()[points.steps]
        samples = HistogramSamples(points.rows, times_ms, points.values)
        tails = _histograms(samples, series, many=many)
    return _Series(
        labels=matrix.labels,
        values=np.ravel(matrix.values),
        present=np.ravel(present),
        times_ms=matrix.grid.times_ms(),
        starts=np.arange(series) * steps,
        counts=np.full(series, steps),
        shared=True,
        tails=tails,
    )


def _ragged(samples: RaggedSamples) -> _Series:
    joined, histograms = samples.joined(), histogram_samples(samples)
    tails = None
    if histograms is not None:
        tails = _histograms(histograms, len(samples.labels), many=True)
    return _Series(
        labels=samples.labels,
        values=joined.values,
        present=np.ones(len(joined.values), dtype=np.bool_),
        times_ms=joined.timestamps_ms,
        starts=joined.starts,
        counts=joined.stops - joined.starts,
        shared=False,
        tails=tails,
    )


def _histograms(samples: HistogramSamples, series: int, *, many: bool) -> _Texts:
    """Return `,"histograms":[[time,{…}],…]` (or `,"histogram":…`) of each series that has any."""
    times = format_floats(samples.timestamps_ms / 1000)
    texts = pc.binary_join_element_wise("[", times, ",", as_json(samples.values), "]", "")
    bounds = np.searchsorted(samples.rows, np.arange(series + 1)).astype(np.int32)
    lists = pc.binary_join(pa.ListArray.from_arrays(pa.array(bounds), texts), ",")
    before, after = (',"histograms":[', "]") if many else (',"histogram":', "")
    return _Texts.of(
        f"{before}{text}{after}".encode() if text else b"" for text in lists.to_pylist()
    )


def _heads(labels: LabelSets) -> _Texts:
    return _Texts.of(b'{"metric":' + _encoder.encode(dict(row)) for row in labels)


def _no_texts(count: int) -> _Texts:
    return _Texts(frozen(np.empty(0, np.uint8)), frozen(np.zeros(count + 1, np.int64)))
