//! The operations, and random sequences of them.

use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use stocktake_domain::ports::{ClaimFilter, PageStart, SortOrder};
use stocktake_domain::{
    Digest, DigestRule, Location, Model, RecordKey, Selection, SourceRecord, State, Timestamp,
};

/// Of mutable and of immutable content.
pub(super) const MODELS: [Model; 2] = [Model::Projects, Model::Uploads];
const STORAGES: [&str; 2] = ["main", "other"];
/// Keys there are of each model.
const KEYS: u8 = 20;
/// A checksum that successes have, so that the source's own can agree with it.
pub(super) const GOOD: Digest = Digest::Sha256([7; 32]);

/// One call, or a few. A lease or a job is named by the order in which it came; one that there is none of is passed over.
#[derive(Debug, Clone)]
pub(super) enum Operation {
    /// Some time passes; the clock of another host may also be behind.
    PassTime(i64),
    Import(Model, Vec<SourceRecord>),
    AcquireLeaderLease {
        instance: u8,
        seconds: u64,
    },
    ReleaseLeaderLease {
        instance: u8,
    },
    Sync {
        instance: u8,
        model: Model,
        entries: Vec<SourceRecord>,
        range: Option<Range>,
    },
    Claim {
        filter: ClaimFilter,
        due_within: Option<u64>,
    },
    ClaimOne(Model, RecordKey),
    /// For each record of the lease: nothing, success, failure.
    Complete {
        lease: usize,
        results: Vec<u8>,
        last: bool,
    },
    Renew(Vec<(usize, bool)>),
    Reap,
    RetryFailed,
    Expire {
        model: Model,
        after: Option<RecordKey>,
        seconds: u64,
        limit: u32,
    },
    Recalculate(Model, RecordKey),
    Accept {
        model: Model,
        key: RecordKey,
        size: Option<u64>,
    },
    TakeBack(Model, RecordKey),
    Enqueue(Model, Selection),
    Advance(u32),
    Cancel(usize),
    Page {
        model: Model,
        selection: Selection,
        order: SortOrder,
        start: PageStart,
        limit: u32,
    },
}

/// A range of keys that a source was read in, and how many records may be deleted.
#[derive(Debug, Clone)]
pub(super) struct Range {
    pub(super) after: Option<RecordKey>,
    pub(super) to: Option<RecordKey>,
    pub(super) most_deleted: u64,
}

/// By how many seconds a clock may be wrong.
const HALF_A_YEAR: i64 = 200 * 86_400;

/// Sequences of operations. The spans of time are such that leases and retry times often end at the very millisecond.
pub(super) fn sequences() -> impl Strategy<Value = Vec<Operation>> {
    prop::collection::vec(operation(), 1..60)
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        2 => select(vec![-5, 1, 1, 18, 20, 20, 60, 60, 1000, 3600, 3600, HALF_A_YEAR, -HALF_A_YEAR]).prop_map(Operation::PassTime),
        3 => (model(), entries()).prop_map(|(model, entries)| Operation::Import(model, entries)),
        3 => sync(),
        1 => (0..2_u8, select(vec![20, 60_u64]))
            .prop_map(|(instance, seconds)| Operation::AcquireLeaderLease { instance, seconds }),
        1 => (0..2_u8).prop_map(|instance| Operation::ReleaseLeaderLease { instance }),
        5 => claim(),
        1 => (model(), key()).prop_map(|(model, key)| Operation::ClaimOne(model, key)),
        5 => (0..8_usize, prop::collection::vec(0..3_u8, 8), any::<bool>())
            .prop_map(|(lease, results, last)| Operation::Complete { lease, results, last }),
        1 => prop::collection::vec((0..8_usize, any::<bool>()), 0..3).prop_map(Operation::Renew),
        2 => Just(Operation::Reap),
        1 => Just(Operation::RetryFailed),
        1 => (model(), option::of(key()), select(vec![0, 20, 60, 1000]), 1..12_u32).prop_map(
            |(model, after, seconds, limit)| Operation::Expire { model, after, seconds, limit }
        ),
        1 => (model(), key()).prop_map(|(model, key)| Operation::Recalculate(model, key)),
        1 => (model(), key(), option::of(0..3_u64))
            .prop_map(|(model, key, size)| Operation::Accept { model, key, size }),
        1 => (model(), key()).prop_map(|(model, key)| Operation::TakeBack(model, key)),
        1 => (model(), selection()).prop_map(|(model, selection)| Operation::Enqueue(model, selection)),
        2 => (1..8_u32).prop_map(Operation::Advance),
        1 => (0..3_usize).prop_map(Operation::Cancel),
        1 => page(),
    ]
}

