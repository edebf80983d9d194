-- All that a page shows and a worker needs, in one row. Wide columns come first, so that no padding is lost.
CREATE TABLE records (
    created_at   bigint,
    file_size    bigint,
    due_at       bigint,
    attempt      bigint NOT NULL,
    baseline_at  bigint,
    failed_at    bigint,
    retry_at     bigint,
    retry_count  integer NOT NULL,
    model        smallint NOT NULL,
    state        smallint NOT NULL,
    failure_kind smallint,
    accepted     boolean NOT NULL,
    key          bytea NOT NULL,
    storage      text COLLATE "C" NOT NULL,
    path         text COLLATE "C" NOT NULL,
    expected     bytea,
    baseline     bytea,
    failure      text,
    PRIMARY KEY (model, key),
    -- 0 pending, 2 succeeded, 3 failed, 4 disabled. 'started' follows from the leases and is never stored.
    CONSTRAINT records_state CHECK (state >= 0 AND state <= 4 AND state <> 1),
    -- A pending record is in the queue, a failed one may be, no other is.
    CONSTRAINT records_due CHECK (state = 3 OR (state = 0) = (due_at IS NOT NULL)),
    CONSTRAINT records_failed CHECK (
        (state = 3) = (failure_kind IS NOT NULL AND failure IS NOT NULL AND retry_at IS NOT NULL)
    ),
    CONSTRAINT records_baseline CHECK ((baseline IS NULL) = (baseline_at IS NULL))
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);

-- Each of the next two begins with an expression that only the statements made for it contain, and these
-- contain nothing that another index could begin with: so a planner that knows nothing yet of the table, or
-- no longer the truth, has no choice.
CREATE INDEX records_by_state ON records ((model * 8 + state), key);
CREATE INDEX records_in_queue ON records ((model + 0), storage, key, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX records_to_retry ON records (retry_at) WHERE state = 3 AND due_at IS NULL;

-- One row per model and storage that records lie in: whose turn it is, and where the last claim ended.
CREATE TABLE queues (
    model      smallint NOT NULL,
    storage    text COLLATE "C" NOT NULL,
    claimed_to bytea,
    served     bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (model, storage)
) WITH (fillfactor = 50);

-- A lease holds the records of a range of keys that became due from due_from to claimed_at.
CREATE TABLE leases (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    model       smallint NOT NULL,
    storage     text COLLATE "C" NOT NULL,
    first_key   bytea NOT NULL,
    last_key    bytea NOT NULL,
    due_from    bigint NOT NULL,
    claimed_at  bigint NOT NULL,
    worker      text NOT NULL,
    alive_until bigint NOT NULL,
    deadline    bigint NOT NULL,
    FOREIGN KEY (model, storage) REFERENCES queues (model, storage)
) WITH (fillfactor = 50);

CREATE INDEX leases_by_range ON leases (model, storage, first_key);

CREATE TABLE jobs (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    model          smallint NOT NULL,
    selected_state smallint,
    selected_keys  text,
    requested_by   text NOT NULL,
    -- 0 queued, 1 running, 2 finished, 3 cancelled
    state          smallint NOT NULL CHECK (state IN (0, 1, 2, 3)),
    marked_to      bytea,
    marked         bigint NOT NULL,
    created_at     bigint NOT NULL,
    started_at     bigint,
    finished_at    bigint
);

CREATE INDEX jobs_open ON jobs (id) WHERE state IN (0, 1);

CREATE TABLE tokens (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name       text NOT NULL,
    owner      text NOT NULL,
    admin      boolean NOT NULL,
    -- 0 api, 1 read_api
    scope      smallint NOT NULL CHECK (scope IN (0, 1)),
    expires_at bigint,
    digest     bytea NOT NULL UNIQUE,
    created_at bigint NOT NULL,
    revoked_at bigint
);

CREATE UNIQUE INDEX tokens_name ON tokens (name) WHERE revoked_at IS NULL;
