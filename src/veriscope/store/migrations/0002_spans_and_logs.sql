-- Spans and log records, as OTLP sends them, and the resources that they are of.
--
-- A door is a Null table with one row a request body, as in 0001. What is repeated for each span
-- of a resource (its attributes) is decoded and stored once, in `resources`; spans and records
-- have its id.
--
-- An attribute's value is text whatever its type, so that one map holds all of them and every
-- value can be searched; `attribute_types` has the types, in the order of the map. Text is exact:
-- integers and doubles in their shortest spelling that reads back as the same number. What nests
-- (arrays, maps) is the base64 of its OTLP message, ArrayValue or KeyValueList, for the engine
-- cannot decode a recursive message; so are bytes.

CREATE TABLE resources
(
    service_name    LowCardinality(String),
    id              UInt64,
    attributes      Map(LowCardinality(String), String),
    attribute_types Array(Enum8('none' = 0, 'string' = 1, 'bool' = 2, 'int' = 3, 'double' = 4, 'array' = 5, 'map' = 6, 'bytes' = 7)),
    last_seen       SimpleAggregateFunction(max, DateTime64(3, 'UTC'))
)
ENGINE = AggregatingMergeTree
ORDER BY (service_name, id)
SETTINGS allow_dimensions_outside_sorting_key = 1;

-- A span that is sent again has the same key, so that it is one row after merges, and with FINAL.
CREATE TABLE spans
(
    service_name          LowCardinality(String),
    start_time            DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
    trace_id              FixedString(16) CODEC(ZSTD(1)),
    span_id               FixedString(8) CODEC(ZSTD(1)),
    parent_span_id        FixedString(8) CODEC(ZSTD(1)),
    trace_state           String CODEC(ZSTD(1)),
    flags                 UInt32 CODEC(ZSTD(1)),
    name                  LowCardinality(String),
    kind                  Enum8('unspecified' = 0, 'internal' = 1, 'server' = 2, 'client' = 3, 'producer' = 4, 'consumer' = 5),
    -- Nanoseconds; negative where the sender's clock stepped back.
    duration_ns           Int64 CODEC(ZSTD(1)),
    status_code           Enum8('unset' = 0, 'ok' = 1, 'error' = 2),
    status_message        String CODEC(ZSTD(1)),
    resource_id           UInt64 CODEC(ZSTD(1)),
    scope_name            LowCardinality(String),
    scope_version         LowCardinality(String),
    scope_attributes      Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    scope_attribute_types Array(Enum8('none' = 0, 'string' = 1, 'bool' = 2, 'int' = 3, 'double' = 4, 'array' = 5, 'map' = 6, 'bytes' = 7)) CODEC(ZSTD(1)),
    attributes            Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    attribute_types       Array(Enum8('none' = 0, 'string' = 1, 'bool' = 2, 'int' = 3, 'double' = 4, 'array' = 5, 'map' = 6, 'bytes' = 7)) CODEC(ZSTD(1)),
    events                Nested(
        time            DateTime64(9, 'UTC'),
        name            LowCardinality(String),
        attributes      Map(LowCardinality(String), String),
        attribute_types Array(Enum8('none' = 0, 'string' = 1, 'bool' = 2, 'int' = 3, 'double' = 4, 'array' = 5, 'map' = 6, 'bytes' = 7))) CODEC(ZSTD(1)),
    links                 Nested(
        trace_id        FixedString(16),
        span_id         FixedString(8),
        trace_state     String,
        flags           UInt32,
        attributes      Map(LowCardinality(String), String),
        attribute_types Array(Enum8('none' = 0, 'string' = 1, 'bool' = 2, 'int' = 3, 'double' = 4, 'array' = 5, 'map' = 6, 'bytes' = 7))) CODEC(ZSTD(1)),
    INDEX by_trace_id trace_id TYPE bloom_filter(0.001) GRANULARITY 1
)
ENGINE = ReplacingMergeTree
PARTITION BY toDate(start_time)
PRIMARY KEY (service_name, start_time)
ORDER BY (service_name, start_time, trace_id, span_id)
SETTINGS ttl_only_drop_parts = 1;

