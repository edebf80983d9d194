-- When content was last good whose checksum was forgotten, because its source says another one of it now.
ALTER TABLE records ADD COLUMN former_baseline_at INTEGER;
