ALTER TABLE acceptances DROP COLUMN undone_reason;
