SELECT id, timeSeriesMaxToGrid(fromUnixTimestamp64Milli(1700000000000, 'UTC'), fromUnixTimestamp64Milli(1700003600000, 'UTC'), toDecimal64('15.000', 3), toDecimal64('300.000', 3))(ts, value) AS grid, count() AS samples
FROM samples
WHERE (metric, id) IN (SELECT metric, id FROM series WHERE week >= toMonday(fromUnixTimestamp64Milli(1699999700000, 'UTC')) AND week <= toMonday(fromUnixTimestamp64Milli(1700003600000, 'UTC')) AND last_ts > fromUnixTimestamp64Milli(1699999700000, 'UTC') AND first_ts <= fromUnixTimestamp64Milli(1700003600000, 'UTC') AND match(labels[{p0:String}], {p1:String}))
  AND ts > fromUnixTimestamp64Milli(1699999700000, 'UTC') AND ts <= fromUnixTimestamp64Milli(1700003600000, 'UTC')
  AND NOT (reinterpretAsUInt64(value) = 9218868437227405314)
GROUP BY id
-- p0 = 'job'
-- p1 = '^(?s:api.*)$'
