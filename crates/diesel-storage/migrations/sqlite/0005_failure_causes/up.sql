-- The cause of a failure as data in place of its text, in the form of src/rows/failure.rs; the text is made when it is
-- shown. What a digest is of is known from its number of bytes. A text of no known form stays as it is, as that of a
-- cause that is nothing but a text. The digest found instead of the right one is part of the cause.
WITH texts AS (
    SELECT
        model, key, failure_kind AS kind,
        CASE WHEN failure LIKE 'Error during verification: %'
            THEN substr(failure, length('Error during verification: ') + 1) ELSE failure END AS body,
        CASE length(calculated)
            WHEN 32 THEN 'sha256' WHEN 16 THEN 'md5' WHEN 20 THEN 'sha1' WHEN 21 THEN 'gitaly'
            WHEN 33 THEN 'stored-sha256' WHEN 17 THEN 'stored-md5' WHEN 9 THEN 'size' END AS found,
        CASE length(baseline)
            WHEN 32 THEN 'sha256' WHEN 16 THEN 'md5' WHEN 20 THEN 'sha1' WHEN 21 THEN 'gitaly'
            WHEN 33 THEN 'stored-sha256' WHEN 17 THEN 'stored-md5' WHEN 9 THEN 'size' END AS was
    FROM records WHERE failure IS NOT NULL
),
parts AS (
    SELECT model, key, kind, body, found, was, CASE
        WHEN kind = 1 AND body LIKE 'File is not checksummable - file does not exist at: %'
            THEN substr(body, length('File is not checksummable - file does not exist at: ') + 1)
        WHEN kind = 2 AND body LIKE 'Checksum mismatch: expected % %, calculated %'
            THEN substr(body, length('Checksum mismatch: expected ') + 1)
        WHEN kind = 2 AND body LIKE 'Size mismatch: expected % bytes, found %'
            THEN substr(body, length('Size mismatch: expected ') + 1)
        WHEN kind = 2 AND was IS NOT NULL AND body LIKE 'Content changed since %: was %, is %'
            THEN substr(body, length('Content changed since ') + 1)
        WHEN kind = 5 AND body LIKE 'Verification timed out after %'
            THEN substr(body, length('Verification timed out after ') + 1)
    END AS data FROM texts
)
UPDATE records SET failure = CASE
    WHEN parts.kind = 1 AND parts.body = 'Repository does not exist' THEN 'missing_repository'
    WHEN parts.kind = 1 THEN 'missing_file ' || COALESCE(parts.data, parts.body)
    WHEN parts.kind = 2 AND parts.data IS NULL THEN 'altered ' || parts.body
    WHEN parts.kind = 2 AND parts.body LIKE 'Checksum mismatch: %'
        THEN 'checksum_mismatch ' || substr(parts.data, 1, instr(parts.data, ' ') - 1) || ':' || replace(
            substr(parts.data, instr(parts.data, ' ') + 1),
            ', calculated ',
            ' ' || COALESCE(parts.found, substr(parts.data, 1, instr(parts.data, ' ') - 1)) || ':')
    WHEN parts.kind = 2 AND parts.body LIKE 'Size mismatch: %'
        THEN 'size_mismatch ' || replace(parts.data, ' bytes, found ', ' ')
    WHEN parts.kind = 2
        THEN 'content_changed ' || replace(
            replace(parts.data, ': was ', ' ' || parts.was || ':'),
            ', is ',
            ' ' || COALESCE(parts.found, parts.was) || ':')
    WHEN parts.kind = 3 THEN 'unreadable ' || parts.body
    WHEN parts.kind = 5 THEN 'timed_out ' || COALESCE(parts.data, '0s')
    ELSE 'invalid ' || parts.body
END
FROM parts WHERE records.model = parts.model AND records.key = parts.key;

ALTER TABLE records RENAME COLUMN failure TO failure_cause;
ALTER TABLE records DROP COLUMN calculated;
