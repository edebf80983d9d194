-- When the first attempt failed since the last good one, so that records can be sorted by how long they are bad. NULL in a record
-- that failed before this was kept: its last failure counts as the first.
ALTER TABLE records ADD COLUMN failing_since bigint;
