SELECT count() AS samples, countIf(ts > fromUnixTimestamp64Milli(1700003600000, 'UTC')) AS later
FROM samples
WHERE metric = {metric:String} AND ts > fromUnixTimestamp64Milli(1700000000000, 'UTC')
-- metric = 'a'
