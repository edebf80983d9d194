DROP INDEX records_findings;
UPDATE records SET failure_kind = NULL, failure_cause = NULL WHERE state <> 3 AND failure_kind IS NOT NULL;
