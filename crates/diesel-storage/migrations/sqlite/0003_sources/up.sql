-- What a source says beside an import: whose the content is, the checksum that its own verification found good and
-- whether ours agrees with it (NULL: not known; only true of a record that succeeded), when the content was last
-- changed, and that the record is the source's, so that it goes when its row there has gone.
ALTER TABLE records ADD COLUMN touched_at INTEGER;
ALTER TABLE records ADD COLUMN agrees INTEGER;
ALTER TABLE records ADD COLUMN from_source INTEGER NOT NULL DEFAULT 0;
ALTER TABLE records ADD COLUMN owner TEXT;
ALTER TABLE records ADD COLUMN elsewhere BLOB;
-- The digest that was found instead of the right one, of a failed record.
ALTER TABLE records ADD COLUMN calculated BLOB;

-- For one statement alone, as those of the first migration are; of most records it holds nothing.
CREATE INDEX records_differing ON records (model + 0, key) WHERE state = 2 AND NOT agrees;

-- How far the sync of each model with the source is.
CREATE TABLE syncs (
    model          INTEGER PRIMARY KEY NOT NULL,
    read_to        BLOB,
    read_at        INTEGER,
    touched_to     INTEGER,
    round_at       BLOB,
    round_records  INTEGER NOT NULL,
    round_deleted  INTEGER NOT NULL,
    round_kept     INTEGER NOT NULL,
    round_due_at   INTEGER,
    round_ended_at INTEGER,
    problem        TEXT
) STRICT;

-- Who holds the sync: one row, there from the beginning, so that it can be locked.
CREATE TABLE sync_holder (
    id         INTEGER PRIMARY KEY NOT NULL CHECK (id = 1),
    holder     TEXT,
    held_until INTEGER,
    CONSTRAINT sync_holder_held CHECK ((holder IS NULL) = (held_until IS NULL))
) STRICT;

INSERT INTO sync_holder (id) VALUES (1);
