-- A demand to verify all records of a model again, by one row: what succeeded and answers no mark of this number or a later one is
-- pending, and due since came_at. The number is that of the job.
CREATE TABLE marks (
    model   INTEGER PRIMARY KEY NOT NULL,
    number  INTEGER NOT NULL,
    came_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The ranges of keys in which succeeded records of a storage may not answer the mark on their model; outside of them all do. In one that
-- is not mixed none does, beside those that leases are at. The end is exclusive.
CREATE TABLE mark_ranges (
    model     INTEGER NOT NULL,
    storage   TEXT NOT NULL,
    first_key BLOB NOT NULL,
    end_key   BLOB NOT NULL,
    mixed     INTEGER NOT NULL,
    PRIMARY KEY (model, storage, first_key)
) STRICT, WITHOUT ROWID;

-- The number of the last mark that the record answers. In no index, so that a result that changes nothing else writes none.
ALTER TABLE records ADD COLUMN answers INTEGER NOT NULL DEFAULT 0;

-- The counts tell apart which mark succeeded records answer, and so how many of them are pending.
DROP TRIGGER records_moved;
DROP TRIGGER records_changed;
DROP TRIGGER records_removed;
DROP TRIGGER records_added;
ALTER TABLE record_counts RENAME TO counts_without_marks;
CREATE TABLE record_counts (
    model            INTEGER NOT NULL,
    storage          TEXT NOT NULL,
    state            INTEGER NOT NULL,
    failure_kind     INTEGER NOT NULL,
    answers          INTEGER NOT NULL,
    records          INTEGER NOT NULL,
    mebibytes        INTEGER NOT NULL,
    beside           INTEGER NOT NULL,
    size_only        INTEGER NOT NULL,
    said_by_store    INTEGER NOT NULL,
    computed_at_rest INTEGER NOT NULL,
    mismatched       INTEGER NOT NULL,
    good_before      INTEGER NOT NULL,
    PRIMARY KEY (model, storage, state, failure_kind, answers)
) STRICT, WITHOUT ROWID;
INSERT INTO record_counts
SELECT c.model, c.storage, c.state, c.failure_kind, 0, c.records, c.mebibytes, c.beside, c.size_only, c.said_by_store,
    c.computed_at_rest, c.mismatched, c.good_before
FROM counts_without_marks c;
DROP TABLE counts_without_marks;

CREATE TRIGGER records_added AFTER INSERT ON records BEGIN
    SELECT RAISE(ABORT, 'records are written in transactions of the program only') WHERE NOT count_record(
        NEW.model, NEW.storage, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
        NEW.state, NEW.failure_kind, NEW.file_size, length(NEW.baseline),
        NEW.baseline_at, NEW.failed_at, NEW.matches_source, NEW.answers);
END;

CREATE TRIGGER records_removed AFTER DELETE ON records BEGIN
    SELECT RAISE(ABORT, 'records are written in transactions of the program only') WHERE NOT count_record(
        OLD.model, OLD.storage, OLD.state, OLD.failure_kind, OLD.file_size, length(OLD.baseline),
        OLD.baseline_at, OLD.failed_at, OLD.matches_source, OLD.answers,
        NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
END;

CREATE TRIGGER records_changed AFTER UPDATE OF state, failure_kind, file_size, baseline, baseline_at, failed_at, matches_source, answers ON records
    WHEN OLD.model = NEW.model AND OLD.storage = NEW.storage BEGIN
    SELECT RAISE(ABORT, 'records are written in transactions of the program only') WHERE NOT count_record(
        NEW.model, NEW.storage, OLD.state, OLD.failure_kind, OLD.file_size, length(OLD.baseline),
        OLD.baseline_at, OLD.failed_at, OLD.matches_source, OLD.answers,
        NEW.state, NEW.failure_kind, NEW.file_size, length(NEW.baseline),
        NEW.baseline_at, NEW.failed_at, NEW.matches_source, NEW.answers);
END;

CREATE TRIGGER records_moved AFTER UPDATE OF model, storage ON records
    WHEN OLD.model <> NEW.model OR OLD.storage <> NEW.storage
BEGIN
    SELECT RAISE(ABORT, 'records are written in transactions of the program only') WHERE NOT count_record(
        OLD.model, OLD.storage, OLD.state, OLD.failure_kind, OLD.file_size, length(OLD.baseline),
        OLD.baseline_at, OLD.failed_at, OLD.matches_source, OLD.answers,
        NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
    SELECT RAISE(ABORT, 'records are written in transactions of the program only') WHERE NOT count_record(
        NEW.model, NEW.storage, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
        NEW.state, NEW.failure_kind, NEW.file_size, length(NEW.baseline),
        NEW.baseline_at, NEW.failed_at, NEW.matches_source, NEW.answers);
END;

-- A job about a whole model that has begun would go on behind records that it wrote, and begins anew: with a mark.
UPDATE jobs SET state = 0, started_at = NULL, marked_to = NULL, marked = 0
WHERE state = 1 AND selected_state IS NULL AND selected_keys IS NULL AND selected_filter IS NULL;
