-- Tables of GitLab 18.9 that may lie in a second database.

CREATE SCHEMA IF NOT EXISTS gitlab_partitions_dynamic;
CREATE TABLE p_ci_job_artifacts (
    project_id bigint NOT NULL,
    file_type integer NOT NULL,
    size bigint,
    created_at timestamptz NOT NULL,
    file varchar,
    file_store integer DEFAULT 1,
    file_sha256 bytea,
    file_location smallint,
    id bigint NOT NULL,
    job_id bigint NOT NULL,
    partition_id bigint NOT NULL,
    file_final_path text,
    PRIMARY KEY (id, partition_id)
) PARTITION BY LIST (partition_id);
CREATE TABLE ci_job_artifacts PARTITION OF p_ci_job_artifacts FOR VALUES IN (100);
CREATE TABLE gitlab_partitions_dynamic.ci_job_artifacts_101 PARTITION OF p_ci_job_artifacts FOR VALUES IN (101);
CREATE TABLE ci_pipeline_artifacts (
    id bigint PRIMARY KEY,
    created_at timestamptz NOT NULL,
    pipeline_id bigint NOT NULL,
    project_id bigint NOT NULL,
    size integer NOT NULL,
    file_store smallint NOT NULL DEFAULT 1,
    file_type smallint NOT NULL,
    file text,
    verification_state smallint NOT NULL DEFAULT 0,
    verification_checksum bytea,
    partition_id bigint NOT NULL DEFAULT 100
);
CREATE TABLE ci_secure_files (
    id bigint PRIMARY KEY,
    project_id bigint NOT NULL,
    created_at timestamptz NOT NULL,
    file_store smallint NOT NULL DEFAULT 1,
    name text NOT NULL,
    file text NOT NULL,
    checksum bytea NOT NULL,
    key_data text
);
