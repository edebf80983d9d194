-- The text of each cause, and beside it the digest that was found, with the byte in front that says what it is.
ALTER TABLE records ADD COLUMN calculated BLOB;

WITH causes AS (
    SELECT
        model, key,
        substr(failure_cause, 1, instr(failure_cause || ' ', ' ') - 1) AS name,
        substr(failure_cause, instr(failure_cause || ' ', ' ') + 1) AS data
    FROM records WHERE failure_cause IS NOT NULL
),
-- Of a cause with two digests, these; since: what precedes them.
pairs AS (
    SELECT
        model, key, name, data,
        CASE name WHEN 'content_changed' THEN substr(data, 1, instr(data, ' ') - 1) END AS since,
        CASE name WHEN 'content_changed' THEN substr(data, instr(data, ' ') + 1) ELSE data END AS pair
    FROM causes
),
digests AS (
    SELECT
        model, key, name, data, since,
        replace(substr(pair, 1, instr(pair, ' ') - 1), 'stored-', '') AS one,
        substr(pair, instr(pair, ' ') + 1) AS other
    FROM pairs
),
parts AS (
    SELECT
        model, key, name, data, since,
        substr(one, 1, instr(one, ':') - 1) AS algorithm,
        substr(one, instr(one, ':') + 1) AS one,
        substr(other, 1, instr(other, ':') - 1) AS tag,
        substr(other, instr(other, ':') + 1) AS other
    FROM digests
)
UPDATE records SET
    calculated = CASE WHEN parts.name IN ('checksum_mismatch', 'content_changed') THEN unhex(CASE parts.tag
        WHEN 'size' THEN '02' || printf('%016x', CAST(parts.other AS INTEGER))
        WHEN 'gitaly' THEN '01' || substr('0000000000000000000000000000000000000000' || parts.other, -40)
        WHEN 'stored-sha256' THEN '02' || parts.other
        WHEN 'stored-md5' THEN '02' || parts.other
        ELSE parts.other
    END) END,
    failure_cause = CASE parts.name
        WHEN 'missing_repository' THEN 'Error during verification: Repository does not exist'
        WHEN 'missing_file'
            THEN 'Error during verification: File is not checksummable - file does not exist at: ' || parts.data
        WHEN 'checksum_mismatch' THEN 'Error during verification: Checksum mismatch: expected ' || parts.algorithm
            || ' ' || parts.one || ', calculated ' || parts.other
        WHEN 'size_mismatch'
            THEN 'Error during verification: Size mismatch: expected ' || replace(parts.data, ' ', ' bytes, found ')
        WHEN 'content_changed' THEN 'Error during verification: Content changed since ' || parts.since
            || ': was ' || parts.one || ', is ' || parts.other
        WHEN 'timed_out' THEN 'Verification timed out after ' || parts.data
        ELSE 'Error during verification: ' || parts.data
    END
FROM parts WHERE records.model = parts.model AND records.key = parts.key;

ALTER TABLE records RENAME COLUMN failure_cause TO failure;
