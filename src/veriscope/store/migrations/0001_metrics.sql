-- Metrics: samples by series, series by week, and the doors that samples come in through.
--
-- A door is a Null table whose materialized views decode what is inserted into it. Everything
-- passes `incoming`, the one place that validates label sets and gives a series its id, so that a
-- series has the same id whichever door it came through.

CREATE TABLE samples
(
    metric LowCardinality(String),
    id     UInt64 CODEC(ZSTD(1)),
    ts     DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    -- Two samples of a series at one time are one sample: the greatest, and a number before a NaN.
    -- The grid functions choose the same way, so an answer does not change when parts merge.
    value  SimpleAggregateFunction(max, Float64) CODEC(Delta, ZSTD(1))
)
ENGINE = AggregatingMergeTree
PARTITION BY toMonday(ts)
ORDER BY (metric, id, ts)
SETTINGS ttl_only_drop_parts = 1;

-- One row a series and week after merges, so that retention drops old series with old samples.
-- `labels` depends on `id` alone, which is what the setting says.
CREATE TABLE series
(
    week     Date,
    metric   LowCardinality(String),
    id       UInt64,
    labels   Map(LowCardinality(String), String),
    first_ts SimpleAggregateFunction(min, DateTime64(3, 'UTC')),
    last_ts  SimpleAggregateFunction(max, DateTime64(3, 'UTC'))
)
ENGINE = AggregatingMergeTree
PARTITION BY week
ORDER BY (week, metric, id)
SETTINGS ttl_only_drop_parts = 1, allow_dimensions_outside_sorting_key = 1;

CREATE TABLE metric_metadata
(
    metric  String,
    type    LowCardinality(String),
    help    String,
    unit    LowCardinality(String),
    seen    DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(seen)
ORDER BY metric;

CREATE TABLE incoming
(
    labels  Array(Tuple(name String, value String)),
    samples Array(Tuple(value Float64, timestamp Int64))
)
ENGINE = Null;

CREATE TABLE identified
(
    metric  String,
    id      UInt64,
    labels  Array(Tuple(name String, value String)),
    samples Array(Tuple(value Float64, timestamp Int64))
)
ENGINE = Null;

-- The id hashes names and values with separators that valid UTF-8 cannot hold, so that no two
-- label sets spell the same string. The text between double brackets is what a client reads.
CREATE MATERIALIZED VIEW identify TO identified AS
SELECT
    labels[indexOf(labels.name, '__name__')].value AS metric,
    xxh3(arrayStringConcat(arrayMap(l -> concat(l.name, '\xFE', l.value), labels), '\xFF')) AS id,
    labels,
    samples
FROM incoming
WHERE NOT throwIf(arrayExists(l -> empty(l.name), labels),
        '[[a label name is empty; give every label a name]]')
    AND NOT throwIf(NOT has(labels.name, '__name__'),
        '[[a series has no __name__ label; give every series a metric name]]')
    -- Between spaces, so that two halves of a character do not become one where labels meet.
    AND NOT throwIf(NOT isValidUTF8(arrayStringConcat(labels.name, ' ')) OR NOT isValidUTF8(arrayStringConcat(labels.value, ' ')),
        '[[a label name or value is not valid UTF-8]]')
    AND NOT throwIf(arrayUniq(labels.name) != length(labels),
        '[[a series has the same label name twice]]')
    AND NOT throwIf(length(labels) > 128,
        '[[a series has more than 128 labels]]')
    AND NOT throwIf(arrayExists(l -> length(l.name) > 1024 OR length(l.value) > 65535, labels),
        '[[a label name is longer than 1,024 bytes or a label value longer than 65,535 bytes]]')
    AND NOT throwIf(arrayExists(s -> s.timestamp < 0 OR s.timestamp >= 4102444800000, samples),
        '[[a timestamp is not between 1970 and 2100; send Unix milliseconds]]');

CREATE MATERIALIZED VIEW identified_to_series TO series AS
SELECT
    toMonday(fromUnixTimestamp64Milli(s.timestamp, 'UTC')) AS week,
    metric,
    id,
    any(CAST(labels, 'Map(LowCardinality(String), String)')) AS labels,
    min(fromUnixTimestamp64Milli(s.timestamp, 'UTC')) AS first_ts,
    max(fromUnixTimestamp64Milli(s.timestamp, 'UTC')) AS last_ts
FROM identified
ARRAY JOIN samples AS s
GROUP BY week, metric, id;

CREATE MATERIALIZED VIEW identified_to_samples TO samples AS
SELECT metric, id, fromUnixTimestamp64Milli(s.timestamp, 'UTC') AS ts, s.value AS value
FROM identified
ARRAY JOIN samples AS s;

-- The remote write 1.0 door: one row a request body.
CREATE TABLE remote_write
(
    timeseries Array(Tuple(
        labels Array(Tuple(name String, value String)),
        samples Array(Tuple(value Float64, timestamp Int64)),
        histograms Array(Tuple(timestamp Int64)))),
    metadata Array(Tuple(type Int32, metric_family_name String, help String, unit String))
)
ENGINE = Null;

-- An empty label value is an absent label.
CREATE MATERIALIZED VIEW remote_write_to_incoming TO incoming AS
SELECT
    arraySort(arrayFilter(l -> notEmpty(l.value) OR empty(l.name), body.labels)) AS labels,
    body.samples AS samples
FROM remote_write
ARRAY JOIN timeseries AS body
WHERE NOT throwIf(notEmpty(body.histograms),
        '[[native histograms are not stored yet; set send_native_histograms: false]]');

CREATE MATERIALIZED VIEW remote_write_to_metadata TO metric_metadata AS
SELECT
    m.metric_family_name AS metric,
    transform(m.type, range(1, 8),
        ['counter', 'gauge', 'histogram', 'gaugehistogram', 'summary', 'info', 'stateset'], 'unknown') AS type,
    m.help AS help,
    m.unit AS unit
FROM remote_write
ARRAY JOIN metadata AS m
WHERE notEmpty(m.metric_family_name)
    AND NOT throwIf(NOT isValidUTF8(concat(m.metric_family_name, ' ', m.help, ' ', m.unit)),
        '[[the name, help or unit of a metric is not valid UTF-8]]');

-- A body that decodes to nothing is some other protobuf message, whose fields were all unknown.
CREATE TABLE remote_write_checked (ok UInt8) ENGINE = Null;

CREATE MATERIALIZED VIEW remote_write_check TO remote_write_checked AS
SELECT 1 AS ok
FROM remote_write
WHERE NOT throwIf(empty(timeseries) AND empty(metadata),
        '[[the body is protobuf, but not a WriteRequest: it has no time series and no metadata]]');
