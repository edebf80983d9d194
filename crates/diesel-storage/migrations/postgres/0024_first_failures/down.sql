ALTER TABLE records DROP COLUMN failing_since;
