DROP INDEX records_by_checksum;
CREATE INDEX records_by_checksum ON records (substr(baseline, 1, 12), model, key) WHERE baseline IS NOT NULL;
