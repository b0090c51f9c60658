-- Parts that were merged away are removed by the thread that finds them. From 100 of them on (a
-- minute of small inserts leaves as many) the engine would start a pool of 128 threads for it,
-- which stay, and cost 25 MB.

ALTER TABLE samples MODIFY SETTING concurrent_part_removal_threshold = 10000;
ALTER TABLE series MODIFY SETTING concurrent_part_removal_threshold = 10000;
ALTER TABLE metric_metadata MODIFY SETTING concurrent_part_removal_threshold = 10000;
ALTER TABLE resources MODIFY SETTING concurrent_part_removal_threshold = 10000;
ALTER TABLE spans MODIFY SETTING concurrent_part_removal_threshold = 10000;
ALTER TABLE logs MODIFY SETTING concurrent_part_removal_threshold = 10000;
ALTER TABLE state MODIFY SETTING concurrent_part_removal_threshold = 10000;
