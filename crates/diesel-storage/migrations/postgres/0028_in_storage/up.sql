-- What is due has its storage in the index of the queue: so each record is in one of the two, with one index entry fewer when it is
-- new or becomes due. Both begin with an expression that has the same value, as the statement that merges them needs it.
DROP INDEX records_in_storage;
CREATE INDEX records_in_storage ON records ((model - 0), storage, key) WHERE due_at IS NULL;
