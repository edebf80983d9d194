-- From the tables of GitLab 18.9 back to those of 16.11.

-- Narrower keys.
ALTER TABLE lfs_objects ALTER id TYPE integer, ALTER file_store TYPE smallint;
ALTER TABLE uploads ALTER id TYPE integer, ALTER model_id TYPE integer;
ALTER TABLE container_repositories ALTER id TYPE integer, ALTER project_id TYPE integer;
ALTER TABLE merge_request_diffs ALTER id TYPE integer, ALTER merge_request_id TYPE integer;

-- Columns that came later.
ALTER TABLE uploads DROP project_id, DROP namespace_id;
ALTER TABLE packages_package_files DROP project_id, DROP file_final_path;
ALTER TABLE packages_nuget_symbols DROP project_id;
ALTER TABLE packages_debian_project_components DROP project_id;
ALTER TABLE packages_debian_project_component_files DROP project_id;
ALTER TABLE terraform_state_versions DROP project_id, DROP is_encrypted;
ALTER TABLE merge_request_diffs DROP project_id;
ALTER TABLE snippet_repositories DROP snippet_project_id;
ALTER TABLE design_management_repositories DROP namespace_id;

-- Tables that came later; their states were in the models' own tables.
DROP TABLE slsa_attestations, supply_chain_attestation_states, packages_nuget_symbol_states;
DROP TABLE packages_debian_project_component_file_states;
DROP TABLE packages_package_file_states, p_ci_pipeline_artifact_states;
DROP TABLE snippet_repository_states, terraform_state_version_states;
DROP TABLE organization_details, packages_helm_metadata_caches;
UPDATE terraform_state_versions SET verification_state = 2, verification_checksum = decode(repeat('0c', 32), 'hex') WHERE id = 1;
UPDATE snippet_repositories SET verification_state = 2, verification_checksum = decode(repeat('0d', 20), 'hex') WHERE snippet_id = 1;
