DROP TABLE storage_identities;
DROP TABLE conditions;
