ALTER TABLE records DROP COLUMN former_baseline_at;
