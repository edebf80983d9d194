-- What a source says beside an import: whose the content is, the checksum that its own verification found good and
-- whether ours agrees with it (NULL: not known; only true of a record that succeeded), when the content was last
-- changed, and that the record is the source's, so that it goes when its row there has gone.
ALTER TABLE records ADD COLUMN touched_at bigint;
ALTER TABLE records ADD COLUMN agrees boolean;
ALTER TABLE records ADD COLUMN from_source boolean NOT NULL DEFAULT FALSE;
ALTER TABLE records ADD COLUMN owner text;
ALTER TABLE records ADD COLUMN elsewhere bytea;
-- The digest that was found instead of the right one, of a failed record.
ALTER TABLE records ADD COLUMN calculated bytea;

-- For one statement alone, as those of the first migration are; of most records it holds nothing.
CREATE INDEX records_differing ON records ((model + 0), key) WHERE state = 2 AND NOT agrees;

-- How far the sync of each model with the source is.
CREATE TABLE syncs (
    model          smallint PRIMARY KEY,
    read_to        bytea,
    read_at        bigint,
    touched_to     bigint,
    round_at       bytea,
    round_records  bigint NOT NULL,
    round_deleted  bigint NOT NULL,
    round_kept     bigint NOT NULL,
    round_due_at   bigint,
    round_ended_at bigint,
    problem        text
) WITH (fillfactor = 50);

-- Who holds the sync: one row, there from the beginning, so that it can be locked.
CREATE TABLE sync_holder (
    id         smallint PRIMARY KEY CHECK (id = 1),
    holder     text,
    held_until bigint,
    CONSTRAINT sync_holder_held CHECK ((holder IS NULL) = (held_until IS NULL))
) WITH (fillfactor = 50);

INSERT INTO sync_holder (id) VALUES (1);
