"""Roll-ups: what the samples of five minutes and of an hour come to, kept up to date."""

import json
import threading
import time
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from veriscope.signals import STALE_BITS, FetchLimits, LabelSets, RollupFetch, Rollups
from veriscope.store.commits import Commit, CommitLog
from veriscope.store.engine import Engine
from veriscope.store.labels import LabelCache
from veriscope.store.rollup_slices import IN_SLICE, slices
from veriscope.store.scan import check_samples, check_series
from veriscope.store.select import find_histograms, select_rollups
from veriscope.store.state import StateStore
from veriscope.store.weeks import HOUR_MS

MINUTES_MS: Final = 300_000
TABLES: Final = {MINUTES_MS: "rollups_5m", HOUR_MS: "rollups_1h"}
"""Tables by the length of their buckets in milliseconds."""

_SETTLING_MS: Final = 300_000
"""An hour is rolled up when it has been over for this long; what comes later is late."""
_AT_ONCE: Final = 24
"""Hours that are rolled up together."""
_STATE: Final = "rollups"

_FROM_SAMPLES: Final = f"""
INSERT INTO rollups_5m
SELECT
    metric,
    id,
    fromUnixTimestamp64Milli(bucket * {MINUTES_MS}, 'UTC') AS ts,
    {{version:UInt64}} AS version,
    count() AS samples,
    countIf(live) AS count,
    countIf(follows AND value != before AND NOT (isNaN(value) AND isNaN(before))) AS changes,
    countIf(follows AND value < before) AS resets,
    minIf(time, live) AS first_ts,
    maxIf(time, live) AS last_ts,
    argMinIf(value, time, live) AS first,
    argMaxIf(value, time, live) AS last,
    sumIf(before, follows AND value < before) AS lost,
    sumIf(value, live) AS sum,
    if(countIf(number) = 0, nan, minIf(value, number)) AS min,
    if(countIf(number) = 0, nan, maxIf(value, number)) AS max
FROM
(
    SELECT
        metric, id, time, value, bucket, live,
        live AND NOT isNaN(value) AS number,
        lagInFrame(value) OVER series AS before,
        live AND lagInFrame(bucket) OVER series = bucket AS follows
    FROM
    (
        SELECT metric, id, ts AS time, value,
            reinterpretAsUInt64(value) != {STALE_BITS} AS live,
            intDiv(toUnixTimestamp64Milli(ts) + {MINUTES_MS - 1}, {MINUTES_MS}) AS bucket
        FROM samples FINAL
        WHERE ts > fromUnixTimestamp64Milli({{after:Int64}}, 'UTC')
            AND ts <= fromUnixTimestamp64Milli({{until:Int64}}, 'UTC')
            AND {IN_SLICE}
    )
    -- Stale markers in a frame of their own: they stand between no two samples.
    WINDOW series AS (PARTITION BY metric, id, live ORDER BY time
        ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)
)
GROUP BY metric, id, bucket
"""

_FROM_MINUTES: Final = f"""
INSERT INTO rollups_1h
SELECT
    part.metric AS metric,
    part.id AS id,
    fromUnixTimestamp64Milli(bucket * {HOUR_MS}, 'UTC') AS ts,
    {{version:UInt64}} AS version,
    sum(part.samples) AS samples,
    sum(part.count) AS count,
    sum(part.changes) + countIf(follows AND part.first != before
        AND NOT (isNaN(part.first) AND isNaN(before))) AS changes,
    sum(part.resets) + countIf(follows AND part.first < before) AS resets,
    minIf(part.first_ts, part.count > 0) AS first_ts,
    maxIf(part.last_ts, part.count > 0) AS last_ts,
    argMinIf(part.first, part.first_ts, part.count > 0) AS first,
    argMaxIf(part.last, part.last_ts, part.count > 0) AS last,
    sum(part.lost) + sumIf(before, follows AND part.first < before) AS lost,
    sum(part.sum) AS sum,
    if(countIf(part.number) = 0, nan, minIf(part.min, part.number)) AS min,
    if(countIf(part.number) = 0, nan, maxIf(part.max, part.number)) AS max
FROM
(
    SELECT
        part.*, part.bucket AS bucket, part.count > 0 AND NOT isNaN(part.min) AS number,
        lagInFrame(part.last) OVER series AS before,
        part.count > 0 AND lagInFrame(part.bucket) OVER series = part.bucket AS follows
    FROM
    (
        SELECT *, intDiv(toUnixTimestamp64Milli(ts) + {HOUR_MS - 1}, {HOUR_MS}) AS bucket
        FROM rollups_5m FINAL
        WHERE ts > fromUnixTimestamp64Milli({{after:Int64}}, 'UTC')
            AND ts <= fromUnixTimestamp64Milli({{until:Int64}}, 'UTC')
            AND {IN_SLICE}
    ) AS part
    WINDOW series AS (PARTITION BY part.metric, part.id, part.count > 0 ORDER BY part.ts
        ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)
) AS part
GROUP BY metric, id, bucket
"""

