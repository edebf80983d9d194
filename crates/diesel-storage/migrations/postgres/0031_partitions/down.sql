ALTER TABLE records RENAME TO records_in_partitions;

CREATE TABLE records (LIKE records_in_partitions INCLUDING DEFAULTS INCLUDING CONSTRAINTS)
    WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);

INSERT INTO records SELECT * FROM records_in_partitions r ORDER BY r.model, r.key;

DO $$
DECLARE
    granted record;
BEGIN
    FOR granted IN
        SELECT a.privilege_type,
            CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END AS grantee,
            CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END AS further
        FROM pg_class o CROSS JOIN LATERAL aclexplode(o.relacl) a
        WHERE o.oid = 'records_in_partitions'::regclass AND a.grantee <> o.relowner
    LOOP
        EXECUTE format('GRANT %s ON records TO %s%s', granted.privilege_type, granted.grantee, granted.further);
    END LOOP;
END
$$;

DO $$
DECLARE
    names text[];
    definitions text[];
BEGIN
    SELECT array_agg(c.relname), array_agg(substring(pg_get_indexdef(c.oid) FROM ' USING .*'))
    INTO names, definitions
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
    WHERE i.indrelid = 'records_in_partitions'::regclass AND NOT i.indisunique;
    DROP TABLE records_in_partitions;
    ALTER TABLE records ADD PRIMARY KEY (model, key);
    FOR place IN 1..cardinality(names) LOOP
        EXECUTE format('CREATE INDEX %I ON records %s', names[place], definitions[place]);
    END LOOP;
END
$$;

DROP FUNCTION count_no_records();
CREATE FUNCTION count_no_records() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    TRUNCATE record_counts, success_slots, record_count_changes;
    RETURN NULL;
END
$$;

CREATE TRIGGER records_added AFTER INSERT ON records REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION count_added_records();
CREATE TRIGGER records_removed AFTER DELETE ON records REFERENCING OLD TABLE AS removed
    FOR EACH STATEMENT EXECUTE FUNCTION count_removed_records();
CREATE TRIGGER records_changed AFTER UPDATE ON records REFERENCING OLD TABLE AS removed NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION count_changed_records();
CREATE TRIGGER records_emptied AFTER TRUNCATE ON records
    FOR EACH STATEMENT EXECUTE FUNCTION count_no_records();
