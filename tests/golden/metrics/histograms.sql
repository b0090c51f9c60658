SELECT id, toUnixTimestamp64Milli(ts) AS time_ms, reset_hint, schema, count, sum, zero_threshold, zero_count, positive_index, positive_count, negative_index, negative_count, custom_bounds
FROM histograms FINAL
PREWHERE metric = {p0:String}
  AND ts > fromUnixTimestamp64Milli(1700000000000, 'UTC') AND ts <= fromUnixTimestamp64Milli(1700003600000, 'UTC')
  AND id IN (SELECT id FROM series WHERE week >= toMonday(fromUnixTimestamp64Milli(1700000000000, 'UTC')) AND week <= toMonday(fromUnixTimestamp64Milli(1700003600000, 'UTC')) AND last_ts > fromUnixTimestamp64Milli(1700000000000, 'UTC') AND first_ts <= fromUnixTimestamp64Milli(1700003600000, 'UTC') AND metric = {p1:String} AND match(labels[{p2:String}], {p3:String}))
ORDER BY metric, id, ts
-- p0 = 'http_requests_total'
-- p1 = 'http_requests_total'
-- p2 = 'job'
-- p3 = '^(?s:api.*)$'
