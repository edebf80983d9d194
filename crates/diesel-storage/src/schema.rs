//! The tables that Diesel's own statements are about, in SQL types that both databases have. `records` is in
//! [`crate::rows`], because all statements about it are written out. Times are milliseconds since 1970, keys are
//! the bytes of [`crate::key`], the small numbers stand for what [`crate::rows`] says.

diesel::table! {
    leases (id) {
        id -> BigInt,
        model -> SmallInt,
        storage -> Text,
        first_key -> Binary,
        last_key -> Binary,
        due_from -> BigInt,
        claimed_at -> BigInt,
        worker -> Text,
        alive_until -> BigInt,
        deadline -> BigInt,
        heartbeat_timeout -> BigInt,
        duration -> BigInt,
    }
}

diesel::table! {
    jobs (id) {
        id -> BigInt,
        model -> SmallInt,
        selected_state -> Nullable<SmallInt>,
        selected_keys -> Nullable<Text>,
        selected_filter -> Nullable<Text>,
        requested_by -> Text,
        state -> SmallInt,
        marked_to -> Nullable<Binary>,
        marked -> BigInt,
        created_at -> BigInt,
        started_at -> Nullable<BigInt>,
        finished_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    tokens (id) {
        id -> BigInt,
        name -> Text,
        owner -> Text,
        admin -> Bool,
        scope -> SmallInt,
        expires_at -> Nullable<BigInt>,
        digest -> Binary,
        created_at -> BigInt,
        revoked_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    acceptances (id) {
        id -> BigInt,
        model -> SmallInt,
        key -> Binary,
        accepted_at -> BigInt,
        accepted_by -> Text,
        reason -> Nullable<Text>,
        checksum -> Binary,
        size -> Nullable<BigInt>,
        expected -> Nullable<Binary>,
        file_size -> Nullable<BigInt>,
        baseline -> Nullable<Binary>,
        baseline_at -> Nullable<BigInt>,
        accepted -> Bool,
        failure_cause -> Nullable<Text>,
        failed_at -> Nullable<BigInt>,
        undone_at -> Nullable<BigInt>,
        undone_by -> Nullable<Text>,
        undone_reason -> Nullable<Text>,
    }
}

diesel::table! {
    sync_states (model) {
        model -> SmallInt,
        read_to -> Nullable<Binary>,
        read_at -> Nullable<BigInt>,
        changes_read_to -> Nullable<BigInt>,
        full_scan_at -> Nullable<Binary>,
        full_scan_records -> BigInt,
        full_scan_added -> BigInt,
        full_scan_changed -> BigInt,
        full_scan_deleted -> BigInt,
        full_scan_kept -> BigInt,
        full_scan_due_at -> Nullable<BigInt>,
        full_scan_ended_at -> Nullable<BigInt>,
        problem -> Nullable<Text>,
    }
}

diesel::table! {
    orphan_walks (id) {
        id -> BigInt,
        requested_by -> Text,
        state -> SmallInt,
        created_at -> BigInt,
        started_at -> Nullable<BigInt>,
        finished_at -> Nullable<BigInt>,
        problem -> Nullable<Text>,
        open -> Nullable<SmallInt>,
        runner -> Nullable<Text>,
        alive_until -> Nullable<BigInt>,
    }
}

diesel::table! {
    orphan_walk_storages (walk, storage) {
        walk -> BigInt,
        storage -> Text,
        outcome -> Nullable<SmallInt>,
        reason -> Nullable<Text>,
        looked_at -> BigInt,
        orphans -> BigInt,
        bytes -> BigInt,
        unmeasured -> BigInt,
        internal -> BigInt,
        young -> BigInt,
        not_understood -> BigInt,
        skipped -> BigInt,
    }
}

diesel::table! {
    orphans (walk, storage, path) {
        walk -> BigInt,
        storage -> Text,
        path -> Text,
        size -> Nullable<BigInt>,
        modified_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    searched_registries (walk, storage) {
        walk -> BigInt,
        storage -> Text,
        outcome -> Nullable<SmallInt>,
        reason -> Nullable<Text>,
        looked_at -> BigInt,
        young -> BigInt,
        skipped -> BigInt,
        blobs -> BigInt,
        blob_bytes -> BigInt,
        manifests -> BigInt,
        manifest_bytes -> BigInt,
        blobs_of_untagged -> BigInt,
        blobs_of_untagged_bytes -> BigInt,
        uploads -> BigInt,
        upload_bytes -> BigInt,
    }
}

diesel::table! {
    unreferenced_pieces (walk, storage, path) {
        walk -> BigInt,
        storage -> Text,
        path -> Text,
        kind -> SmallInt,
        size -> BigInt,
        modified_at -> Nullable<BigInt>,
    }
}
