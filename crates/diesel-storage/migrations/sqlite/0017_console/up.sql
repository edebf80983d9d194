-- Of what failed alone: how many by storage and kind, and the records of one such group in the order of their keys. It begins
-- with an expression of its own, as those of the first migration do.
CREATE INDEX records_failing ON records (model + 2, storage, failure_kind, key) WHERE failure_kind IS NOT NULL;

-- Records whose content was last good with the same digest. Its first bytes tell nearly all apart.
CREATE INDEX records_by_checksum ON records (substr(baseline, 1, 12), model, key) WHERE baseline IS NOT NULL;

-- What each worker recorded of its storages between its last two announcements, and how long that was, in milliseconds.
ALTER TABLE worker_storages ADD COLUMN records INTEGER NOT NULL DEFAULT 0;
ALTER TABLE worker_storages ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE worker_storages ADD COLUMN over_ms INTEGER NOT NULL DEFAULT 0;

-- Walks in search of content that nothing claims.
CREATE TABLE orphan_walks (
    id           INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    requested_by TEXT NOT NULL,
    -- 0 queued, 1 running, 2 finished, 3 cancelled, 4 failed
    state        INTEGER NOT NULL CHECK (state IN (0, 1, 2, 3, 4)),
    created_at   INTEGER NOT NULL,
    started_at   INTEGER,
    finished_at  INTEGER,
    problem      TEXT,
    -- 1 of the one that is not over.
    open         INTEGER UNIQUE CHECK (open = 1),
    runner       TEXT,
    alive_until  INTEGER,
    CONSTRAINT orphan_walks_open CHECK ((state IN (0, 1)) = (open IS NOT NULL))
) STRICT;

CREATE TABLE orphan_walk_storages (
    walk       INTEGER NOT NULL,
    storage    TEXT NOT NULL,
    -- 0 searched, 1 not configured, 2 unused, 3 failed, 4 disordered; NULL while the search goes on
    outcome    INTEGER,
    reason     TEXT,
    looked_at  INTEGER NOT NULL,
    orphans    INTEGER NOT NULL,
    bytes      INTEGER NOT NULL,
    unmeasured INTEGER NOT NULL,
    internal   INTEGER NOT NULL,
    young      INTEGER NOT NULL,
    -- What the source does not know whether it claims.
    not_understood INTEGER NOT NULL,
    skipped    INTEGER NOT NULL,
    PRIMARY KEY (walk, storage)
) STRICT, WITHOUT ROWID;

CREATE TABLE orphans (
    walk        INTEGER NOT NULL,
    storage     TEXT NOT NULL,
    path        TEXT NOT NULL,
    size        INTEGER,
    modified_at INTEGER,
    PRIMARY KEY (walk, storage, path)
) STRICT, WITHOUT ROWID;
