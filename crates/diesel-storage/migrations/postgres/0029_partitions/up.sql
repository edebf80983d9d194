-- The records of each model in a partition of their own, named by the model's number: it grows, is vacuumed and is emptied without
-- the others. Statements about one model name the partition; the rows of the old table are copied in the order of their keys.
ALTER TABLE records RENAME TO records_in_one;

CREATE TABLE records (LIKE records_in_one INCLUDING DEFAULTS INCLUDING CONSTRAINTS) PARTITION BY LIST (model);

DO $$
BEGIN
    FOR model IN 1..20 LOOP
        EXECUTE format(
            'CREATE TABLE records_%1$s PARTITION OF records FOR VALUES IN (%1$s) WITH (fillfactor = 80, '
            'autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05)', model);
        EXECUTE format('INSERT INTO records_%1$s SELECT * FROM records_in_one r WHERE r.model = %1$s ORDER BY r.key', model);
    END LOOP;
END
$$;

-- A row of no known model has no place, and would be lost: it makes the migration fail.
INSERT INTO records SELECT * FROM records_in_one r WHERE r.model < 1;
INSERT INTO records SELECT * FROM records_in_one r WHERE r.model > 20;

-- Whoever could read or write the table can do the same with the parts that statements name.
DO $$
DECLARE
    granted record;
BEGIN
    FOR granted IN
        SELECT t.oid::regclass AS target, a.privilege_type,
            CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END AS grantee,
            CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END AS further
        FROM pg_class o CROSS JOIN LATERAL aclexplode(o.relacl) a
        CROSS JOIN (SELECT relid AS oid FROM pg_partition_tree('records')) t
        WHERE o.oid = 'records_in_one'::regclass AND a.grantee <> o.relowner
    LOOP
        EXECUTE format('GRANT %s ON %s TO %s%s', granted.privilege_type, granted.target, granted.grantee, granted.further);
    END LOOP;
END
$$;

DROP TABLE records_in_one;

ALTER TABLE records ADD PRIMARY KEY (model, key);

-- The indexes of the table as it was, on each partition by a name that tells which one it is.
DO $$
DECLARE
    made record;
BEGIN
    FOR made IN
        SELECT * FROM (VALUES
            ('by_state', '((model * 8 + state), key)'),
            ('in_queue', '((model + 0), storage, key, due_at) WHERE due_at IS NOT NULL'),
            ('to_retry', '(retry_at) WHERE state = 3 AND due_at IS NULL'),
            ('mismatched', '((model + 0), key) WHERE state = 2 AND NOT matches_source'),
            ('findings', '((model + 0), key) WHERE failure_kind IS NOT NULL'),
            ('with_key_data', '(model, key) WHERE substr(rule, 1, 11) = ''secure_file'''),
            ('failing', '((model + 2), storage, failure_kind, key) INCLUDE (model) WHERE failure_kind IS NOT NULL'),
            ('by_checksum', '(substr(baseline, 1, 12), model, key) WHERE baseline IS NOT NULL'),
            ('in_storage', '((model - 0), storage, key) WHERE due_at IS NULL')
        ) AS known (name, definition)
    LOOP
        EXECUTE format('CREATE INDEX records_%s ON ONLY records %s', made.name, made.definition);
        FOR model IN 1..20 LOOP
            EXECUTE format('CREATE INDEX records_%1$s_%2$s ON records_%1$s %3$s', model, made.name, made.definition);
            EXECUTE format('ALTER INDEX records_%2$s ATTACH PARTITION records_%1$s_%2$s', model, made.name);
        END LOOP;
    END LOOP;
END
$$;

-- A TRUNCATE of the whole table empties its partitions, whose triggers tell of it.
DROP FUNCTION count_no_records();
CREATE FUNCTION count_no_records() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM record_count_changes WHERE model = TG_ARGV[0]::smallint;
    DELETE FROM record_counts WHERE model = TG_ARGV[0]::smallint;
    DELETE FROM success_slots WHERE model = TG_ARGV[0]::smallint;
    RETURN NULL;
END
$$;

-- A statement fires the triggers of the table that it names alone: that of all models, or one of the partitions.
DO $$
DECLARE
    named text;
BEGIN
    FOR named IN SELECT relid::regclass::text FROM pg_partition_tree('records') LOOP
        EXECUTE format(
            'CREATE TRIGGER records_added AFTER INSERT ON %s REFERENCING NEW TABLE AS added '
            'FOR EACH STATEMENT EXECUTE FUNCTION count_added_records()', named);
        EXECUTE format(
            'CREATE TRIGGER records_removed AFTER DELETE ON %s REFERENCING OLD TABLE AS removed '
            'FOR EACH STATEMENT EXECUTE FUNCTION count_removed_records()', named);
        EXECUTE format(
            'CREATE TRIGGER records_changed AFTER UPDATE ON %s REFERENCING OLD TABLE AS removed NEW TABLE AS added '
            'FOR EACH STATEMENT EXECUTE FUNCTION count_changed_records()', named);
    END LOOP;
    FOR model IN 1..20 LOOP
        EXECUTE format(
            'CREATE TRIGGER records_emptied AFTER TRUNCATE ON records_%1$s '
            'FOR EACH STATEMENT EXECUTE FUNCTION count_no_records(%1$s)', model);
    END LOOP;
END
$$;
