-- How many records there are, and how large, in each group that is asked for. failure_kind is 0 without a failure. Sizes are
-- summed in whole mebibytes and the bytes beside, which do not overflow.
CREATE TABLE record_counts (
    records          bigint NOT NULL,
    mebibytes        bigint NOT NULL,
    beside           bigint NOT NULL,
    size_only        bigint NOT NULL,
    said_by_store    bigint NOT NULL,
    computed_at_rest bigint NOT NULL,
    mismatched       bigint NOT NULL,
    good_before      bigint NOT NULL,
    model            smallint NOT NULL,
    state            smallint NOT NULL,
    failure_kind     smallint NOT NULL,
    storage          text COLLATE "C" NOT NULL,
    PRIMARY KEY (model, storage, state, failure_kind)
) WITH (fillfactor = 50);

-- How many succeeded records were last good in each slot of 65,536 ms, and the oldest such time that was counted in it.
CREATE TABLE success_slots (
    slot    bigint NOT NULL,
    records bigint NOT NULL,
    oldest  bigint NOT NULL,
    model   smallint NOT NULL,
    storage text COLLATE "C" NOT NULL,
    PRIMARY KEY (model, storage, slot)
) WITH (fillfactor = 50);

CREATE INDEX success_slots_empty ON success_slots (model) WHERE records = 0;

-- What statements changed since the two tables were last brought up to date. Each only adds rows, so that no transaction waits
-- for another one.
CREATE TABLE record_count_changes (
    records          bigint NOT NULL,
    mebibytes        bigint NOT NULL,
    beside           bigint NOT NULL,
    size_only        bigint NOT NULL,
    said_by_store    bigint NOT NULL,
    computed_at_rest bigint NOT NULL,
    mismatched       bigint NOT NULL,
    good_before      bigint NOT NULL,
    slot             bigint,
    oldest           bigint,
    model            smallint NOT NULL,
    state            smallint NOT NULL,
    failure_kind     smallint NOT NULL,
    storage          text COLLATE "C" NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);

-- One function for each event, because a trigger has the transition tables of its event only.
CREATE FUNCTION count_added_records() RETURNS trigger LANGUAGE plpgsql AS $$
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

CREATE FUNCTION count_removed_records() RETURNS trigger LANGUAGE plpgsql AS $$
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

CREATE FUNCTION count_changed_records() RETURNS trigger LANGUAGE plpgsql AS $$
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

CREATE FUNCTION count_no_records() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    TRUNCATE record_counts, success_slots, record_count_changes;
    RETURN NULL;
END
$$;

-- From here on nobody writes records until the migration is done.
CREATE TRIGGER records_added AFTER INSERT ON records REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION count_added_records();
CREATE TRIGGER records_removed AFTER DELETE ON records REFERENCING OLD TABLE AS removed
    FOR EACH STATEMENT EXECUTE FUNCTION count_removed_records();
CREATE TRIGGER records_changed AFTER UPDATE ON records REFERENCING OLD TABLE AS removed NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION count_changed_records();
CREATE TRIGGER records_emptied AFTER TRUNCATE ON records
    FOR EACH STATEMENT EXECUTE FUNCTION count_no_records();

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
