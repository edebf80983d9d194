-- Begins with the same expression as on PostgreSQL. There it leaves out what is due; here an UPDATE writes into the indexes of what
-- it changes alone, and each result would write into this one as well.
DROP INDEX records_in_storage;
CREATE INDEX records_in_storage ON records (model - 0, storage, key);