-- A record has no id of its own. Where it was delivered makes one: the fingerprint of the request
-- that brought it, and its position there; a request that is sent again brings the same records.
CREATE TABLE logs
(
    service_name          LowCardinality(String),
    time                  DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
    delivery              UInt64 CODEC(ZSTD(1)),
    position              UInt32 CODEC(Delta, ZSTD(1)),
    observed_time         DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
    severity_number       UInt8 CODEC(ZSTD(1)),
    severity_text         LowCardinality(String),
    event_name            LowCardinality(String),
    body                  String CODEC(ZSTD(1)),
    -- Bytes of a longer body that were left out of it.
    body_cut_bytes        UInt32 CODEC(ZSTD(1)),
    body_type             Enum8('none' = 0, 'string' = 1, 'bool' = 2, 'int' = 3, 'double' = 4, 'array' = 5, 'map' = 6, 'bytes' = 7),
    trace_id              FixedString(16) CODEC(ZSTD(1)),
    span_id               FixedString(8) CODEC(ZSTD(1)),
    flags                 UInt32 CODEC(ZSTD(1)),
    resource_id           UInt64 CODEC(ZSTD(1)),
    scope_name            LowCardinality(String),
    scope_version         LowCardinality(String),
    scope_attributes      Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    scope_attribute_types Array(Enum8('none' = 0, 'string' = 1, 'bool' = 2, 'int' = 3, 'double' = 4, 'array' = 5, 'map' = 6, 'bytes' = 7)) CODEC(ZSTD(1)),
    attributes            Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    attribute_types       Array(Enum8('none' = 0, 'string' = 1, 'bool' = 2, 'int' = 3, 'double' = 4, 'array' = 5, 'map' = 6, 'bytes' = 7)) CODEC(ZSTD(1)),
    INDEX by_trace_id trace_id TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX words body TYPE text(tokenizer = splitByNonAlpha, preprocessor = lower(body))
)
ENGINE = ReplacingMergeTree
PARTITION BY toDate(time)
PRIMARY KEY (service_name, time)
ORDER BY (service_name, time, delivery, position)
SETTINGS ttl_only_drop_parts = 1;

-- Traces. `to_text` and its like are the same in each view, for SQL has no functions that belong to
-- a schema.

CREATE TABLE otlp_traces
(
    delivery       UInt64,
    resource_spans Array(Tuple(
        resource Tuple(attributes Array(Tuple(key String, value Tuple(string_value Nullable(String), bool_value Nullable(Bool), int_value Nullable(Int64), double_value Nullable(Float64), array_value Nullable(String), kvlist_value Nullable(String), bytes_value Nullable(String))))),
        scope_spans Array(Tuple(
            scope Tuple(name String, version String, attributes Array(Tuple(key String, value Tuple(string_value Nullable(String), bool_value Nullable(Bool), int_value Nullable(Int64), double_value Nullable(Float64), array_value Nullable(String), kvlist_value Nullable(String), bytes_value Nullable(String))))),
            spans Array(Tuple(
                trace_id String, span_id String, trace_state String, parent_span_id String,
                name String, kind Int32, start_time_unix_nano UInt64, end_time_unix_nano UInt64,
                attributes Array(Tuple(key String, value Tuple(string_value Nullable(String), bool_value Nullable(Bool), int_value Nullable(Int64), double_value Nullable(Float64), array_value Nullable(String), kvlist_value Nullable(String), bytes_value Nullable(String)))),
                events Array(Tuple(time_unix_nano UInt64, name String, attributes Array(Tuple(key String, value Tuple(string_value Nullable(String), bool_value Nullable(Bool), int_value Nullable(Int64), double_value Nullable(Float64), array_value Nullable(String), kvlist_value Nullable(String), bytes_value Nullable(String)))))),
                links Array(Tuple(trace_id String, span_id String, trace_state String, flags UInt32, attributes Array(Tuple(key String, value Tuple(string_value Nullable(String), bool_value Nullable(Bool), int_value Nullable(Int64), double_value Nullable(Float64), array_value Nullable(String), kvlist_value Nullable(String), bytes_value Nullable(String)))))),
                status Tuple(message String, code Int32),
                flags UInt32))))))
)
ENGINE = Null;

