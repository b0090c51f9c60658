SELECT metric, count() AS samples
FROM samples
WHERE metric IN {metrics:Array(String)}
GROUP BY metric
-- metrics = ['a', 'b']
