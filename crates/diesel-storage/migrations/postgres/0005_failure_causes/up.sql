-- The cause of a failure as data in place of its text, in the form of src/rows/failure.rs; the text is made when it is
-- shown. What a digest is of is known from its number of bytes. A text of no known form stays as it is, as that of a
-- cause that is nothing but a text. The digest found instead of the right one is part of the cause.
UPDATE records SET failure = CASE
    WHEN failure_kind = 1 AND failure = 'Error during verification: Repository does not exist'
        THEN 'missing_repository'
    WHEN failure_kind = 1
        THEN 'missing_file ' || regexp_replace(
            failure,
            '^Error during verification: (File is not checksummable - file does not exist at: )?', '')
    WHEN failure_kind = 2
        AND failure ~ '^Error during verification: Checksum mismatch: expected \S+ \S+, calculated \S+$'
        THEN regexp_replace(
            failure,
            '^Error during verification: Checksum mismatch: expected (\S+) (\S+), calculated (\S+)$',
            'checksum_mismatch \1:\2 ' || COALESCE(CASE length(calculated)
                WHEN 32 THEN 'sha256' WHEN 16 THEN 'md5' WHEN 20 THEN 'sha1' WHEN 21 THEN 'gitaly'
                WHEN 33 THEN 'stored-sha256' WHEN 17 THEN 'stored-md5' WHEN 9 THEN 'size' END, '\1') || ':\3')
    WHEN failure_kind = 2
        AND failure ~ '^Error during verification: Size mismatch: expected [0-9]+ bytes, found [0-9]+$'
        THEN regexp_replace(
            failure,
            '^Error during verification: Size mismatch: expected ([0-9]+) bytes, found ([0-9]+)$',
            'size_mismatch \1 \2')
    WHEN failure_kind = 2 AND baseline IS NOT NULL
        AND failure ~ '^Error during verification: Content changed since \S+: was \S+, is \S+$'
        THEN regexp_replace(
            failure,
            '^Error during verification: Content changed since (\S+): was (\S+), is (\S+)$',
            'content_changed \1 ' || CASE length(baseline)
                WHEN 32 THEN 'sha256' WHEN 16 THEN 'md5' WHEN 20 THEN 'sha1' WHEN 21 THEN 'gitaly'
                WHEN 33 THEN 'stored-sha256' WHEN 17 THEN 'stored-md5' ELSE 'size' END || ':\2 '
            || CASE length(COALESCE(calculated, baseline))
                WHEN 32 THEN 'sha256' WHEN 16 THEN 'md5' WHEN 20 THEN 'sha1' WHEN 21 THEN 'gitaly'
                WHEN 33 THEN 'stored-sha256' WHEN 17 THEN 'stored-md5' ELSE 'size' END || ':\3')
    WHEN failure_kind = 5 AND failure LIKE 'Verification timed out after %'
        THEN 'timed_out ' || substr(failure, length('Verification timed out after ') + 1)
    WHEN failure_kind = 5 THEN 'timed_out 0s'
    ELSE CASE failure_kind WHEN 2 THEN 'altered ' WHEN 3 THEN 'unreadable ' ELSE 'invalid ' END
        || regexp_replace(failure, '^Error during verification: ', '')
END WHERE failure IS NOT NULL;

ALTER TABLE records RENAME COLUMN failure TO failure_cause;
ALTER TABLE records DROP COLUMN calculated;
