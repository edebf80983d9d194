DROP TABLE worker_storages;
DROP TABLE storage_mounts;
DROP INDEX records_in_storage;
