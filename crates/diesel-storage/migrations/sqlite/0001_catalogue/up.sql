-- All that a page shows and a worker needs, in one row, kept in the order of its key.
CREATE TABLE records (
    model        INTEGER NOT NULL,
    key          BLOB NOT NULL,
    storage      TEXT NOT NULL,
    path         TEXT NOT NULL,
    created_at   INTEGER,
    file_size    INTEGER,
    expected     BLOB,
    accepted     INTEGER NOT NULL,
    state        INTEGER NOT NULL,
    due_at       INTEGER,
    attempt      INTEGER NOT NULL,
    baseline     BLOB,
    baseline_at  INTEGER,
    failed_at    INTEGER,
    retry_count  INTEGER NOT NULL,
    retry_at     INTEGER,
    failure_kind INTEGER,
    failure      TEXT,
    PRIMARY KEY (model, key),
    -- 0 pending, 2 succeeded, 3 failed, 4 disabled. 'started' follows from the leases and is never stored.
    CONSTRAINT records_state CHECK (state >= 0 AND state <= 4 AND state <> 1),
    -- A pending record is in the queue, a failed one may be, no other is.
    CONSTRAINT records_due CHECK (state = 3 OR (state = 0) = (due_at IS NOT NULL)),
    CONSTRAINT records_failed CHECK (
        (state = 3) = (failure_kind IS NOT NULL AND failure IS NOT NULL AND retry_at IS NOT NULL)
    ),
    CONSTRAINT records_baseline CHECK ((baseline IS NULL) = (baseline_at IS NULL))
) STRICT, WITHOUT ROWID;

-- Each of the next two begins with an expression that only the statements made for it contain, and these
-- contain nothing that another index could begin with: so a planner that knows nothing yet of the table, or
-- no longer the truth, has no choice.
CREATE INDEX records_by_state ON records (model * 8 + state, key);
CREATE INDEX records_in_queue ON records (model + 0, storage, key, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX records_to_retry ON records (retry_at) WHERE state = 3 AND due_at IS NULL;

-- One row per model and storage that records lie in: whose turn it is, and where the last claim ended.
CREATE TABLE queues (
    model      INTEGER NOT NULL,
    storage    TEXT NOT NULL,
    claimed_to BLOB,
    served     INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (model, storage)
) STRICT, WITHOUT ROWID;

-- A lease holds the records of a range of keys that became due from due_from to claimed_at.
CREATE TABLE leases (
    id          INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    model       INTEGER NOT NULL,
    storage     TEXT NOT NULL,
    first_key   BLOB NOT NULL,
    last_key    BLOB NOT NULL,
    due_from    INTEGER NOT NULL,
    claimed_at  INTEGER NOT NULL,
    worker      TEXT NOT NULL,
    alive_until INTEGER NOT NULL,
    deadline    INTEGER NOT NULL,
    FOREIGN KEY (model, storage) REFERENCES queues (model, storage)
) STRICT;

CREATE INDEX leases_by_range ON leases (model, storage, first_key);

CREATE TABLE jobs (
    id             INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    model          INTEGER NOT NULL,
    selected_state INTEGER,
    selected_keys  TEXT,
    requested_by   TEXT NOT NULL,
    -- 0 queued, 1 running, 2 finished, 3 cancelled
    state          INTEGER NOT NULL CHECK (state IN (0, 1, 2, 3)),
    marked_to      BLOB,
    marked         INTEGER NOT NULL,
    created_at     INTEGER NOT NULL,
    started_at     INTEGER,
    finished_at    INTEGER
) STRICT;

CREATE INDEX jobs_open ON jobs (id) WHERE state IN (0, 1);

CREATE TABLE tokens (
    id         INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    name       TEXT NOT NULL,
    owner      TEXT NOT NULL,
    admin      INTEGER NOT NULL,
    -- 0 api, 1 read_api
    scope      INTEGER NOT NULL CHECK (scope IN (0, 1)),
    expires_at INTEGER,
    digest     BLOB NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT;

CREATE UNIQUE INDEX tokens_name ON tokens (name) WHERE revoked_at IS NULL;
