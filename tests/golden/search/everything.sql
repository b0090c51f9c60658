SELECT toFloat64(count()) AS value
FROM logs FINAL
WHERE time > fromUnixTimestamp64Milli({p0:Int64}, 'UTC') AND time <= fromUnixTimestamp64Milli({p1:Int64}, 'UTC')
    AND (1)
-- p0 = 1700000000000
-- p1 = 1700003600000
