-- What is wrong with a storage as a whole (kind 0) or with a process (kind 1, no subject), as a host sees it.
CREATE TABLE conditions (
    kind        INTEGER NOT NULL CHECK (kind IN (0, 1)),
    subject     TEXT NOT NULL,
    host        TEXT NOT NULL,
    reason      TEXT NOT NULL,
    since       INTEGER NOT NULL,
    reported_at INTEGER NOT NULL,
    PRIMARY KEY (kind, subject, host)
) STRICT, WITHOUT ROWID;

-- Which storage a host found at the configured address when it last read good content there.
CREATE TABLE storage_identities (
    storage  TEXT NOT NULL,
    host     TEXT NOT NULL,
    identity TEXT NOT NULL,
    PRIMARY KEY (storage, host)
) STRICT, WITHOUT ROWID;
