CREATE TABLE leases_again (
    id          INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    model       INTEGER NOT NULL,
    storage     TEXT NOT NULL,
    first_key   BLOB NOT NULL,
    last_key    BLOB NOT NULL,
    due_from    INTEGER NOT NULL,
    claimed_at  INTEGER NOT NULL,
    worker      TEXT NOT NULL,
    alive_until INTEGER NOT NULL,
    deadline    INTEGER NOT NULL, heartbeat_timeout INTEGER NOT NULL DEFAULT 0, duration INTEGER NOT NULL DEFAULT 0,
    FOREIGN KEY (model, storage) REFERENCES queues (model, storage)
) STRICT;

INSERT INTO leases_again
    (id, model, storage, first_key, last_key, due_from, claimed_at, worker, alive_until, deadline, heartbeat_timeout, duration)
    SELECT id, model, storage, first_key, last_key, due_from, claimed_at, worker, alive_until, deadline, heartbeat_timeout, duration
    FROM leases;
DROP TABLE leases;
ALTER TABLE leases_again RENAME TO leases;
CREATE INDEX leases_by_range ON leases (model, storage, first_key);