-- A body that decodes to nothing is some other protobuf message, whose fields were all unknown.
CREATE TABLE otlp_traces_checked (ok UInt8) ENGINE = Null;

CREATE MATERIALIZED VIEW otlp_traces_check TO otlp_traces_checked AS
SELECT 1 AS ok
FROM otlp_traces
WHERE NOT throwIf(empty(resource_spans),
        '[[the body is protobuf, but not an ExportTraceServiceRequest: it has no resource_spans]]');

-- One row a scope of a resource. `delivery` tells the place in the body too.
CREATE TABLE scoped_spans
(
    delivery                 UInt64,
    service_name             String,
    resource_id              UInt64,
    resource_attributes      Map(LowCardinality(String), String),
    resource_attribute_types Array(Int8),
    scope_name               String,
    scope_version            String,
    scope_attributes         Map(LowCardinality(String), String),
    scope_attribute_types    Array(Int8),
    spans                    Array(Tuple(
        trace_id String, span_id String, trace_state String, parent_span_id String,
        name String, kind Int32, start_time_unix_nano UInt64, end_time_unix_nano UInt64,
        attributes Array(Tuple(key String, value Tuple(string_value Nullable(String), bool_value Nullable(Bool), int_value Nullable(Int64), double_value Nullable(Float64), array_value Nullable(String), kvlist_value Nullable(String), bytes_value Nullable(String)))),
        events Array(Tuple(time_unix_nano UInt64, name String, attributes Array(Tuple(key String, value Tuple(string_value Nullable(String), bool_value Nullable(Bool), int_value Nullable(Int64), double_value Nullable(Float64), array_value Nullable(String), kvlist_value Nullable(String), bytes_value Nullable(String)))))),
        links Array(Tuple(trace_id String, span_id String, trace_state String, flags UInt32, attributes Array(Tuple(key String, value Tuple(string_value Nullable(String), bool_value Nullable(Bool), int_value Nullable(Int64), double_value Nullable(Float64), array_value Nullable(String), kvlist_value Nullable(String), bytes_value Nullable(String)))))),
        status Tuple(message String, code Int32),
        flags UInt32))
)
ENGINE = Null;

CREATE MATERIALIZED VIEW otlp_traces_to_scoped_spans TO scoped_spans AS
WITH
    (v -> coalesce(v.string_value, toString(v.int_value), toString(v.double_value), toString(v.bool_value),
        base64Encode(v.array_value), base64Encode(v.kvlist_value), base64Encode(v.bytes_value), '')) AS to_text,
    (v -> multiIf(isNotNull(v.string_value), 1, isNotNull(v.int_value), 3, isNotNull(v.double_value), 4, isNotNull(v.bool_value), 2,
        isNotNull(v.array_value), 5, isNotNull(v.kvlist_value), 6, isNotNull(v.bytes_value), 7, 0)) AS to_type,
    (pairs -> CAST((pairs.key, arrayMap(v -> to_text(v), pairs.value)), 'Map(LowCardinality(String), String)')) AS to_map,
    (pairs -> arrayMap(v -> to_type(v), pairs.value)) AS to_types
SELECT
    xxh3(delivery, resource_place, scope_place) AS delivery,
    if(empty(resource_attributes['service.name']), 'unknown_service', resource_attributes['service.name']) AS service_name,
    -- Between separators that valid UTF-8 cannot hold, as in the id of a series.
    xxh3(arrayStringConcat(arraySort(arrayMap((key, type, text) -> concat(key, '\xFE', toString(type), text),
        mapKeys(resource_attributes), resource_attribute_types, mapValues(resource_attributes))), '\xFF')) AS resource_id,
    resource_attributes,
    resource_attribute_types,
    scope_name,
    scope_version,
    scope_attributes,
    scope_attribute_types,
    spans
