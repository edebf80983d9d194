LOCK TABLE records IN SHARE ROW EXCLUSIVE MODE;
-- What is marked becomes due by its row.
UPDATE records r SET state = 0, due_at = k.came_at FROM marks k WHERE k.model = r.model AND r.state = 2 AND r.answers < k.number;
ALTER TABLE records DROP COLUMN answers;
TRUNCATE record_counts, record_count_changes, success_slots;
ALTER TABLE record_counts DROP COLUMN answers;
ALTER TABLE record_counts ADD PRIMARY KEY (model, storage, state, failure_kind);
ALTER TABLE record_count_changes DROP COLUMN answers;

CREATE OR REPLACE FUNCTION count_added_records() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO record_count_changes
    SELECT COUNT(*), COALESCE(SUM(r.file_size >> 20), 0), COALESCE(SUM(r.file_size & 1048575), 0),
        COUNT(*) FILTER (WHERE r.state = 2 AND length(r.baseline) IN (9)),
        COUNT(*) FILTER (WHERE r.state = 2 AND length(r.baseline) IN (17, 33)),
        COUNT(*) FILTER (WHERE r.state = 2 AND length(r.baseline) IN (18, 22, 34)),
        COUNT(*) FILTER (WHERE r.state = 2 AND NOT r.matches_source),
        COUNT(*) FILTER (WHERE r.state = 0 AND r.baseline_at IS NOT NULL AND r.failed_at IS NULL),
        CASE WHEN r.state = 2 THEN r.baseline_at >> 16 END, MIN(r.baseline_at) FILTER (WHERE r.state = 2),
        r.model, r.state, COALESCE(r.failure_kind, 0), r.storage
    FROM added r GROUP BY 9, 11, 12, 13, 14;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION count_removed_records() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO record_count_changes
    SELECT -COUNT(*), -COALESCE(SUM(r.file_size >> 20), 0), -COALESCE(SUM(r.file_size & 1048575), 0),
        -COUNT(*) FILTER (WHERE r.state = 2 AND length(r.baseline) IN (9)),
        -COUNT(*) FILTER (WHERE r.state = 2 AND length(r.baseline) IN (17, 33)),
        -COUNT(*) FILTER (WHERE r.state = 2 AND length(r.baseline) IN (18, 22, 34)),
        -COUNT(*) FILTER (WHERE r.state = 2 AND NOT r.matches_source),
        -COUNT(*) FILTER (WHERE r.state = 0 AND r.baseline_at IS NOT NULL AND r.failed_at IS NULL),
        CASE WHEN r.state = 2 THEN r.baseline_at >> 16 END, NULL,
        r.model, r.state, COALESCE(r.failure_kind, 0), r.storage
    FROM removed r GROUP BY 9, 11, 12, 13, 14;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION count_changed_records() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO record_count_changes
    SELECT COUNT(*), COALESCE(SUM(r.file_size >> 20), 0), COALESCE(SUM(r.file_size & 1048575), 0),
        COUNT(*) FILTER (WHERE r.state = 2 AND length(r.baseline) IN (9)),
        COUNT(*) FILTER (WHERE r.state = 2 AND length(r.baseline) IN (17, 33)),
        COUNT(*) FILTER (WHERE r.state = 2 AND length(r.baseline) IN (18, 22, 34)),
        COUNT(*) FILTER (WHERE r.state = 2 AND NOT r.matches_source),
        COUNT(*) FILTER (WHERE r.state = 0 AND r.baseline_at IS NOT NULL AND r.failed_at IS NULL),
        CASE WHEN r.state = 2 THEN r.baseline_at >> 16 END, MIN(r.baseline_at) FILTER (WHERE r.state = 2),
        r.model, r.state, COALESCE(r.failure_kind, 0), r.storage
    FROM added r GROUP BY 9, 11, 12, 13, 14
    UNION ALL
    SELECT -COUNT(*), -COALESCE(SUM(r.file_size >> 20), 0), -COALESCE(SUM(r.file_size & 1048575), 0),
        -COUNT(*) FILTER (WHERE r.state = 2 AND length(r.baseline) IN (9)),
        -COUNT(*) FILTER (WHERE r.state = 2 AND length(r.baseline) IN (17, 33)),
        -COUNT(*) FILTER (WHERE r.state = 2 AND length(r.baseline) IN (18, 22, 34)),
        -COUNT(*) FILTER (WHERE r.state = 2 AND NOT r.matches_source),
        -COUNT(*) FILTER (WHERE r.state = 0 AND r.baseline_at IS NOT NULL AND r.failed_at IS NULL),
        CASE WHEN r.state = 2 THEN r.baseline_at >> 16 END, NULL,
        r.model, r.state, COALESCE(r.failure_kind, 0), r.storage
    FROM removed r GROUP BY 9, 11, 12, 13, 14;
    RETURN NULL;
END
$$;

INSERT INTO record_counts
SELECT COUNT(*), COALESCE(SUM(r.file_size >> 20), 0), COALESCE(SUM(r.file_size & 1048575), 0),
    COUNT(*) FILTER (WHERE r.state = 2 AND length(r.baseline) IN (9)),
    COUNT(*) FILTER (WHERE r.state = 2 AND length(r.baseline) IN (17, 33)),
    COUNT(*) FILTER (WHERE r.state = 2 AND length(r.baseline) IN (18, 22, 34)),
    COUNT(*) FILTER (WHERE r.state = 2 AND NOT r.matches_source),
    COUNT(*) FILTER (WHERE r.state = 0 AND r.baseline_at IS NOT NULL AND r.failed_at IS NULL),
    r.model, r.state, COALESCE(r.failure_kind, 0), r.storage
FROM records r GROUP BY 9, 10, 11, 12;
INSERT INTO success_slots
SELECT r.baseline_at >> 16, COUNT(*), MIN(r.baseline_at), r.model, r.storage
FROM records r WHERE r.state = 2 AND r.baseline_at IS NOT NULL GROUP BY 1, 4, 5;
DROP TABLE mark_ranges;
DROP TABLE marks;
