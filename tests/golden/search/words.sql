SELECT toFloat64(count()) AS value
FROM logs FINAL
WHERE time > fromUnixTimestamp64Milli({p0:Int64}, 'UTC') AND time <= fromUnixTimestamp64Milli({p1:Int64}, 'UTC')
    AND ((hasAllTokens(body, {p2:Array(String)})) OR (hasAllTokens(body, {p3:Array(String)}) AND match(lower(body), {p4:String})) OR (match(lower(body), {p5:String})) OR (notEmpty(body) AND match(body, {p6:String})))
-- p0 = 1700000000000
-- p1 = 1700003600000
-- p2 = ['timeout']
-- p3 = ['connection', 'refused']
-- p4 = '(?:\\A|[\\x00-/:-@\\[-`{-\\x7f])(?:connection)[\\x00-/:-@\\[-`{-\\x7f]+(?:refused)(?:[\\x00-/:-@\\[-`{-\\x7f]|\\z)'
-- p5 = '(?:\\A|[\\x00-/:-@\\[-`{-\\x7f])(?:conn[^\\x00-/:-@\\[-`{-\\x7f]*)(?:[\\x00-/:-@\\[-`{-\\x7f]|\\z)'
-- p6 = '(?s:re[fF]used)'
