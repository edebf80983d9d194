-- Tables of GitLab 18.9 in its main database: the columns that say what there is and where it lies.

CREATE TABLE namespaces (id bigint PRIMARY KEY, type varchar NOT NULL DEFAULT 'Group', path varchar NOT NULL);
CREATE TABLE users (id bigint PRIMARY KEY, encrypted_password varchar);
CREATE TABLE notes (id bigint PRIMARY KEY, note text);
CREATE TABLE appearances (id bigint PRIMARY KEY);
CREATE TABLE topics (id bigint PRIMARY KEY);
CREATE TABLE issuable_metric_images (id bigint PRIMARY KEY);
CREATE TABLE bulk_import_export_uploads (id bigint PRIMARY KEY);
CREATE TABLE import_export_uploads (id bigint PRIMARY KEY);
CREATE TABLE design_management_designs_versions (id bigint PRIMARY KEY);
CREATE TABLE organization_details (organization_id bigint PRIMARY KEY);
CREATE TABLE shards (id bigint PRIMARY KEY, name varchar NOT NULL UNIQUE);
CREATE TABLE routes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source_id bigint NOT NULL,
    source_type varchar NOT NULL,
    path varchar NOT NULL UNIQUE,
    UNIQUE (source_type, source_id)
);
CREATE TABLE projects (
    id bigint PRIMARY KEY,
    created_at timestamp,
    import_url varchar,
    repository_storage varchar NOT NULL DEFAULT 'default',
    last_repository_updated_at timestamp,
    storage_version smallint,
    pool_repository_id bigint
);
CREATE TABLE project_repositories (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    shard_id bigint NOT NULL,
    disk_path varchar NOT NULL UNIQUE,
    project_id bigint NOT NULL UNIQUE,
    object_format smallint NOT NULL DEFAULT 0
);
CREATE TABLE pool_repositories (
    id bigint PRIMARY KEY,
    shard_id bigint NOT NULL,
    disk_path varchar,
    state varchar,
    source_project_id bigint,
    UNIQUE (disk_path, shard_id)
);
CREATE TABLE project_wiki_repositories (
    id bigint PRIMARY KEY,
    project_id bigint NOT NULL UNIQUE,
    created_at timestamptz NOT NULL
);
CREATE TABLE design_management_repositories (
    id bigint PRIMARY KEY,
    project_id bigint NOT NULL UNIQUE,
    created_at timestamptz NOT NULL,
    namespace_id bigint
);
CREATE TABLE group_wiki_repositories (shard_id bigint NOT NULL, group_id bigint PRIMARY KEY, disk_path text NOT NULL UNIQUE);
CREATE TABLE snippets (
    id bigint PRIMARY KEY,
    project_id bigint,
    created_at timestamp,
    updated_at timestamp,
    content text,
    type varchar
);
CREATE TABLE snippet_repositories (
    snippet_id bigint PRIMARY KEY,
    shard_id bigint,
    disk_path varchar(80) NOT NULL UNIQUE,
    verification_checksum bytea,
    verification_state smallint NOT NULL DEFAULT 0,
    snippet_project_id bigint
);
CREATE TABLE container_repositories (
    id bigint PRIMARY KEY,
    project_id bigint NOT NULL,
    name varchar NOT NULL,
    created_at timestamp NOT NULL,
    status smallint,
    UNIQUE (project_id, name)
);
CREATE TABLE dependency_proxy_blobs (
    id bigint PRIMARY KEY,
    group_id bigint NOT NULL,
    created_at timestamptz NOT NULL,
    size bigint,
    file_store integer,
    file_name varchar NOT NULL,
    file text NOT NULL
);
CREATE TABLE dependency_proxy_manifests (
    id bigint PRIMARY KEY,
    group_id bigint NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    size bigint,
    file_store smallint,
    file_name text NOT NULL,
    file text NOT NULL,
    digest text NOT NULL
);
CREATE TABLE lfs_objects (
    id bigint PRIMARY KEY,
    oid varchar NOT NULL UNIQUE,
    size bigint NOT NULL,
    created_at timestamp,
    file varchar,
    file_store integer DEFAULT 1
);
CREATE TABLE lfs_objects_projects (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    lfs_object_id bigint NOT NULL,
    project_id bigint NOT NULL
);
CREATE INDEX ON lfs_objects_projects (lfs_object_id);
CREATE TABLE merge_request_diffs (
    id bigint PRIMARY KEY,
    state varchar,
    merge_request_id bigint NOT NULL,
    created_at timestamp,
    real_size varchar,
    external_diff varchar,
    external_diff_store integer DEFAULT 1,
    stored_externally boolean,
    project_id bigint
);
CREATE TABLE merge_request_diff_files (
    merge_request_diff_id bigint NOT NULL,
    relative_order integer NOT NULL,
    external_diff_offset integer,
    external_diff_size integer,
    PRIMARY KEY (merge_request_diff_id, relative_order)
);
CREATE TABLE packages_packages (
    id bigint PRIMARY KEY,
    project_id bigint NOT NULL,
    package_type smallint NOT NULL,
    status smallint NOT NULL DEFAULT 0
);
CREATE TABLE packages_package_files (
    id bigint PRIMARY KEY,
    package_id bigint NOT NULL,
    created_at timestamptz NOT NULL,
    size bigint,
    file_store integer DEFAULT 1,
    file_md5 bytea,
    file_sha1 bytea,
    file_name varchar NOT NULL DEFAULT '',
    file text NOT NULL,
    file_sha256 bytea,
    verification_checksum bytea,
    verification_state smallint NOT NULL DEFAULT 0,
    status smallint NOT NULL DEFAULT 0,
    file_final_path text,
    project_id bigint
);
CREATE TABLE packages_nuget_symbols (
    id bigint PRIMARY KEY,
    created_at timestamptz NOT NULL,
    package_id bigint,
    size integer NOT NULL,
    file_store smallint DEFAULT 1,
    file text NOT NULL,
    object_storage_key text NOT NULL,
    file_sha256 bytea,
    project_id bigint
);
CREATE TABLE packages_debian_project_distributions (
    id bigint PRIMARY KEY,
    project_id bigint NOT NULL,
    codename text NOT NULL,
    file text,
    file_store smallint NOT NULL DEFAULT 1,
    signed_file text,
    signed_file_store smallint NOT NULL DEFAULT 1
);
CREATE TABLE packages_debian_project_components (
    id bigint PRIMARY KEY,
    distribution_id bigint NOT NULL,
    name text NOT NULL,
    project_id bigint
);
CREATE TABLE packages_debian_project_component_files (
    id bigint PRIMARY KEY,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    component_id bigint NOT NULL,
    architecture_id bigint,
    size integer NOT NULL,
    file_type smallint NOT NULL DEFAULT 1,
    compression_type smallint,
    file_store smallint NOT NULL DEFAULT 1,
    file text NOT NULL,
    file_md5 bytea,
    file_sha256 bytea NOT NULL,
    project_id bigint
);
CREATE TABLE packages_helm_metadata_caches (
    id bigint PRIMARY KEY,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    project_id bigint NOT NULL,
    size integer NOT NULL,
    status smallint NOT NULL DEFAULT 0,
    file_store integer DEFAULT 1,
    channel text NOT NULL,
    file text NOT NULL,
    object_storage_key text NOT NULL,
    UNIQUE (object_storage_key, project_id),
    UNIQUE (project_id, channel)
);
CREATE TABLE pages_deployments (
    id bigint PRIMARY KEY,
    created_at timestamptz NOT NULL,
    project_id bigint NOT NULL,
    file_store smallint NOT NULL,
    file text NOT NULL,
    file_sha256 bytea NOT NULL,
    size bigint,
    upload_ready boolean DEFAULT false
);
CREATE TABLE slsa_attestations (
    id bigint PRIMARY KEY,
    created_at timestamptz NOT NULL,
    project_id bigint NOT NULL,
    status smallint NOT NULL DEFAULT 0,
    file text,
    predicate_file text,
    file_store smallint DEFAULT 1,
    predicate_file_store smallint DEFAULT 1
);
CREATE TABLE terraform_states (
    id bigint PRIMARY KEY,
    project_id bigint NOT NULL,
    uuid varchar(32) NOT NULL UNIQUE,
    versioning_enabled boolean NOT NULL DEFAULT true
);
CREATE TABLE terraform_state_versions (
    id bigint PRIMARY KEY,
    terraform_state_id bigint NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    version integer NOT NULL,
    file_store smallint NOT NULL,
    file text NOT NULL,
    verification_checksum bytea,
    verification_state smallint NOT NULL DEFAULT 0,
    project_id bigint,
    is_encrypted boolean NOT NULL DEFAULT true
);
CREATE TABLE uploads (
    id bigint PRIMARY KEY,
    size bigint NOT NULL,
    path varchar(511) NOT NULL,
    checksum varchar(64),
    model_id bigint,
    model_type varchar,
    uploader varchar NOT NULL,
    created_at timestamp NOT NULL,
    store integer DEFAULT 1,
    mount_point varchar,
    secret varchar,
    namespace_id bigint,
    project_id bigint
);