FROM
(
    SELECT
        delivery,
        resource_place,
        scope_place,
        resource_attributes,
        resource_attribute_types,
        scope_name,
        scope_version,
        to_map(scope_pairs) AS scope_attributes,
        to_types(scope_pairs) AS scope_attribute_types,
        spans
    FROM
    (
        SELECT
            delivery,
            resource_place,
            to_map(resource_pairs) AS resource_attributes,
            to_types(resource_pairs) AS resource_attribute_types,
            scope_names,
            scope_versions,
            scope_pairs_,
            spans
        FROM otlp_traces
        ARRAY JOIN
            arrayEnumerate(resource_spans) AS resource_place,
            resource_spans.resource.attributes AS resource_pairs,
            resource_spans.scope_spans.scope.name AS scope_names,
            resource_spans.scope_spans.scope.version AS scope_versions,
            resource_spans.scope_spans.scope.attributes AS scope_pairs_,
            resource_spans.scope_spans.spans AS spans
    )
    ARRAY JOIN
        arrayEnumerate(scope_names) AS scope_place,
        scope_names AS scope_name,
        scope_versions AS scope_version,
        scope_pairs_ AS scope_pairs,
        spans
)
WHERE NOT throwIf(length(mapKeys(resource_attributes)) > 1024,
        '[[a resource has more than 1,024 attributes]]')
    AND NOT throwIf(arrayExists(key -> length(key) > 1024, mapKeys(resource_attributes)),
        '[[the key of an attribute is longer than 1,024 bytes]]')
    AND NOT throwIf(arrayExists(text -> NOT isValidUTF8(text), arrayConcat(mapKeys(resource_attributes), mapValues(resource_attributes))),
        '[[a text of a resource is not valid UTF-8]]')
    AND NOT throwIf(length(mapKeys(scope_attributes)) > 1024,
        '[[a scope has more than 1,024 attributes]]')
    AND NOT throwIf(arrayExists(key -> length(key) > 1024, mapKeys(scope_attributes)),
        '[[the key of an attribute is longer than 1,024 bytes]]')
    AND NOT throwIf(arrayExists(text -> NOT isValidUTF8(text), arrayConcat([scope_name, scope_version], mapKeys(scope_attributes), mapValues(scope_attributes))),
        '[[a text of a scope is not valid UTF-8]]');

CREATE MATERIALIZED VIEW scoped_spans_to_resources TO resources AS
SELECT
    service_name,
    resource_id AS id,
    any(resource_attributes) AS attributes,
    any(resource_attribute_types) AS attribute_types,
    now64(3) AS last_seen
FROM scoped_spans
GROUP BY service_name, resource_id;

CREATE MATERIALIZED VIEW scoped_spans_to_spans TO spans AS
WITH
    (v -> coalesce(v.string_value, toString(v.int_value), toString(v.double_value), toString(v.bool_value),
        base64Encode(v.array_value), base64Encode(v.kvlist_value), base64Encode(v.bytes_value), '')) AS to_text,
    (v -> multiIf(isNotNull(v.string_value), 1, isNotNull(v.int_value), 3, isNotNull(v.double_value), 4, isNotNull(v.bool_value), 2,
        isNotNull(v.array_value), 5, isNotNull(v.kvlist_value), 6, isNotNull(v.bytes_value), 7, 0)) AS to_type,
    (pairs -> CAST((pairs.key, arrayMap(v -> to_text(v), pairs.value)), 'Map(LowCardinality(String), String)')) AS to_map,
    (pairs -> arrayMap(v -> to_type(v), pairs.value)) AS to_types
