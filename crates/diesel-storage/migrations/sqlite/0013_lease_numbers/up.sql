-- Numbers can be given as they are; see the migration of PostgreSQL.
SELECT 1;
