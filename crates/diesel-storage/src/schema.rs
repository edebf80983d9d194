//! The tables, in SQL types that both databases have. Times are milliseconds since 1970, keys are the bytes
//! of [`crate::key`], the small numbers stand for what [`crate::rows`] says.

diesel::table! {
    records (model, key) {
        model -> SmallInt,
        key -> Binary,
        storage -> Text,
        path -> Text,
        created_at -> Nullable<BigInt>,
        file_size -> Nullable<BigInt>,
        expected -> Nullable<Binary>,
        rule -> Nullable<Text>,
        mutable -> Bool,
        accepted -> Bool,
        owner -> Nullable<Text>,
        source_checksum -> Nullable<Binary>,
        content_changed_at -> Nullable<BigInt>,
        from_source -> Bool,
        state -> SmallInt,
        due_at -> Nullable<BigInt>,
        attempt -> BigInt,
        baseline -> Nullable<Binary>,
        baseline_at -> Nullable<BigInt>,
        failed_at -> Nullable<BigInt>,
        retry_count -> Integer,
        retry_at -> Nullable<BigInt>,
        failure_kind -> Nullable<SmallInt>,
        failure -> Nullable<Text>,
        calculated -> Nullable<Binary>,
        matches_source -> Nullable<Bool>,
    }
}

diesel::table! {
    queues (model, storage) {
        model -> SmallInt,
        storage -> Text,
        claimed_to -> Nullable<Binary>,
        served -> BigInt,
    }
}

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
    }
}

diesel::table! {
    jobs (id) {
        id -> BigInt,
        model -> SmallInt,
        selected_state -> Nullable<SmallInt>,
        selected_keys -> Nullable<Text>,
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
    // The entries of an import under way, known only to its own connection.
    staged (key) {
        key -> Binary,
        storage -> Text,
        path -> Text,
        created_at -> Nullable<BigInt>,
        file_size -> Nullable<BigInt>,
        expected -> Nullable<Binary>,
        rule -> Nullable<Text>,
        mutable -> Bool,
        disabled -> Bool,
        owner -> Nullable<Text>,
        source_checksum -> Nullable<Binary>,
        content_changed_at -> Nullable<BigInt>,
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
        full_scan_deleted -> BigInt,
        full_scan_kept -> BigInt,
        full_scan_due_at -> Nullable<BigInt>,
        full_scan_ended_at -> Nullable<BigInt>,
        problem -> Nullable<Text>,
    }
}

diesel::allow_tables_to_appear_in_same_query!(records, queues, leases);
