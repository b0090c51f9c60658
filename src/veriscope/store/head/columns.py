"""The samples of one metric, by row."""

from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from veriscope.signals import Segment
from veriscope.store.head import kernels

Ids: TypeAlias = NDArray[np.uint64]
Times: TypeAlias = NDArray[np.int64]
Values: TypeAlias = NDArray[np.float64]

_SAMPLE_BYTES: Final = 16
_ROW_BYTES: Final = 24
_NEVER_MS: Final = 1 << 62


@dataclass(frozen=True, slots=True, eq=False)
class Arrivals:
    """Samples to add: `values[i]` at `timestamps_ms[i]` belongs to row `rows[i]`, -1 to none."""

    rows: NDArray[np.int32]
    timestamps_ms: NDArray[np.int64]
    values: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """
    Rows in two shared columns; see `kernels`.

    What a `Segment` was made of never changes. Only the newest of the columns that grew out of
    each other may grow on, so whoever lets them grow holds a lock.
    """

    starts: NDArray[np.int64]
    stops: NDArray[np.int64]
    limits: NDArray[np.int64]
    timestamps_ms: NDArray[np.int64]
    values: NDArray[np.float64]
    used: int
    """Where the columns' free end begins."""
    oldest_ms: int
    newest_ms: int
    """No sample is older or newer."""

    @property
    def nbytes(self) -> int:
        """The memory that is in use; the free end of the columns was not touched yet."""
        return self.used * _SAMPLE_BYTES + len(self.starts) * _ROW_BYTES

    @property
    def samples(self) -> int:
        """How many samples there are."""
        return int((self.stops - self.starts).sum())

    @property
    def empty_rows(self) -> int:
        """How many rows have no sample."""
        return int((self.stops == self.starts).sum())

    def room_for(self, arrivals: Arrivals) -> int:
        """Return the most that *arrivals* may take of the free end."""
        rows = np.unique(arrivals.rows[arrivals.rows >= 0])
        moved = int((self.stops[rows] - self.starts[rows]).sum()) + len(arrivals.rows)
        return _size(len(rows), moved)

    def cut(self, rows: NDArray[np.int64], after_ms: int, until_ms: int) -> tuple[Segment, int]:
        """Return the samples of *rows* in `(after_ms, until_ms]`, and how many rows have none."""
        starts, stops = np.empty_like(rows), np.empty_like(rows)
        _, empty = kernels.cut(
            rows, self.starts, self.stops, self.timestamps_ms, after_ms, until_ms, starts, stops
        )
        return Segment(starts, stops, self.timestamps_ms, self.values), empty

    def grown(self, rows: int) -> "Columns":
        """Return the columns with *rows* empty rows more."""
        none = np.full(rows, self.used)
        return replace(
            self,
            starts=np.concatenate([self.starts, none]),
            stops=np.concatenate([self.stops, none]),
            limits=np.concatenate([self.limits, none]),
        )

    def with_samples(self, arrivals: Arrivals, after_ms: int) -> "Columns | None":
        """Return the columns with *arrivals* after *after_ms*; None where there is no room."""
        made = replace(
            self, starts=self.starts.copy(), stops=self.stops.copy(), limits=self.limits.copy()
        )
        late = np.empty(len(arrivals.rows), dtype=np.int64)
        count, newest_ms = kernels.append(
            arrivals.rows,
            arrivals.timestamps_ms,
            arrivals.values,
            after_ms,
            made.starts,
            made.stops,
            made.limits,
            made.timestamps_ms,
            made.values,
            late,
        )
        newest_ms = max(self.newest_ms, newest_ms)
        if not count:
            return replace(made, newest_ms=newest_ms)
        late = late[:count]
        times = arrivals.timestamps_ms[late]
        late = late[np.lexsort((times, arrivals.rows[late]))]
        used = kernels.move(
            late,
            arrivals.rows,
            arrivals.timestamps_ms,
            arrivals.values,
            made.starts,
            made.stops,
            made.limits,
            made.timestamps_ms,
            made.values,
            self.used,
        )
        if used < 0:
            return None
        return replace(
            made,
            used=used,
            oldest_ms=min(self.oldest_ms, int(times.min())),
            newest_ms=max(newest_ms, int(times.max())),
        )

    def rebuilt(self, after_ms: int, room: int) -> "Columns":
        """Return the samples after *after_ms* in new columns, with *room* at their end."""
        rows = np.arange(len(self.starts))
        kept, _ = self.cut(rows, after_ms, self.newest_ms)
        made = replace(
            empty(len(rows), kept.samples, room),
            oldest_ms=max(self.oldest_ms, after_ms),
            newest_ms=self.newest_ms,
        )
        used = kernels.copy(
            kept.starts,
            kept.stops,
            self.timestamps_ms,
            self.values,
            made.starts,
            made.stops,
            made.limits,
            made.timestamps_ms,
            made.values,
        )
        return replace(made, used=used)


def empty(rows: int, samples: int, room: int) -> Columns:
    """Return columns to be filled with *rows* rows of *samples* together, and *room* more."""
    size = _size(rows, samples) + room
    return Columns(
        starts=np.empty(rows, dtype=np.int64),
        stops=np.empty(rows, dtype=np.int64),
        limits=np.empty(rows, dtype=np.int64),
        timestamps_ms=np.empty(size, dtype=np.int64),
        values=np.empty(size),
        used=0,
        oldest_ms=_NEVER_MS,
        newest_ms=-1,
    )


class Filling:
    """Columns that are filled with samples in order of id and time; at most *rows* rows."""

    def __init__(self, rows: int, samples: int) -> None:
        self._columns = empty(rows, samples, samples >> 4)
        self._ids = np.empty(rows, dtype=np.uint64)
        self._state = np.array([-1, 0])

    def add(self, ids: Ids, times: Times, values: Values, runs: int) -> None:
        """Append samples of *runs* series; of two at one time the greatest is taken."""
        into = self._with_room(_size(runs + 1, len(ids)))
        kernels.load(
            ids,
            times,
            values,
            self._state,
            self._ids,
            into.starts,
            into.stops,
            into.limits,
            into.timestamps_ms,
            into.values,
        )
        self._columns = replace(
            into,
            used=int(into.limits[self._state[0]]),
            oldest_ms=min(into.oldest_ms, int(times.min())),
            newest_ms=max(into.newest_ms, int(times.max())),
        )

    def filled(self) -> tuple[Ids, Columns]:
        """Return the ids of the rows that there are, and their columns."""
        rows = int(self._state[0]) + 1
        made = self._columns
        return self._ids[:rows], replace(
            made, starts=made.starts[:rows], stops=made.stops[:rows], limits=made.limits[:rows]
        )

    def _with_room(self, samples: int) -> Columns:
        made, wanted = self._columns, self._columns.used + samples
        if wanted <= len(made.values):
            return made
        # More than was counted: it was written meanwhile.
        larger = empty(len(made.starts), 2 * wanted, 0)
        larger.timestamps_ms[: made.used] = made.timestamps_ms[: made.used]
        larger.values[: made.used] = made.values[: made.used]
        return replace(made, timestamps_ms=larger.timestamps_ms, values=larger.values)


def _size(rows: int, samples: int) -> int:
    """Return the most that *rows* rows of *samples* together take with their slack."""
    return samples + (samples >> 3) + 9 * rows
