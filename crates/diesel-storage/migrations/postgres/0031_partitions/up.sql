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

-- The indexes of the table as it was, on each partition by a name that tells which one it is.
DO $$
DECLARE
    names text[];
    definitions text[];
    own text;
BEGIN
    SELECT array_agg(regexp_replace(c.relname, '^records_', '')), array_agg(substring(pg_get_indexdef(c.oid) FROM ' USING .*'))
    INTO names, definitions
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
    WHERE i.indrelid = 'records_in_one'::regclass AND NOT i.indisunique;
    DROP TABLE records_in_one;
    ALTER TABLE records ADD PRIMARY KEY (model, key);
    FOR place IN 1..cardinality(names) LOOP
        EXECUTE format('CREATE INDEX %I ON ONLY records %s', 'records_' || names[place], definitions[place]);
        FOR model IN 1..20 LOOP
            own := format('records_%s_%s', model, names[place]);
            EXECUTE format('CREATE INDEX %I ON records_%s %s', own, model, definitions[place]);
            EXECUTE format('ALTER INDEX %I ATTACH PARTITION %I', 'records_' || names[place], own);
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
