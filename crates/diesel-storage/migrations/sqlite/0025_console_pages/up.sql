-- How far walks are in the container registries, which they search for what nothing refers to; beside orphan_walk_storages,
-- because a registry whose repositories come from a source is searched for orphans as well.
CREATE TABLE searched_registries (
    walk                    INTEGER NOT NULL,
    storage                 TEXT NOT NULL,
    -- As in orphan_walk_storages.
    outcome                 INTEGER,
    reason                  TEXT,
    looked_at               INTEGER NOT NULL,
    young                   INTEGER NOT NULL,
    skipped                 INTEGER NOT NULL,
    blobs                   INTEGER NOT NULL,
    blob_bytes              INTEGER NOT NULL,
    manifests               INTEGER NOT NULL,
    manifest_bytes          INTEGER NOT NULL,
    blobs_of_untagged       INTEGER NOT NULL,
    blobs_of_untagged_bytes INTEGER NOT NULL,
    uploads                 INTEGER NOT NULL,
    upload_bytes            INTEGER NOT NULL,
    PRIMARY KEY (walk, storage)
) STRICT, WITHOUT ROWID;

CREATE TABLE unreferenced_pieces (
    walk        INTEGER NOT NULL,
    storage     TEXT NOT NULL,
    path        TEXT NOT NULL,
    -- 0 blob, 1 untagged manifest, 2 blob of untagged manifests, 3 unfinished upload
    kind        INTEGER NOT NULL CHECK (kind IN (0, 1, 2, 3)),
    size        INTEGER NOT NULL,
    modified_at INTEGER,
    PRIMARY KEY (walk, storage, path)
) STRICT, WITHOUT ROWID;

-- How many records of a model were added and changed since its last full scan began.
ALTER TABLE sync_states ADD COLUMN full_scan_added INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sync_states ADD COLUMN full_scan_changed INTEGER NOT NULL DEFAULT 0;
