DROP TRIGGER records_moved;
DROP TRIGGER records_changed;
DROP TRIGGER records_removed;
DROP TRIGGER records_added;
-- What is marked becomes due by its row.
UPDATE records SET state = 0, due_at = (SELECT k.came_at FROM marks k WHERE k.model = records.model)
WHERE state = 2 AND answers < (SELECT k.number FROM marks k WHERE k.model = records.model);
ALTER TABLE records DROP COLUMN answers;
DROP TABLE record_counts;
CREATE TABLE record_counts (
    model            INTEGER NOT NULL,
    storage          TEXT NOT NULL,
    state            INTEGER NOT NULL,
    failure_kind     INTEGER NOT NULL,
    records          INTEGER NOT NULL,
    mebibytes        INTEGER NOT NULL,
    beside           INTEGER NOT NULL,
    size_only        INTEGER NOT NULL,
    said_by_store    INTEGER NOT NULL,
    computed_at_rest INTEGER NOT NULL,
    mismatched       INTEGER NOT NULL,
    good_before      INTEGER NOT NULL,
    PRIMARY KEY (model, storage, state, failure_kind)
) STRICT, WITHOUT ROWID;

INSERT INTO record_counts
SELECT r.model, r.storage, r.state, COALESCE(r.failure_kind, 0), COUNT(*),
    COALESCE(SUM(r.file_size >> 20), 0), COALESCE(SUM(r.file_size & 1048575), 0),
    COUNT(*) FILTER (WHERE r.state = 2 AND length(r.baseline) IN (9)),
    COUNT(*) FILTER (WHERE r.state = 2 AND length(r.baseline) IN (17, 33)),
    COUNT(*) FILTER (WHERE r.state = 2 AND length(r.baseline) IN (18, 22, 34)),
    COUNT(*) FILTER (WHERE r.state = 2 AND NOT r.matches_source),
    COUNT(*) FILTER (WHERE r.state = 0 AND r.baseline_at IS NOT NULL AND r.failed_at IS NULL)
FROM records r GROUP BY 1, 2, 3, 4;
DELETE FROM success_slots;
INSERT INTO success_slots
SELECT r.model, r.storage, r.baseline_at >> 16, COUNT(*), MIN(r.baseline_at)
FROM records r WHERE r.state = 2 AND r.baseline_at IS NOT NULL GROUP BY 1, 2, 3;

CREATE TRIGGER records_added AFTER INSERT ON records BEGIN
    SELECT RAISE(ABORT, 'records are written in transactions of the program only') WHERE NOT count_record(
        NEW.model, NEW.storage, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
        NEW.state, NEW.failure_kind, NEW.file_size, length(NEW.baseline),
        NEW.baseline_at, NEW.failed_at, NEW.matches_source);
END;

CREATE TRIGGER records_removed AFTER DELETE ON records BEGIN
    SELECT RAISE(ABORT, 'records are written in transactions of the program only') WHERE NOT count_record(
        OLD.model, OLD.storage, OLD.state, OLD.failure_kind, OLD.file_size, length(OLD.baseline),
        OLD.baseline_at, OLD.failed_at, OLD.matches_source,
        NULL, NULL, NULL, NULL, NULL, NULL, NULL);
END;

CREATE TRIGGER records_changed AFTER UPDATE OF state, failure_kind, file_size, baseline, baseline_at, failed_at, matches_source ON records
    WHEN OLD.model = NEW.model AND OLD.storage = NEW.storage BEGIN
    SELECT RAISE(ABORT, 'records are written in transactions of the program only') WHERE NOT count_record(
        NEW.model, NEW.storage, OLD.state, OLD.failure_kind, OLD.file_size, length(OLD.baseline),
        OLD.baseline_at, OLD.failed_at, OLD.matches_source,
        NEW.state, NEW.failure_kind, NEW.file_size, length(NEW.baseline),
        NEW.baseline_at, NEW.failed_at, NEW.matches_source);
END;

CREATE TRIGGER records_moved AFTER UPDATE OF model, storage ON records
    WHEN OLD.model <> NEW.model OR OLD.storage <> NEW.storage
BEGIN
    SELECT RAISE(ABORT, 'records are written in transactions of the program only') WHERE NOT count_record(
        OLD.model, OLD.storage, OLD.state, OLD.failure_kind, OLD.file_size, length(OLD.baseline),
        OLD.baseline_at, OLD.failed_at, OLD.matches_source,
        NULL, NULL, NULL, NULL, NULL, NULL, NULL);
    SELECT RAISE(ABORT, 'records are written in transactions of the program only') WHERE NOT count_record(
        NEW.model, NEW.storage, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
        NEW.state, NEW.failure_kind, NEW.file_size, length(NEW.baseline),
        NEW.baseline_at, NEW.failed_at, NEW.matches_source);
END;
DROP TABLE mark_ranges;
DROP TABLE marks;
