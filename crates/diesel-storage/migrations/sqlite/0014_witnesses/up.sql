-- For the statements alone that look for records of one storage over the whole range of its keys: it begins with an
-- expression of its own, as those of the first migration do.
CREATE INDEX records_in_storage ON records (model + 1, storage, key);

-- What was mounted below the root of each storage when good content was read there, whichever host read it.
CREATE TABLE storage_mounts (
    storage TEXT NOT NULL,
    folder  TEXT NOT NULL,
    holds   TEXT NOT NULL,
    PRIMARY KEY (storage, folder, holds)
) STRICT, WITHOUT ROWID;

-- Which storages each worker has, and when it last said so.
CREATE TABLE worker_storages (
    worker       TEXT NOT NULL,
    storage      TEXT NOT NULL,
    announced_at INTEGER NOT NULL,
    PRIMARY KEY (storage, worker)
) STRICT, WITHOUT ROWID;
