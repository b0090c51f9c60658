SELECT id, toUnixTimestamp64Milli(ts) AS time_ms, CAST(value, 'Float64') AS value
FROM samples
WHERE metric IN {metrics:Array(String)} AND ts > fromUnixTimestamp64Milli(1700000000000, 'UTC')
ORDER BY metric, id, ts
-- metrics = ['a', 'b']
