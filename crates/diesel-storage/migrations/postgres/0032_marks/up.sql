-- A demand to verify all records of a model again, by one row: what succeeded and answers no mark of this number or a later one is
-- pending, and due since came_at. The number is that of the job.
CREATE TABLE marks (
    model   smallint PRIMARY KEY NOT NULL,
    number  bigint NOT NULL,
    came_at bigint NOT NULL
) WITH (fillfactor = 50);

-- The ranges of keys in which succeeded records of a storage may not answer the mark on their model; outside of them all do. In one that
-- is not mixed none does, beside those that leases are at. The end is exclusive.
CREATE TABLE mark_ranges (
    model     smallint NOT NULL,
    storage   text COLLATE "C" NOT NULL,
    first_key bytea NOT NULL,
    end_key   bytea NOT NULL,
    mixed     boolean NOT NULL,
    PRIMARY KEY (model, storage, first_key)
) WITH (fillfactor = 50);

-- From here on nobody writes records until the migration is done.
LOCK TABLE records IN SHARE ROW EXCLUSIVE MODE;

-- The number of the last mark that the record answers. In no index, so that a result that changes nothing else writes none.
ALTER TABLE records ADD COLUMN answers bigint NOT NULL DEFAULT 0;

-- The counts tell apart which mark succeeded records answer, and so how many of them are pending.
ALTER TABLE record_count_changes ADD COLUMN answers bigint NOT NULL DEFAULT 0;
ALTER TABLE record_counts ADD COLUMN answers bigint NOT NULL DEFAULT 0;
ALTER TABLE record_counts DROP CONSTRAINT record_counts_pkey;
ALTER TABLE record_counts ADD PRIMARY KEY (model, storage, state, failure_kind, answers);

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
        r.model, r.state, COALESCE(r.failure_kind, 0), r.storage,
        CASE WHEN r.state = 2 THEN r.answers ELSE 0 END
    FROM added r GROUP BY 9, 11, 12, 13, 14, 15;
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
        r.model, r.state, COALESCE(r.failure_kind, 0), r.storage,
        CASE WHEN r.state = 2 THEN r.answers ELSE 0 END
    FROM removed r GROUP BY 9, 11, 12, 13, 14, 15;
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
        r.model, r.state, COALESCE(r.failure_kind, 0), r.storage,
        CASE WHEN r.state = 2 THEN r.answers ELSE 0 END
    FROM added r GROUP BY 9, 11, 12, 13, 14, 15
    UNION ALL
    SELECT -COUNT(*), -COALESCE(SUM(r.file_size >> 20), 0), -COALESCE(SUM(r.file_size & 1048575), 0),
        -COUNT(*) FILTER (WHERE r.state = 2 AND length(r.baseline) IN (9)),
        -COUNT(*) FILTER (WHERE r.state = 2 AND length(r.baseline) IN (17, 33)),
        -COUNT(*) FILTER (WHERE r.state = 2 AND length(r.baseline) IN (18, 22, 34)),
        -COUNT(*) FILTER (WHERE r.state = 2 AND NOT r.matches_source),
        -COUNT(*) FILTER (WHERE r.state = 0 AND r.baseline_at IS NOT NULL AND r.failed_at IS NULL),
        CASE WHEN r.state = 2 THEN r.baseline_at >> 16 END, NULL,
        r.model, r.state, COALESCE(r.failure_kind, 0), r.storage,
        CASE WHEN r.state = 2 THEN r.answers ELSE 0 END
    FROM removed r GROUP BY 9, 11, 12, 13, 14, 15;
    RETURN NULL;
END
$$;

-- A job about a whole model that has begun would go on behind records that it wrote, and begins anew: with a mark.
UPDATE jobs SET state = 0, started_at = NULL, marked_to = NULL, marked = 0
WHERE state = 1 AND selected_state IS NULL AND selected_keys IS NULL AND selected_filter IS NULL;
