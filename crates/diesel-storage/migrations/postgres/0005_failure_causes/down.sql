-- The text of each cause, and beside it the digest that was found, with the byte in front that says what it is.
ALTER TABLE records ADD COLUMN calculated bytea;
UPDATE records SET calculated = decode(CASE split_part(found.digest, ':', 1)
        WHEN 'size' THEN '02' || lpad(to_hex(CAST(split_part(found.digest, ':', 2) AS bigint)), 16, '0')
        WHEN 'gitaly' THEN '01' || lpad(split_part(found.digest, ':', 2), 40, '0')
        WHEN 'stored-sha256' THEN '02' || split_part(found.digest, ':', 2)
        WHEN 'stored-md5' THEN '02' || split_part(found.digest, ':', 2)
        ELSE split_part(found.digest, ':', 2)
    END, 'hex')
FROM (
    SELECT f.model, f.key, regexp_replace(f.failure_cause, '^.* ', '') AS digest FROM records f
    WHERE f.failure_cause ~ '^(checksum_mismatch|content_changed) '
) AS found
WHERE records.model = found.model AND records.key = found.key;

UPDATE records SET failure_cause = CASE split_part(failure_cause, ' ', 1)
    WHEN 'missing_repository' THEN 'Error during verification: Repository does not exist'
    WHEN 'missing_file' THEN 'Error during verification: File is not checksummable - file does not exist at: '
        || substr(failure_cause, length('missing_file ') + 1)
    WHEN 'checksum_mismatch' THEN regexp_replace(
        failure_cause,
        '^checksum_mismatch (?:stored-)?([^ :]+):(\S+) [^ :]+:(\S+)$',
        'Error during verification: Checksum mismatch: expected \1 \2, calculated \3')
    WHEN 'size_mismatch' THEN regexp_replace(
        failure_cause,
        '^size_mismatch (\S+) (\S+)$',
        'Error during verification: Size mismatch: expected \1 bytes, found \2')
    WHEN 'content_changed' THEN regexp_replace(
        failure_cause,
        '^content_changed (\S+) [^ :]+:(\S+) [^ :]+:(\S+)$',
        'Error during verification: Content changed since \1: was \2, is \3')
    WHEN 'timed_out' THEN 'Verification timed out after ' || substr(failure_cause, length('timed_out ') + 1)
    ELSE 'Error during verification: ' || substr(failure_cause, strpos(failure_cause, ' ') + 1)
END WHERE failure_cause IS NOT NULL;

ALTER TABLE records RENAME COLUMN failure_cause TO failure;
