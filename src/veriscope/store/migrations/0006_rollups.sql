-- Roll-ups: what the samples of five minutes, and of an hour, come to, one row a series and bucket.
--
-- A bucket is named by its end and holds the samples of `(ts - its length, ts]`, as the window of
-- a range function does, so that whole buckets make up whole windows. Rows are computed from
-- samples that rest already, never on their way in: a sample that is sent twice would be counted
-- twice. A bucket that is computed again has a greater version.

CREATE TABLE rollups_5m
(
    metric   LowCardinality(String),
    id       UInt64 CODEC(ZSTD(1)),
    ts       DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    version  UInt64 CODEC(DoubleDelta, ZSTD(1)),
    -- All samples, and those that are no stale markers. The rest is of the latter.
    samples  UInt32 CODEC(T64, ZSTD(1)),
    count    UInt32 CODEC(T64, ZSTD(1)),
    changes  UInt32 CODEC(T64, ZSTD(1)),
    resets   UInt32 CODEC(T64, ZSTD(1)),
    first_ts DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    last_ts  DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    first    Float64 CODEC(Delta, ZSTD(1)),
    last     Float64 CODEC(Delta, ZSTD(1)),
    -- What a counter had reached before each of its resets, added up.
    lost     Float64 CODEC(ZSTD(1)),
    sum      Float64 CODEC(ZSTD(1)),
    min      Float64 CODEC(Delta, ZSTD(1)),
    max      Float64 CODEC(Delta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toMonday(ts)
ORDER BY (metric, id, ts)
SETTINGS ttl_only_drop_parts = 1, concurrent_part_removal_threshold = 10000;

CREATE TABLE rollups_1h AS rollups_5m
ENGINE = ReplacingMergeTree(version)
PARTITION BY toStartOfMonth(ts)
ORDER BY (metric, id, ts)
SETTINGS ttl_only_drop_parts = 1, concurrent_part_removal_threshold = 10000;
