SELECT service, pattern, countIf(NOT is_since) AS before, countIf(is_since) AS since, argMax(text, is_since) AS example
FROM
(
    SELECT CAST(service_name, 'String') AS service, time > fromUnixTimestamp64Milli({p5:Int64}, 'UTC') AS is_since,
        substringUTF8(body, 1, {p8:UInt32}) AS text,
        replaceRegexpAll(text, {p9:String}, '<*>') AS pattern
    FROM logs FINAL
    WHERE time > fromUnixTimestamp64Milli({p0:Int64}, 'UTC') AND time <= fromUnixTimestamp64Milli({p1:Int64}, 'UTC')
    AND ((severity_number != 0 AND severity_number >= {p2:Float64} AND severity_number <= {p3:Float64}) OR ((NOT (severity_number != 0)) AND (notEmpty(severity_text) AND match(severity_text, {p4:String}))))
)
GROUP BY service, pattern
ORDER BY since / {p7:Int64} - before / {p6:Int64} DESC, since DESC, service, pattern
LIMIT {p10:UInt32}
-- p0 = 1700000000000
-- p1 = 1700003600000
-- p2 = 17
-- p3 = 24
-- p4 = '\\A(?i:error|err|fatal|critical|crit|alert|emerg|emergency|panic)\\z'
-- p5 = 1700003000000
-- p6 = 3000000
-- p7 = 600000
-- p8 = 300
-- p9 = '"[^"]*"|[\\w.:-]*\\d(?:[\\w.:-]*\\w)?'
-- p10 = 5
