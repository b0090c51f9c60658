SELECT avg(status_code = 'error') AS value
FROM spans FINAL
WHERE start_time > fromUnixTimestamp64Milli({p2:Int64}, 'UTC') AND start_time <= fromUnixTimestamp64Milli({p1:Int64}, 'UTC')
    AND addNanoseconds(start_time, greatest(duration_ns, 0)) > fromUnixTimestamp64Milli({p0:Int64}, 'UTC') AND addNanoseconds(start_time, greatest(duration_ns, 0)) <= fromUnixTimestamp64Milli({p1:Int64}, 'UTC')
    AND (duration_ns > {p3:Float64})
HAVING count() > 0
-- p0 = 1700000000000
-- p1 = 1700003600000
-- p2 = 1699913600000
-- p3 = 1500000000.0
