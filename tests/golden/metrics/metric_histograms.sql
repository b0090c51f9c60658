SELECT metric, id, toUnixTimestamp64Milli(ts) AS time_ms, reset_hint, schema, count, sum, zero_threshold, zero_count, positive_index, positive_count, negative_index, negative_count, custom_bounds
FROM histograms FINAL
WHERE metric IN {metrics:Array(String)} AND ts > fromUnixTimestamp64Milli(1700000000000, 'UTC')
-- metrics = ['a', 'b']
