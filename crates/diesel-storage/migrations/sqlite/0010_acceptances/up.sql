-- Each acceptance of a record's content, and what it replaced: so that it can be told and taken back. It outlives its record.
CREATE TABLE acceptances (
    id            INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    model         INTEGER NOT NULL,
    key           BLOB NOT NULL,
    accepted_at   INTEGER NOT NULL,
    accepted_by   TEXT NOT NULL,
    reason        TEXT,
    checksum      BLOB NOT NULL,
    size          INTEGER,
    -- What counted before.
    expected      BLOB,
    file_size     INTEGER,
    baseline      BLOB,
    baseline_at   INTEGER,
    accepted      INTEGER NOT NULL,
    failure_cause TEXT,
    failed_at     INTEGER,
    -- When and by whom it was taken back.
    undone_at     INTEGER,
    undone_by     TEXT,
    CONSTRAINT acceptances_baseline CHECK ((baseline IS NULL) = (baseline_at IS NULL)),
    CONSTRAINT acceptances_undone CHECK ((undone_at IS NULL) = (undone_by IS NULL))
) STRICT;

CREATE INDEX acceptances_of_record ON acceptances (model, key, id);
