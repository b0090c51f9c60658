-- Events: deploys, restarts and the like. Few, and each may be sent again under its id, perhaps
-- with another time, so the id alone is the key.

CREATE TABLE events
(
    id     String,
    time   DateTime64(3, 'UTC') CODEC(ZSTD(1)),
    kind   LowCardinality(String),
    title  String CODEC(ZSTD(1)),
    text   String CODEC(ZSTD(1)),
    url    String CODEC(ZSTD(1)),
    labels Map(LowCardinality(String), String) CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree
ORDER BY id
SETTINGS concurrent_part_removal_threshold = 10000;

-- The door of `state`: many documents come in one insert, and their version is found without a
-- query beside it, which would have to wait for its turn. The version is the time of writing, and
-- one more than the last where clocks disagree: of two servers on one database, the later writer
-- wins.

CREATE TABLE state_door (kind String, key String, body String, deleted UInt8) ENGINE = Null;

CREATE MATERIALIZED VIEW state_door_to_state TO state AS
SELECT
    kind,
    key,
    body,
    greatest(
        toUInt64(toUnixTimestamp64Nano(now64(9))),
        (SELECT max(version) FROM state) + 1
    ) AS version,
    deleted
FROM state_door;

-- A rule looks for spans by their end. One may have begun long before, and this tells which pieces
-- of the table have none that lasted so long.

ALTER TABLE spans ADD INDEX IF NOT EXISTS by_end addNanoseconds(start_time, greatest(duration_ns, 0)) TYPE minmax GRANULARITY 1;
