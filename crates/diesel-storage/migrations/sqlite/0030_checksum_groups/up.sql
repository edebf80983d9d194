-- The records lie in 256 groups by the last byte of their digests, and in each in the order of their keys, so that the digests of
-- a batch are written to the ends of the groups and not to as many places as there are records. Whoever looks for a digest reads
-- one group of the index.
DROP INDEX records_by_checksum;
CREATE INDEX records_by_checksum ON records (substr(baseline, length(baseline), 1), model, key, substr(baseline, 1, 12))
    WHERE baseline IS NOT NULL;
