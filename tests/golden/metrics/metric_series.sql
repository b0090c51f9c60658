SELECT DISTINCT id
FROM series
WHERE metric IN {metrics:Array(String)} AND week >= toMonday(fromUnixTimestamp64Milli(1700000000000, 'UTC'))
-- metrics = ['a', 'b']
