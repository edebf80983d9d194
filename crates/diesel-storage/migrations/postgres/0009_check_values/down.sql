ALTER TABLE records DROP COLUMN baseline_check;
ALTER TABLE records DROP COLUMN recorded_check;
