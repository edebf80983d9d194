-- For the statements alone that look for records of one storage over the whole range of its keys: it begins with an
-- expression of its own, as those of the first migration do.
CREATE INDEX records_in_storage ON records ((model + 1), storage, key);

-- What was mounted below the root of each storage when good content was read there, whichever host read it.
CREATE TABLE storage_mounts (
    storage text COLLATE "C" NOT NULL,
    folder  text COLLATE "C" NOT NULL,
    holds   text COLLATE "C" NOT NULL,
    PRIMARY KEY (storage, folder, holds)
);

-- Which storages each worker has, and when it last said so.
CREATE TABLE worker_storages (
    worker       text COLLATE "C" NOT NULL,
    storage      text COLLATE "C" NOT NULL,
    announced_at bigint NOT NULL,
    PRIMARY KEY (storage, worker)
);
