-- Merge parts of samples once they are together 7 times the largest of them, not 5 times. Where
-- small commits trickle in, each sample is written 12 times rather than 17 times in all, and where
-- they are large 2.2 rather than 2.2 to 2.8 times. There are no more parts for a fetch to read; at
-- 10 times, each is written 6 and 1.5 times, but a fetch of what has just come takes a third longer.

ALTER TABLE samples MODIFY SETTING merge_selector_base = 7;
