-- A check value of what was recorded of a record, and one of its baseline. NULL in rows from before, until they are written
-- again.
ALTER TABLE records ADD COLUMN recorded_check INTEGER;
ALTER TABLE records ADD COLUMN baseline_check INTEGER;
