-- How long each lease lasts, in milliseconds, so that one that is to end later than that is known to be of a clock that
-- was ahead. Leases of processes that have ended are released: their records are due as they were.
DELETE FROM leases;
ALTER TABLE leases ADD COLUMN heartbeat_timeout INTEGER NOT NULL DEFAULT 0;
ALTER TABLE leases ADD COLUMN duration INTEGER NOT NULL DEFAULT 0;
