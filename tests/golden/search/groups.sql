SELECT CAST(if(severity_number = 0, lower(severity_text), ['trace', 'debug', 'info', 'warn', 'error', 'fatal'][intDiv(severity_number + 3, 4)]), 'String') AS key0, CAST(attributes[{p0:String}], 'String') AS key1, CAST(resource0, 'String') AS key2, toFloat64(count()) AS value
FROM logs FINAL
LEFT ANY JOIN (SELECT id, any(attributes[{p1:String}]) AS resource0 FROM resources GROUP BY id) AS resource ON resource.id = resource_id
WHERE time > fromUnixTimestamp64Milli({p2:Int64}, 'UTC') AND time <= fromUnixTimestamp64Milli({p3:Int64}, 'UTC')
    AND (notEmpty(trace_id))
GROUP BY key0, key1, key2
ORDER BY key0, key1, key2
LIMIT {p4:UInt64}
-- p0 = 'route'
-- p1 = 'pod'
-- p2 = 1700000000000
-- p3 = 1700003600000
-- p4 = 11