SELECT
    service_name,
    fromUnixTimestamp64Nano(toInt64(start_ns), 'UTC') AS start_time,
    toFixedString(trace_id, 16) AS trace_id,
    toFixedString(span_id, 8) AS span_id,
    toFixedString(parent_span_id, 8) AS parent_span_id,
    trace_state,
    flags,
    name,
    if(kind BETWEEN 0 AND 5, kind, 0) AS kind,
    if(end_ns = 0, 0, toInt64(end_ns) - toInt64(start_ns)) AS duration_ns,
    if(status_code BETWEEN 0 AND 2, status_code, 0) AS status_code,
    status_message,
    resource_id,
    scope_name,
    scope_version,
    scope_attributes,
    scope_attribute_types,
    attributes,
    attribute_types,
    arrayMap(ns -> fromUnixTimestamp64Nano(toInt64(ns), 'UTC'), event_ns) AS `events.time`,
    event_name AS `events.name`,
    event_attributes AS `events.attributes`,
    event_attribute_types AS `events.attribute_types`,
    arrayMap(id -> toFixedString(id, 16), link_trace_id) AS `links.trace_id`,
    arrayMap(id -> toFixedString(id, 8), link_span_id) AS `links.span_id`,
    link_trace_state AS `links.trace_state`,
    link_flags AS `links.flags`,
    link_attributes AS `links.attributes`,
    link_attribute_types AS `links.attribute_types`
FROM
(
    -- The rules stand inside: out there the names are those of the table's columns.
    SELECT *
    FROM
    (
        SELECT
            *,
            arrayConcat(mapKeys(attributes), arrayFlatten(arrayMap(inner -> mapKeys(inner), inner_attributes))) AS keys,
            arrayConcat(keys, [name, trace_state, status_message], event_name, link_trace_state,
                mapValues(attributes), arrayFlatten(arrayMap(inner -> mapValues(inner), inner_attributes))) AS texts
        FROM
        (
            SELECT *, arrayConcat(event_attributes, link_attributes) AS inner_attributes
            FROM
            (
                SELECT
                    service_name, resource_id, scope_name, scope_version, scope_attributes, scope_attribute_types,
                    trace_id, span_id, trace_state, parent_span_id, name, kind, start_ns, end_ns, event_ns,
                    event_name, link_trace_id, link_span_id, link_trace_state, link_flags, status_message,
                    status_code, flags,
                    to_map(attribute_pairs) AS attributes,
                    to_types(attribute_pairs) AS attribute_types,
                    arrayMap(inner -> to_map(inner), event_pairs) AS event_attributes,
                    arrayMap(inner -> to_types(inner), event_pairs) AS event_attribute_types,
                    arrayMap(inner -> to_map(inner), link_pairs) AS link_attributes,
                    arrayMap(inner -> to_types(inner), link_pairs) AS link_attribute_types
                FROM scoped_spans
                -- Each field by its own name: the engine plans that much faster than parts of a tuple.
                ARRAY JOIN
                    spans.trace_id AS trace_id, spans.span_id AS span_id, spans.trace_state AS trace_state,
                    spans.parent_span_id AS parent_span_id, spans.name AS name, spans.kind AS kind,
                    spans.start_time_unix_nano AS start_ns, spans.end_time_unix_nano AS end_ns,
                    spans.attributes AS attribute_pairs, spans.events.time_unix_nano AS event_ns,
                    spans.events.name AS event_name, spans.events.attributes AS event_pairs,
                    spans.links.trace_id AS link_trace_id, spans.links.span_id AS link_span_id,
                    spans.links.trace_state AS link_trace_state, spans.links.flags AS link_flags,
                    spans.links.attributes AS link_pairs, spans.status.message AS status_message,
                    spans.status.code AS status_code, spans.flags AS flags
            )
        )
    )
    WHERE NOT throwIf(length(trace_id) != 16 OR length(span_id) != 8 OR NOT length(parent_span_id) IN (0, 8),
            '[[a span has no valid ids; a trace id has 16 bytes, a span id 8]]')
        AND NOT throwIf(arrayExists((trace, span) -> length(trace) != 16 OR length(span) != 8, link_trace_id, link_span_id),
            '[[a link has no valid ids; a trace id has 16 bytes, a span id 8]]')
        AND NOT throwIf(start_ns = 0,
            '[[a span has no start time]]')
        AND NOT throwIf(greatest(start_ns, end_ns, arrayMax(event_ns)) >= 4102444800000000000,
            '[[a time is not between 1970 and 2100; send Unix nanoseconds]]')
        AND NOT throwIf(length(keys) > 1024,
            '[[a span has more than 1,024 attributes]]')
        AND NOT throwIf(arrayExists(key -> length(key) > 1024, keys),
            '[[the key of an attribute is longer than 1,024 bytes]]')
        AND NOT throwIf(arrayExists(text -> NOT isValidUTF8(text), texts),
            '[[a text of a span is not valid UTF-8]]')
);

