SELECT trace_id, CAST(service_name, 'String') AS service, CAST(name, 'String') AS name, toUnixTimestamp64Milli(start_time) AS start_ms, duration_ns / 1e6 AS duration_ms, status_code = 'error' AS is_error
FROM spans FINAL
WHERE start_time > fromUnixTimestamp64Milli({p2:Int64}, 'UTC') AND start_time <= fromUnixTimestamp64Milli({p1:Int64}, 'UTC')
    AND addNanoseconds(start_time, greatest(duration_ns, 0)) > fromUnixTimestamp64Milli({p0:Int64}, 'UTC') AND addNanoseconds(start_time, greatest(duration_ns, 0)) <= fromUnixTimestamp64Milli({p1:Int64}, 'UTC')
    AND (status_code = {p3:String})
ORDER BY duration_ns DESC, start_time, span_id
LIMIT 1 BY trace_id
LIMIT {p4:UInt32}
-- p0 = 1700000000000
-- p1 = 1700003600000
-- p2 = 1699913600000
-- p3 = 'error'
-- p4 = 5
