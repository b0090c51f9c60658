SELECT names, label_values, maxForEach(grids.grid) AS grid, sum(samples) AS samples
FROM (
SELECT id, arrayMap(x -> if(reinterpretAsUInt64(assumeNotNull(x)) = 9218868437227405314, NULL, x), timeSeriesLastToGrid(fromUnixTimestamp64Milli(1700000000000, 'UTC'), fromUnixTimestamp64Milli(1700003600000, 'UTC'), toDecimal64('15.000', 3), toDecimal64('300.000', 3))(ts, value)) AS grid, count() AS samples
FROM samples
WHERE metric = {p0:String}
  AND ts > fromUnixTimestamp64Milli(1699999700000, 'UTC') AND ts <= fromUnixTimestamp64Milli(1700003600000, 'UTC')
GROUP BY id
) AS grids
INNER JOIN (
SELECT id, mapKeys(mapFilter((name, _) -> NOT has({p1:Array(String)}, name), any(labels))) AS names, mapValues(mapFilter((name, _) -> NOT has({p1:Array(String)}, name), any(labels))) AS label_values
FROM series
WHERE week >= toMonday(fromUnixTimestamp64Milli(1699999700000, 'UTC')) AND week <= toMonday(fromUnixTimestamp64Milli(1700003600000, 'UTC')) AND last_ts > fromUnixTimestamp64Milli(1699999700000, 'UTC') AND first_ts <= fromUnixTimestamp64Milli(1700003600000, 'UTC') AND metric = {p2:String}
GROUP BY id
) AS keys USING (id)
GROUP BY names, label_values
-- p0 = 'http_requests_total'
-- p1 = ['instance', '__name__']
-- p2 = 'http_requests_total'
