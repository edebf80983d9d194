DROP INDEX records_in_storage;
CREATE INDEX records_in_storage ON records (model + 1, storage, key);
