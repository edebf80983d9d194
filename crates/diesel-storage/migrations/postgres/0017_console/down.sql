DROP TABLE orphans;
DROP TABLE orphan_walk_storages;
DROP TABLE orphan_walks;
ALTER TABLE worker_storages DROP COLUMN over_ms;
ALTER TABLE worker_storages DROP COLUMN bytes;
ALTER TABLE worker_storages DROP COLUMN records;
DROP INDEX records_by_checksum;
DROP INDEX records_failing;
