DROP TABLE tokens;
DROP TABLE jobs;
DROP TABLE leases;
DROP TABLE queues;
DROP TABLE records;
