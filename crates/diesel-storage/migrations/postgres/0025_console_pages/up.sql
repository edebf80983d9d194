-- How far walks are in the container registries, which they search for what nothing refers to; beside orphan_walk_storages,
-- because a registry whose repositories come from a source is searched for orphans as well.
CREATE TABLE searched_registries (
    walk                    bigint NOT NULL,
    storage                 text COLLATE "C" NOT NULL,
    -- As in orphan_walk_storages.
    outcome                 smallint,
    reason                  text,
    looked_at               bigint NOT NULL,
    young                   bigint NOT NULL,
    skipped                 bigint NOT NULL,
    blobs                   bigint NOT NULL,
    blob_bytes              bigint NOT NULL,
    manifests               bigint NOT NULL,
    manifest_bytes          bigint NOT NULL,
    blobs_of_untagged       bigint NOT NULL,
    blobs_of_untagged_bytes bigint NOT NULL,
    uploads                 bigint NOT NULL,
    upload_bytes            bigint NOT NULL,
    PRIMARY KEY (walk, storage)
);

CREATE TABLE unreferenced_pieces (
    walk        bigint NOT NULL,
    storage     text COLLATE "C" NOT NULL,
    path        text COLLATE "C" NOT NULL,
    -- 0 blob, 1 untagged manifest, 2 blob of untagged manifests, 3 unfinished upload
    kind        smallint NOT NULL CHECK (kind IN (0, 1, 2, 3)),
    size        bigint NOT NULL,
    modified_at bigint,
    PRIMARY KEY (walk, storage, path)
);

-- How many records of a model were added and changed since its last full scan began.
ALTER TABLE sync_states ADD COLUMN full_scan_added bigint NOT NULL DEFAULT 0;
ALTER TABLE sync_states ADD COLUMN full_scan_changed bigint NOT NULL DEFAULT 0;