fn sync() -> impl Strategy<Value = Operation> {
    let range = (option::of(key()), option::of(key()), 0..6_u64)
        .prop_map(|(after, to, most_deleted)| Range { after, to, most_deleted });
    (0..2_u8, model(), entries(), option::of(range))
        .prop_map(|(instance, model, entries, range)| Operation::Sync { instance, model, entries, range })
}

fn claim() -> impl Strategy<Value = Operation> {
    let storages = || prop::collection::vec(select(STORAGES.map(str::to_owned).to_vec()), 0..2);
    let models = prop::collection::vec(model(), 0..2);
    (models, option::weighted(0.2, storages()), storages(), option::weighted(0.2, 0..100_u64), 1..9_u32)
        .prop_map(|(models, storages, except_storages, due_within, limit)| {
            let except_storages = if storages.is_none() { Vec::new() } else { except_storages };
            let filter = ClaimFilter { models, storages, except_storages, due_from: None, limit };
            Operation::Claim { filter, due_within }
        })
}

fn page() -> impl Strategy<Value = Operation> {
    let start = prop_oneof![
        Just(PageStart::First),
        (0..12_u64).prop_map(PageStart::Offset),
        key().prop_map(PageStart::After),
        key().prop_map(PageStart::Before),
    ];
    let order = select(vec![SortOrder::Ascending, SortOrder::Descending]);
    (model(), selection(), order, start, 1..6_u32).prop_map(|(model, selection, order, start, limit)| {
        Operation::Page { model, selection, order, start, limit }
    })
}

fn model() -> impl Strategy<Value = Model> {
    select(MODELS.to_vec())
}

/// Integers, and some composite keys among them.
fn key() -> impl Strategy<Value = RecordKey> {
    (0..KEYS).prop_map(|number| match number.checked_sub(KEYS - 4) {
        None => RecordKey::integer(i64::from(number)),
        Some(part) => RecordKey::from_parts(vec![i64::from(part), 5]).unwrap(),
    })
}

fn selection() -> impl Strategy<Value = Selection> {
    let keys = option::weighted(0.3, prop::collection::vec(key(), 1..6));
    (option::of(select(State::ALL.to_vec())), keys).prop_map(|(state, keys)| Selection {
        state,
        keys,
        ..Selection::default()
    })
}

/// What is said of some records, in the order of their keys, each once.
fn entries() -> impl Strategy<Value = Vec<SourceRecord>> {
    prop::collection::btree_map(key(), said(), 0..7).prop_map(|entries| {
        let named = |(key, entry): (RecordKey, SourceRecord)| SourceRecord { key, ..entry };
        entries.into_iter().map(named).collect()
    })
}

/// What is said of a record; most often nothing but its place.
fn said() -> impl Strategy<Value = SourceRecord> {
    let place = (prop_oneof![4 => Just(0), 1 => Just(1_usize)], prop_oneof![4 => Just("a"), 1 => Just("b")]);
    let rule = prop_oneof![4 => Just(DigestRule::Stored), 1 => Just(DigestRule::Length(7))];
    let rare = |of| option::weighted(0.2, select(of));
    let times = [1, 2, 3].map(Timestamp::from_millis).to_vec();
    let digests = (rare(vec![GOOD, Digest::Md5([1; 16])]), rare(vec![GOOD, Digest::Gitaly([4; 20])]));
    let flags = (prop::bool::weighted(0.1), prop::bool::weighted(0.15));
    let owner = option::weighted(0.2, Just("group/project".to_owned()));
    let file_size = option::weighted(0.3, 0..3_u64);
    (place, rule, digests, flags, owner, file_size, option::weighted(0.4, select(times))).prop_map(
        |(
            (storage, path),
            rule,
            (expected, source_checksum),
            (mutable, disabled),
            owner,
            file_size,
            changed,
        )| {
            let storage = STORAGES.get(storage).copied().unwrap_or_default().to_owned();
            let location = Location { storage, path: path.to_owned() };
            SourceRecord {
                file_size,
                expected,
                rule,
                mutable,
                disabled,
                owner,
                source_checksum,
                content_changed_at: changed,
                ..SourceRecord::new(RecordKey::integer(0), location)
            }
        },
    )
}
