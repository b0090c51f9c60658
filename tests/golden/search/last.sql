SELECT time, body
FROM logs FINAL
WHERE time > fromUnixTimestamp64Milli({p0:Int64}, 'UTC') AND time <= fromUnixTimestamp64Milli({p1:Int64}, 'UTC')
    AND ((severity_number != 0 AND severity_number >= {p2:Float64} AND severity_number <= {p3:Float64}) OR ((NOT (severity_number != 0)) AND (notEmpty(severity_text) AND match(severity_text, {p4:String}))))
ORDER BY time DESC, delivery, position DESC
LIMIT {p5:UInt32}
-- p0 = 1700000000000
-- p1 = 1700003600000
-- p2 = 17
-- p3 = 20
-- p4 = '\\A(?i:error|err)\\z'
-- p5 = 5
