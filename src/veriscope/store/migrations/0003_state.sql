-- Small changing state, as documents: dashboards today; silences, incidents and tokens to come.
-- The newest version of a key wins; a deleted key keeps a row that says so.

CREATE TABLE state
(
    kind    LowCardinality(String),
    key     String,
    body    String CODEC(ZSTD(1)),
    version UInt64,
    deleted UInt8
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (kind, key);
