SELECT DISTINCT id
FROM series
WHERE (week >= toMonday(fromUnixTimestamp64Milli(1699999999999, 'UTC')) AND week <= toMonday(fromUnixTimestamp64Milli(1700003600000, 'UTC')) AND last_ts > fromUnixTimestamp64Milli(1699999999999, 'UTC') AND first_ts <= fromUnixTimestamp64Milli(1700003600000, 'UTC') AND metric = {p0:String})
   OR (week >= toMonday(fromUnixTimestamp64Milli(1699999999999, 'UTC')) AND week <= toMonday(fromUnixTimestamp64Milli(1700003600000, 'UTC')) AND last_ts > fromUnixTimestamp64Milli(1699999999999, 'UTC') AND first_ts <= fromUnixTimestamp64Milli(1700003600000, 'UTC') AND match(labels[{p1:String}], {p2:String}))
-- p0 = 'http_requests_total'
-- p1 = 'job'
-- p2 = '^(?s:api.*)$'
