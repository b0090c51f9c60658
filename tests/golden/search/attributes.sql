SELECT toFloat64(count()) AS value
FROM logs FINAL
WHERE time > fromUnixTimestamp64Milli({p0:Int64}, 'UTC') AND time <= fromUnixTimestamp64Milli({p1:Int64}, 'UTC')
    AND ((mapContains(attributes, {p2:String}) AND ifNull(toFloat64OrNull(CAST(attributes[{p2:String}], 'String')) >= {p3:Float64}, 0)) AND (NOT (mapContains(attributes, {p4:String}) AND match(attributes[{p4:String}], {p5:String}))) AND (resource_id IN (SELECT id FROM resources WHERE attributes[{p6:String}] = {p7:String})))
-- p0 = 1700000000000
-- p1 = 1700003600000
-- p2 = 'tokens'
-- p3 = 100.0
-- p4 = 'route'
-- p5 = '\\A(?s:\\/v1.*)\\z'
-- p6 = 'pod'
-- p7 = 'a'
