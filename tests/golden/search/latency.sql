SELECT CAST(service_name, 'String') AS key0, quantileExactInclusive(0.95)(duration_ns) / 1e9 AS value
FROM spans FINAL
WHERE start_time > fromUnixTimestamp64Milli({p2:Int64}, 'UTC') AND start_time <= fromUnixTimestamp64Milli({p1:Int64}, 'UTC')
    AND addNanoseconds(start_time, greatest(duration_ns, 0)) > fromUnixTimestamp64Milli({p0:Int64}, 'UTC') AND addNanoseconds(start_time, greatest(duration_ns, 0)) <= fromUnixTimestamp64Milli({p1:Int64}, 'UTC')
    AND ((name = {p3:String}) AND (kind = {p4:String}))
GROUP BY key0
ORDER BY key0
LIMIT {p5:UInt64}
-- p0 = 1700000000000
-- p1 = 1700003600000
-- p2 = 1699913600000
-- p3 = 'generate'
-- p4 = 'server'
-- p5 = 11