-- Logs.

CREATE TABLE otlp_logs
(
    delivery       UInt64,
    resource_logs Array(Tuple(
        resource Tuple(attributes Array(Tuple(key String, value Tuple(string_value Nullable(String), bool_value Nullable(Bool), int_value Nullable(Int64), double_value Nullable(Float64), array_value Nullable(String), kvlist_value Nullable(String), bytes_value Nullable(String))))),
        scope_logs Array(Tuple(
            scope Tuple(name String, version String, attributes Array(Tuple(key String, value Tuple(string_value Nullable(String), bool_value Nullable(Bool), int_value Nullable(Int64), double_value Nullable(Float64), array_value Nullable(String), kvlist_value Nullable(String), bytes_value Nullable(String))))),
            log_records Array(Tuple(
                time_unix_nano UInt64, observed_time_unix_nano UInt64, severity_number Int32, severity_text String,
                body Tuple(string_value Nullable(String), bool_value Nullable(Bool), int_value Nullable(Int64), double_value Nullable(Float64), array_value Nullable(String), kvlist_value Nullable(String), bytes_value Nullable(String)),
                attributes Array(Tuple(key String, value Tuple(string_value Nullable(String), bool_value Nullable(Bool), int_value Nullable(Int64), double_value Nullable(Float64), array_value Nullable(String), kvlist_value Nullable(String), bytes_value Nullable(String)))),
                flags UInt32, trace_id String, span_id String, event_name String))))))
)
ENGINE = Null;

-- A body that decodes to nothing is some other protobuf message, whose fields were all unknown.
CREATE TABLE otlp_logs_checked (ok UInt8) ENGINE = Null;

CREATE MATERIALIZED VIEW otlp_logs_check TO otlp_logs_checked AS
SELECT 1 AS ok
FROM otlp_logs
WHERE NOT throwIf(empty(resource_logs),
        '[[the body is protobuf, but not an ExportLogsServiceRequest: it has no resource_logs]]');

-- One row a scope of a resource. `delivery` tells the place in the body too.
CREATE TABLE scoped_logs
(
    delivery                 UInt64,
    service_name             String,
    resource_id              UInt64,
    resource_attributes      Map(LowCardinality(String), String),
    resource_attribute_types Array(Int8),
    scope_name               String,
    scope_version            String,
    scope_attributes         Map(LowCardinality(String), String),
    scope_attribute_types    Array(Int8),
    log_records              Array(Tuple(
        time_unix_nano UInt64, observed_time_unix_nano UInt64, severity_number Int32, severity_text String,
        body Tuple(string_value Nullable(String), bool_value Nullable(Bool), int_value Nullable(Int64), double_value Nullable(Float64), array_value Nullable(String), kvlist_value Nullable(String), bytes_value Nullable(String)),
        attributes Array(Tuple(key String, value Tuple(string_value Nullable(String), bool_value Nullable(Bool), int_value Nullable(Int64), double_value Nullable(Float64), array_value Nullable(String), kvlist_value Nullable(String), bytes_value Nullable(String)))),
        flags UInt32, trace_id String, span_id String, event_name String))
)
ENGINE = Null;

