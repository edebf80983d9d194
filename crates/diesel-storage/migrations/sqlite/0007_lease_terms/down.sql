ALTER TABLE leases DROP COLUMN duration;
ALTER TABLE leases DROP COLUMN heartbeat_timeout;
