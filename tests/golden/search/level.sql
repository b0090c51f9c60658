SELECT CAST(service_name, 'String') AS key0, toFloat64(count()) AS value
FROM logs FINAL
WHERE time > fromUnixTimestamp64Milli({p0:Int64}, 'UTC') AND time <= fromUnixTimestamp64Milli({p1:Int64}, 'UTC')
    AND (((severity_number != 0 AND severity_number >= {p2:Float64} AND severity_number <= {p3:Float64}) OR ((NOT (severity_number != 0)) AND (notEmpty(severity_text) AND match(severity_text, {p4:String})))) AND (service_name = {p5:String}))
GROUP BY key0
ORDER BY key0
LIMIT {p6:UInt64}
-- p0 = 1700000000000
-- p1 = 1700003600000
-- p2 = 17
-- p3 = 20
-- p4 = '\\A(?i:error|err)\\z'
-- p5 = 'chat'
-- p6 = 11