CREATE MATERIALIZED VIEW otlp_logs_to_scoped_logs TO scoped_logs AS
WITH
    (v -> coalesce(v.string_value, toString(v.int_value), toString(v.double_value), toString(v.bool_value),
        base64Encode(v.array_value), base64Encode(v.kvlist_value), base64Encode(v.bytes_value), '')) AS to_text,
    (v -> multiIf(isNotNull(v.string_value), 1, isNotNull(v.int_value), 3, isNotNull(v.double_value), 4, isNotNull(v.bool_value), 2,
        isNotNull(v.array_value), 5, isNotNull(v.kvlist_value), 6, isNotNull(v.bytes_value), 7, 0)) AS to_type,
    (pairs -> CAST((pairs.key, arrayMap(v -> to_text(v), pairs.value)), 'Map(LowCardinality(String), String)')) AS to_map,
    (pairs -> arrayMap(v -> to_type(v), pairs.value)) AS to_types
SELECT
    xxh3(delivery, resource_place, scope_place) AS delivery,
    if(empty(resource_attributes['service.name']), 'unknown_service', resource_attributes['service.name']) AS service_name,
    -- Between separators that valid UTF-8 cannot hold, as in the id of a series.
    xxh3(arrayStringConcat(arraySort(arrayMap((key, type, text) -> concat(key, '\xFE', toString(type), text),
        mapKeys(resource_attributes), resource_attribute_types, mapValues(resource_attributes))), '\xFF')) AS resource_id,
    resource_attributes,
    resource_attribute_types,
    scope_name,
    scope_version,
    scope_attributes,
    scope_attribute_types,
    log_records
FROM
(
    SELECT
        delivery,
        resource_place,
        scope_place,
        resource_attributes,
        resource_attribute_types,
        scope_name,
        scope_version,
        to_map(scope_pairs) AS scope_attributes,
        to_types(scope_pairs) AS scope_attribute_types,
        log_records
    FROM
    (
        SELECT
            delivery,
            resource_place,
            to_map(resource_pairs) AS resource_attributes,
            to_types(resource_pairs) AS resource_attribute_types,
            scope_names,
            scope_versions,
            scope_pairs_,
            log_records
        FROM otlp_logs
        ARRAY JOIN
            arrayEnumerate(resource_logs) AS resource_place,
            resource_logs.resource.attributes AS resource_pairs,
            resource_logs.scope_logs.scope.name AS scope_names,
            resource_logs.scope_logs.scope.version AS scope_versions,
            resource_logs.scope_logs.scope.attributes AS scope_pairs_,
            resource_logs.scope_logs.log_records AS log_records
    )
    ARRAY JOIN
        arrayEnumerate(scope_names) AS scope_place,
        scope_names AS scope_name,
        scope_versions AS scope_version,
        scope_pairs_ AS scope_pairs,
        log_records
)
WHERE NOT throwIf(length(mapKeys(resource_attributes)) > 1024,
        '[[a resource has more than 1,024 attributes]]')
    AND NOT throwIf(arrayExists(key -> length(key) > 1024, mapKeys(resource_attributes)),
        '[[the key of an attribute is longer than 1,024 bytes]]')
    AND NOT throwIf(arrayExists(text -> NOT isValidUTF8(text), arrayConcat(mapKeys(resource_attributes), mapValues(resource_attributes))),
        '[[a text of a resource is not valid UTF-8]]')
    AND NOT throwIf(length(mapKeys(scope_attributes)) > 1024,
        '[[a scope has more than 1,024 attributes]]')
    AND NOT throwIf(arrayExists(key -> length(key) > 1024, mapKeys(scope_attributes)),
        '[[the key of an attribute is longer than 1,024 bytes]]')
    AND NOT throwIf(arrayExists(text -> NOT isValidUTF8(text), arrayConcat([scope_name, scope_version], mapKeys(scope_attributes), mapValues(scope_attributes))),
        '[[a text of a scope is not valid UTF-8]]');

CREATE MATERIALIZED VIEW scoped_logs_to_resources TO resources AS
SELECT
    service_name,
    resource_id AS id,
    any(resource_attributes) AS attributes,
    any(resource_attribute_types) AS attribute_types,
    now64(3) AS last_seen
FROM scoped_logs
GROUP BY service_name, resource_id;

