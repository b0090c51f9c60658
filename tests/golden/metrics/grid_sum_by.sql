SELECT names, label_values, arrayMap((kahan, plain) -> if(isNaN(kahan), plain, kahan), sumKahanForEach(grids.grid), sumForEach(grids.grid)) AS grid, sum(samples) AS samples
FROM (
SELECT id, timeSeriesRateToGrid(fromUnixTimestamp64Milli(1700000000000, 'UTC'), fromUnixTimestamp64Milli(1700003600000, 'UTC'), toDecimal64('15.000', 3), toDecimal64('300.000', 3))(ts, value) AS grid, count() AS samples
FROM samples
WHERE metric = {p0:String}
  AND ts > fromUnixTimestamp64Milli(1699999700000, 'UTC') AND ts <= fromUnixTimestamp64Milli(1700003600000, 'UTC')
  AND id IN (SELECT id FROM series WHERE week >= toMonday(fromUnixTimestamp64Milli(1699999700000, 'UTC')) AND week <= toMonday(fromUnixTimestamp64Milli(1700003600000, 'UTC')) AND last_ts > fromUnixTimestamp64Milli(1699999700000, 'UTC') AND first_ts <= fromUnixTimestamp64Milli(1700003600000, 'UTC') AND metric = {p1:String} AND match(labels[{p2:String}], {p3:String}))
  AND NOT (reinterpretAsUInt64(value) = 9218868437227405314)
GROUP BY id
) AS grids
INNER JOIN (
SELECT id, {p4:Array(String)} AS names, arrayMap(name -> any(labels)[name], {p4:Array(String)}) AS label_values
FROM series
WHERE week >= toMonday(fromUnixTimestamp64Milli(1699999700000, 'UTC')) AND week <= toMonday(fromUnixTimestamp64Milli(1700003600000, 'UTC')) AND last_ts > fromUnixTimestamp64Milli(1699999700000, 'UTC') AND first_ts <= fromUnixTimestamp64Milli(1700003600000, 'UTC') AND metric = {p5:String} AND match(labels[{p6:String}], {p7:String})
GROUP BY id
) AS keys USING (id)
GROUP BY names, label_values
-- p0 = 'http_requests_total'
-- p1 = 'http_requests_total'
-- p2 = 'job'
-- p3 = '^(?s:api.*)$'
-- p4 = ['instance', 'job']
-- p5 = 'http_requests_total'
-- p6 = 'job'
-- p7 = '^(?s:api.*)$'
