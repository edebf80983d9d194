DROP TABLE sync_holder;
DROP TABLE syncs;
DROP INDEX records_differing;
ALTER TABLE records DROP COLUMN calculated;
ALTER TABLE records DROP COLUMN elsewhere;
ALTER TABLE records DROP COLUMN owner;
ALTER TABLE records DROP COLUMN from_source;
ALTER TABLE records DROP COLUMN agrees;
ALTER TABLE records DROP COLUMN touched_at;