CREATE MATERIALIZED VIEW scoped_logs_to_logs TO logs AS
WITH
    (v -> coalesce(v.string_value, toString(v.int_value), toString(v.double_value), toString(v.bool_value),
        base64Encode(v.array_value), base64Encode(v.kvlist_value), base64Encode(v.bytes_value), '')) AS to_text,
    (v -> multiIf(isNotNull(v.string_value), 1, isNotNull(v.int_value), 3, isNotNull(v.double_value), 4, isNotNull(v.bool_value), 2,
        isNotNull(v.array_value), 5, isNotNull(v.kvlist_value), 6, isNotNull(v.bytes_value), 7, 0)) AS to_type,
    (pairs -> CAST((pairs.key, arrayMap(v -> to_text(v), pairs.value)), 'Map(LowCardinality(String), String)')) AS to_map,
    (pairs -> arrayMap(v -> to_type(v), pairs.value)) AS to_types
SELECT
    service_name,
    multiIf(time_ns > 0, fromUnixTimestamp64Nano(toInt64(time_ns), 'UTC'),
        observed_ns > 0, fromUnixTimestamp64Nano(toInt64(observed_ns), 'UTC'),
        now64(9, 'UTC')) AS time,
    -- A producer's own id, where there is one, is better than where the record was delivered.
    if(empty(uid), delivery, xxh3(uid)) AS delivery,
    if(empty(uid), place, 0) AS position,
    fromUnixTimestamp64Nano(toInt64(observed_ns), 'UTC') AS observed_time,
    if(severity_number BETWEEN 0 AND 24, severity_number, 0) AS severity_number,
    severity_text,
    event_name,
    -- A character that was cut in its middle must be text again.
    if(length(text) > 1048576, toValidUTF8(left(text, 1048576)), text) AS body,
    greatest(length(text), 1048576) - 1048576 AS body_cut_bytes,
    body_type,
    toFixedString(trace_id, 16) AS trace_id,
    toFixedString(span_id, 8) AS span_id,
    flags,
    resource_id,
    scope_name,
    scope_version,
    scope_attributes,
    scope_attribute_types,
    attributes,
    attribute_types
FROM
(
    -- The rules stand inside: out there the names are those of the table's columns.
    SELECT *
    FROM
    (
        SELECT
            *,
            attributes['log.record.uid'] AS uid,
            mapKeys(attributes) AS keys,
            arrayConcat(keys, [text, severity_text, event_name], mapValues(attributes)) AS texts
        FROM
        (
            SELECT
                delivery, service_name, resource_id, scope_name, scope_version, scope_attributes, scope_attribute_types,
                place, time_ns, observed_ns, severity_number, severity_text, event_name, trace_id, span_id, flags,
                to_text(value) AS text,
                to_type(value) AS body_type,
                to_map(attribute_pairs) AS attributes,
                to_types(attribute_pairs) AS attribute_types
            FROM scoped_logs
            ARRAY JOIN
                arrayEnumerate(log_records) AS place,
                log_records.time_unix_nano AS time_ns, log_records.observed_time_unix_nano AS observed_ns,
                log_records.severity_number AS severity_number, log_records.severity_text AS severity_text,
                log_records.event_name AS event_name, log_records.body AS value,
                log_records.attributes AS attribute_pairs, log_records.trace_id AS trace_id,
                log_records.span_id AS span_id, log_records.flags AS flags
        )
    )
    WHERE NOT throwIf(NOT length(trace_id) IN (0, 16) OR NOT length(span_id) IN (0, 8),
            '[[a record has no valid ids; a trace id has 16 bytes or none, a span id 8 or none]]')
        AND NOT throwIf(greatest(time_ns, observed_ns) >= 4102444800000000000,
            '[[a time is not between 1970 and 2100; send Unix nanoseconds]]')
        AND NOT throwIf(length(keys) > 1024,
            '[[a record has more than 1,024 attributes]]')
        AND NOT throwIf(arrayExists(key -> length(key) > 1024, keys),
            '[[the key of an attribute is longer than 1,024 bytes]]')
        AND NOT throwIf(arrayExists(text -> NOT isValidUTF8(text), texts),
            '[[a text of a record is not valid UTF-8]]')
);
