-- From the tables of GitLab 18.9 on to those of 19.3.

-- Uploads by the types of their owners, and the states of their verification.
ALTER TABLE uploads RENAME TO uploads_before;
CREATE TABLE uploads (LIKE uploads_before INCLUDING DEFAULTS, PRIMARY KEY (id, model_type))
    PARTITION BY LIST (model_type);
CREATE TABLE project_uploads PARTITION OF uploads FOR VALUES IN ('Project');
CREATE TABLE user_uploads PARTITION OF uploads FOR VALUES IN ('User');
CREATE TABLE other_uploads PARTITION OF uploads DEFAULT;
INSERT INTO uploads SELECT * FROM uploads_before;
DROP TABLE uploads_before;
CREATE TABLE project_upload_states (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, project_upload_id bigint UNIQUE,
    verification_state smallint NOT NULL DEFAULT 0, verification_checksum bytea);
CREATE TABLE user_upload_states (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, user_upload_id bigint UNIQUE,
    verification_state smallint NOT NULL DEFAULT 0, verification_checksum bytea);
INSERT INTO project_upload_states (project_upload_id, verification_state, verification_checksum)
    SELECT upload_id, verification_state, verification_checksum FROM upload_states
    WHERE upload_id IN (SELECT id FROM project_uploads);
DELETE FROM upload_states WHERE upload_id IN (SELECT id FROM project_uploads);

-- Files of rows that are no records.
CREATE TABLE cd_application_flow_definitions (
    id bigint PRIMARY KEY, organization_id bigint NOT NULL, file_store smallint NOT NULL DEFAULT 1, file text NOT NULL);
CREATE TABLE sbom_vulnerability_scans (
    id bigint PRIMARY KEY, sbom_file text, sbom_file_store smallint DEFAULT 1, sbom_file_final_path text,
    result_file text, result_file_store smallint DEFAULT 1);
CREATE TABLE sbom_vulnerability_scan_results (
    id bigint PRIMARY KEY, result_file text, result_file_store smallint DEFAULT 1);
CREATE TABLE virtual_registries_packages_maven_cache_remote_entries (
    object_storage_key text NOT NULL, file text, file_store smallint NOT NULL DEFAULT 1);
INSERT INTO cd_application_flow_definitions VALUES (1, 1, 1, 'definition.yml');

-- Places of their own.
CREATE TABLE ai_catalog_item_versions (
    id bigint PRIMARY KEY, yaml_definition_file text, yaml_definition_file_store smallint NOT NULL DEFAULT 1);
CREATE TABLE work_item_agent_plans (work_item_id bigint PRIMARY KEY, file_store smallint NOT NULL DEFAULT 1);
CREATE TABLE catalog_bundled_resource_components (
    id bigint PRIMARY KEY, file text, file_store smallint NOT NULL DEFAULT 1);
CREATE TABLE catalog_bundled_resource_versions (id bigint PRIMARY KEY, file_store smallint NOT NULL DEFAULT 1);
