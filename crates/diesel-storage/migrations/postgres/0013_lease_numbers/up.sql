-- The numbers are random, so that a database that was restored never gives out one that a worker still has.
ALTER TABLE leases ALTER COLUMN id DROP IDENTITY;