_HOURS: Final = f"intDiv(toUnixTimestamp64Milli(ts) + {HOUR_MS - 1}, {HOUR_MS}) AS hour"
_UNLIKE: Final = f"""
SELECT hour FROM
(
    SELECT {_HOURS}, toInt64(count()) AS found FROM samples FINAL
    WHERE ts <= fromUnixTimestamp64Milli({{until:Int64}}, 'UTC') GROUP BY hour
    UNION ALL
    SELECT {_HOURS}, -toInt64(sum(samples)) AS found FROM rollups_5m FINAL
    WHERE ts > (SELECT min(ts) FROM samples) GROUP BY hour
)
GROUP BY hour HAVING sum(found) != 0
"""


@dataclass(slots=True)
class _Progress:
    """
    How far roll-ups have come.

    Every hour until *until_ms* is rolled up but those in *late*, and those in *rolling*, which
    are under way. Hours are named by their end, in hours since 1970.
    """

    until_ms: int = 0
    late: set[int] = field(default_factory=set)
    rolling: set[int] = field(default_factory=set)


class RollupKeeper:
    """
    Rolls up each hour once it is over, and again when samples of it come late.

    `fill` is for one thread, the rest for any. What is rolled up is told by
    `covered_until`.
    """

    def __init__(
        self,
        engine: Engine,
        commits: CommitLog,
        state: StateStore,
        labels: LabelCache,
        kept_ms: int = 0,
    ) -> None:
        """Take for gone what is older than *kept_ms* (milliseconds); zero keeps all samples."""
        self._engine = engine
        self._kept_ms = kept_ms
        self._gone_ms = 0
        self._labels = labels
        self._state = state
        self._lock = threading.Lock()
        self._saving = threading.Lock()
        self._progress = _Progress()
        self._noted: set[int] = set()
        self._writing: Commit | None = None
        self._loaded = False
        self._unsure = False
        commits.expect(self._expect)
        commits.listen(self._heard)

    def fill(self, now_ms: int) -> int:
        """Roll up what can be at *now_ms* and return how many hours were."""
        self._load()
        progress = self._progress
        self._gone_ms = now_ms - self._kept_ms if self._kept_ms else 0
        over_ms = (now_ms - _SETTLING_MS) // HOUR_MS * HOUR_MS
        if self._unsure:
            self._look()
        if progress.until_ms < over_ms:
            self._extend(over_ms)
        with self._lock:
            # Of an hour whose samples may be gone, a late one would replace all that is known.
            progress.late = {hour for hour in progress.late if self._is_kept(hour)}
            # Each once, though samples that are being loaded make them late again all the time.
            wanted = set(progress.late)
        done = len(wanted)
        while hours := _neighbours(wanted):
            self._roll_up(hours)
            wanted -= hours
        if done:
            self._save(clean=False)
        return done

    def covered_until(self, after_ms: int) -> int:
        """Return until when every bucket after *after_ms* is there and right, in Unix ms."""
        if not self._loaded or self._unsure:
            return after_ms
        progress = self._progress
        with self._lock:
            wrong = progress.late | progress.rolling
            until_ms = progress.until_ms
        return min([until_ms, *((h - 1) * HOUR_MS for h in wrong if h * HOUR_MS > after_ms)])

    def fetch(self, fetch: RollupFetch, limits: FetchLimits) -> Rollups | None:
        """
        Return the buckets of *fetch*; None where some of its series are native histograms.

        Those are not rolled up. Raises as `SeriesReader.fetch` does.
        """
        if self._engine.ask(find_histograms(fetch), limits).num_rows:
            return None
        rows = self._engine.ask(select_rollups(fetch, TABLES[fetch.bucket_ms]), limits)
        check_samples(rows.num_rows, limits)
        ids = rows["id"].to_numpy()
        starts = np.flatnonzero(np.diff(ids, prepend=~ids[:1]))
        stops = np.append(starts[1:], len(ids)) if len(ids) else starts
        check_series(len(starts), limits)
        labels = self._labels.of(ids[starts].tolist(), limits)
        known = np.array([bool(row) for row in labels], dtype=np.bool_)
        return Rollups(
            LabelSets(filter(None, labels)),
            starts[known],
            stops[known],
            rows["end"].to_numpy(),
            rows["firsts"].to_numpy(),
            rows["lasts"].to_numpy(),
            rows["counts"].to_numpy(),
            rows["first"].to_numpy(),
            rows["last"].to_numpy(),
            figures={
                name: rows[name].to_numpy()
                for name in ("sum", "min", "max", "changes", "resets", "lost")
            },
        )

    def close(self) -> None:
        """Remember that nothing came late that is not known of."""
        if self._loaded:
            self._save(clean=not self._unsure)

    def _load(self) -> None:
        with self._saving:
            if self._loaded:
                return
            if saved := self._state.get(_STATE, "progress"):
                document = json.loads(saved)
                with self._lock:
                    self._progress.until_ms = document["until_ms"]
                    self._progress.late |= set(document["late"])
                    # After a sudden end: what is late is noted, but not what was deleted.
                    self._unsure |= not document["clean"]
                self._write(clean=False)
            self._loaded = True

    def _expect(self, commit: Commit) -> None:
        """
        Note which hours *commit* makes late, before it is stored.

        So they are known even if the process dies once it is. That costs a write where an hour
        has not been noted already, and next to nothing where nothing is late.
        """
        self._load()
        with self._lock:
            self._writing = commit
            late = self._being_written()
        if late:
            with self._saving:
                if not late <= self._noted:
                    self._write(clean=False)

    def _heard(self, commit: Commit | None) -> None:
        """Take what was being written for late; None says that anything may have changed."""
        with self._lock:
            self._unsure |= commit is None
            self._progress.late |= self._being_written()
            self._writing = None

    def _being_written(self) -> set[int]:
        """Return the hours that the commit under way makes late."""
        commit, until_ms = self._writing, self._progress.until_ms
        if commit is None or commit.first_ms is None or commit.first_ms > until_ms:
            return set()
        return set(filter(self._is_kept, _late_hours(commit, until_ms)))

    def _is_kept(self, hour: int) -> bool:
        return (hour - 1) * HOUR_MS >= self._gone_ms

    def _look(self) -> None:
        """Find out by counting which hours are late."""
        self._unsure = False
        try:
            found = self._unlike(self._progress.until_ms)
        except BaseException:
            self._unsure = True
            raise
        with self._lock:
            self._progress.late |= found

    def _extend(self, until_ms: int) -> None:
        """Call every hour until *until_ms* late that has samples."""
        known_ms = self._progress.until_ms
        with self._lock:
            self._progress.until_ms = until_ms
            if until_ms - known_ms <= _AT_ONCE * HOUR_MS:
                first, last = known_ms // HOUR_MS + 1, until_ms // HOUR_MS
                self._progress.late.update(range(first, last + 1))
            else:
                self._unsure = True
        if self._unsure:
            self._look()
        self._save(clean=False)

    def _unlike(self, until_ms: int) -> set[int]:
        """Return the hours that have other samples than their roll-ups know of."""
        return set(self._engine.query(_UNLIKE, {"until": until_ms})["hour"].to_pylist())

    def _roll_up(self, hours: set[int]) -> None:
        """Roll up neighbouring *hours*; what comes late meanwhile makes them late again."""
        progress = self._progress
        with self._lock:
            progress.late -= hours
            progress.rolling |= hours
        span = {
            "after": (min(hours) - 1) * HOUR_MS,
            "until": max(hours) * HOUR_MS,
            "version": time.time_ns(),
        }
        try:
            for part in slices(self._engine, span["after"], span["until"]):
                self._engine.command(_FROM_SAMPLES, span | part)
                self._engine.command(_FROM_MINUTES, span | part)
        except BaseException:
            with self._lock:
                progress.late |= hours
            raise
        finally:
            with self._lock:
                progress.rolling -= hours

    def _save(self, *, clean: bool) -> None:
        with self._saving:
            self._write(clean=clean)

    def _write(self, *, clean: bool) -> None:
        """Write the progress down, holding `_saving`; *clean* where it says all that is late."""
        with self._lock:
            unfinished = self._progress.late | self._progress.rolling | self._being_written()
            document = {
                "until_ms": self._progress.until_ms,
                "late": sorted(unfinished),
                "clean": clean,
            }
        self._state.put(_STATE, "progress", json.dumps(document).encode())
        self._noted = unfinished


def _neighbours(late: set[int]) -> set[int]:
    """Return the first of *late* and those that follow it without a gap, some at most."""
    if not late:
        return set()
    first = min(late)
    last = first
    while last + 1 in late and last - first + 1 < _AT_ONCE:
        last += 1
    return set(range(first, last + 1))


def _late_hours(commit: Commit, until_ms: int) -> set[int]:
    late = commit.timestamps_ms[commit.timestamps_ms <= until_ms]
    return set(np.unique(-(-late // HOUR_MS)).tolist())
