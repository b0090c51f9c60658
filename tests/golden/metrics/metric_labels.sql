SELECT id, CAST(labels, 'Map(String, String)') AS labels
FROM series
WHERE metric IN {metrics:Array(String)} AND week >= toMonday(fromUnixTimestamp64Milli(1700000000000, 'UTC'))
LIMIT 1 BY id
-- metrics = ['a', 'b']
