-- Of what failed alone: how many by storage and kind, and the records of one such group in the order of their keys. It begins
-- with an expression of its own, as those of the first migration do.
CREATE INDEX records_failing ON records ((model + 2), storage, failure_kind, key) INCLUDE (model) WHERE failure_kind IS NOT NULL;

-- Records whose content was last good with the same digest. Its first bytes tell nearly all apart.
CREATE INDEX records_by_checksum ON records (substr(baseline, 1, 12), model, key) WHERE baseline IS NOT NULL;

-- What each worker recorded of its storages between its last two announcements, and how long that was, in milliseconds.
ALTER TABLE worker_storages ADD COLUMN records bigint NOT NULL DEFAULT 0;
ALTER TABLE worker_storages ADD COLUMN bytes bigint NOT NULL DEFAULT 0;
ALTER TABLE worker_storages ADD COLUMN over_ms bigint NOT NULL DEFAULT 0;

-- Walks in search of content that nothing claims.
CREATE TABLE orphan_walks (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    requested_by text NOT NULL,
    -- 0 queued, 1 running, 2 finished, 3 cancelled, 4 failed
    state        smallint NOT NULL CHECK (state IN (0, 1, 2, 3, 4)),
    created_at   bigint NOT NULL,
    started_at   bigint,
    finished_at  bigint,
    problem      text,
    -- 1 of the one that is not over.
    open         smallint UNIQUE CHECK (open = 1),
    runner       text,
    alive_until  bigint,
    CONSTRAINT orphan_walks_open CHECK ((state IN (0, 1)) = (open IS NOT NULL))
);

CREATE TABLE orphan_walk_storages (
    walk       bigint NOT NULL,
    storage    text COLLATE "C" NOT NULL,
    -- 0 searched, 1 not configured, 2 unused, 3 failed, 4 disordered; NULL while the search goes on
    outcome    smallint,
    reason     text,
    looked_at  bigint NOT NULL,
    orphans    bigint NOT NULL,
    bytes      bigint NOT NULL,
    unmeasured bigint NOT NULL,
    internal   bigint NOT NULL,
    young      bigint NOT NULL,
    -- What the source does not know whether it claims.
    not_understood bigint NOT NULL,
    skipped    bigint NOT NULL,
    PRIMARY KEY (walk, storage)
);

CREATE TABLE orphans (
    walk        bigint NOT NULL,
    storage     text COLLATE "C" NOT NULL,
    path        text COLLATE "C" NOT NULL,
    size        bigint,
    modified_at bigint,
    PRIMARY KEY (walk, storage, path)
);
