//! The SQL that several statements share.
//!
//! Statements about `records` are written out, because their plans must not depend on what a planner guesses
//! of a table that was empty a moment ago: PostgreSQL keeps a plan once made, and SQLite has no statistics
//! unless it is asked to gather them. So each is written such that one index alone can serve it (see the
//! migrations), joins are written such that they go one way only, and for SQLite the index is named as well.
//!
//! `LIMIT ? + 0` is there for SQLite: it would look into a mere `?` and prepare the statement anew for each
//! value.

use std::borrow::Cow;

use stocktake_domain::{FailureKind, RecordFilter, Selection, State};

use crate::dialect::{Dialect, Index, RECORDS_OF_EVERY_MODEL};
use crate::error::DbError;
use crate::key;
use crate::ranges::Ranges;
use crate::rows::{CAUSES_WITH_TEXT, FAILED, PENDING, SUCCEEDED, Seen, failure_kind_code, stored_state_code};
use crate::session::Reading;
use crate::span::Span;
use crate::sql::{Sql, Value};

/// Whether some lease holds the record `r` that is due by its row. Looks at leases only for a record that is due; being no plain
/// EXISTS, it is never turned into a join of the whole table.
pub(crate) const STARTED_BY_ROW: &str = "CASE WHEN r.due_at IS NULL THEN FALSE ELSE EXISTS (SELECT 1 FROM leases l \
    WHERE l.model = r.model AND l.storage = r.storage AND l.first_key <= r.key AND l.last_key >= r.key \
    AND l.due_from <= r.due_at AND l.claimed_at >= r.due_at) END";

/// Whether some lease holds the marked record `r`.
const STARTED_BY_MARK: &str = "EXISTS (SELECT 1 FROM leases l CROSS JOIN marks k \
    WHERE l.model = r.model AND l.storage = r.storage AND l.first_key <= r.key AND l.last_key >= r.key \
    AND k.model = r.model AND l.due_from <= k.came_at AND l.claimed_at >= k.came_at)";

/// Whether the record `r`, of this model or of any, is marked ([`crate::marks`]). Of one model the mark is looked up once for a
/// statement, otherwise for each record.
pub(crate) fn marked(model: Option<i16>) -> String {
    let of = model.map_or_else(|| "r.model".to_owned(), |model| model.to_string());
    format!(
        "(r.state = {SUCCEEDED} AND COALESCE(r.answers < (SELECT k.number FROM marks k WHERE k.model = {of}), FALSE))"
    )
}

/// The number of the mark on a model; NULL if there is none.
pub(crate) fn mark_number(model: i16) -> String {
    format!("(SELECT k.number FROM marks k WHERE k.model = {model})")
}

/// How the record `r` is seen, as a code: see [`crate::rows::Seen`]. Where it matters how long a statement takes to
/// begin, it asks for [`STARTED_BY_ROW`] and [`mark_number`] instead ([`crate::marks::HeldByMark`]).
pub(crate) fn seen(model: Option<i16>) -> String {
    let [marked_and_started, marked_alone, started, stored] =
        [Seen::PENDING_BY_MARK.claimed(), Seen::PENDING_BY_MARK, Seen::STORED.claimed(), Seen::STORED]
            .map(Seen::code);
    let marked = marked(model);
    format!(
        "CAST(CASE WHEN {marked} THEN CASE WHEN {STARTED_BY_MARK} THEN {marked_and_started} ELSE {marked_alone} END \
         WHEN {STARTED_BY_ROW} THEN {started} ELSE {stored} END AS smallint)"
    )
}

/// The stored state by which the record `r` counts: a marked one is pending.
pub(crate) fn seen_state(model: Option<i16>) -> String {
    format!("CAST(CASE WHEN {} THEN {PENDING} ELSE r.state END AS smallint)", marked(model))
}

/// The number of an attempt of the record `r` of a model that is begun or made void now: one more than the last, which in a record
/// that some lease holds is one more than the stored.
pub(crate) fn next_attempt(model: i16) -> String {
    format!("r.attempt + 1 + CASE WHEN {} {} THEN 1 ELSE 0 END", seen(Some(model)), Seen::IS_STARTED)
}

/// When the record `r` becomes due if that happens now: later than any lease that covers it was claimed, so
/// that none holds it. Two values: now, and now.
pub(crate) const DUE_NOW: &str = "COALESCE((SELECT MAX(l.claimed_at) + 1 FROM leases l \
    WHERE l.model = r.model AND l.storage = r.storage AND l.first_key <= r.key AND l.last_key >= r.key \
    AND l.claimed_at >= ?), ?)";

/// Which records of a model are meant.
#[derive(Debug, Clone)]
pub(crate) struct Filter {
    pub(crate) model: i16,
    /// Where marked records are looked for, if the state depends on it.
    ranges: Ranges,
    state: Option<State>,
    /// Sorted, each once.
    keys: Option<Vec<Vec<u8>>>,
    common: RecordFilter,
    recalculates_disabled: bool,
}

/// How the matching records are found.
enum Access {
    Keys(Vec<Vec<u8>>),
    Leases,
    State(i16),
    /// Marked ones in a storage.
    Marked(String),
    Findings,
    /// Of one storage and one kind.
    Failing(String, i16),
    InStorage(String),
    All,
}

impl Filter {
    /// The records of a selection.
    pub(crate) fn new(model: i16, selection: &Selection) -> Self {
        let keys = selection.keys.as_ref().map(|keys| {
            let mut keys: Vec<Vec<u8>> = keys.iter().map(key::encode).collect();
            keys.sort_unstable();
            keys.dedup();
            keys
        });
        let recalculates_disabled = selection.recalculates_disabled();
        let (ranges, common) = (Ranges::default(), selection.filter.clone());
        Self { model, ranges, state: selection.state, keys, common, recalculates_disabled }
    }

    /// The same, with a look at where records are marked.
    pub(crate) async fn looking<S: Reading>(mut self, session: &mut S) -> Result<Self, DbError> {
        if self.keys.is_none() && matches!(self.state, Some(State::Pending | State::Succeeded)) {
            self.ranges = Ranges::read(session, self.model).await?;
        }
        Ok(self)
    }

    /// The records with these keys.
    pub(crate) fn of_keys(model: i16, keys: Vec<Vec<u8>>) -> Self {
        let selection = Selection::default();
        Self { keys: Some(keys), recalculates_disabled: true, ..Self::new(model, &selection) }
    }

    /// The keys, sorted, where only certain ones are meant.
    pub(crate) fn keys(&self) -> Option<&[Vec<u8>]> {
        self.keys.as_deref()
    }

    /// The same, but only these keys.
    pub(crate) fn with_keys(&self, keys: &[Vec<u8>]) -> Self {
        Self { keys: Some(keys.to_vec()), ..self.clone() }
    }

    /// See [`Selection::recalculates_disabled`].
    pub(crate) fn recalculates_disabled(&self) -> bool {
        self.recalculates_disabled
    }

    /// Whether all records of the model match.
    pub(crate) fn is_all(&self) -> bool {
        self.keys.is_none() && self.state.is_none() && self.common == RecordFilter::default()
    }

    fn access(&self, span: &Span) -> Access {
        if let Some(keys) = &self.keys {
            return Access::Keys(keys.iter().filter(|key| span.holds(key)).cloned().collect());
        }
        let state = match self.state.map(stored_state_code) {
            Some(None) => return Access::Leases,
            Some(stored) => stored,
            None => None,
        };
        // What failed is the least.
        match (self.common.kinds.as_slice(), self.common.storages.as_slice(), state) {
            ([kind], [storage], _) => Access::Failing(storage.clone(), failure_kind_code(*kind)),
            ([_, ..], ..) => Access::Findings,
            ([], _, Some(state)) => Access::State(state),
            ([], [storage], None) => Access::InStorage(storage.clone()),
            ([], _, None) => Access::All,
        }
    }

    /// The parts of the filter that the index of an access does not answer.
    fn rest(&self, access: &Access) -> RecordFilter {
        let mut rest = self.common.clone();
        match access {
            Access::Failing(..) => (rest.kinds, rest.storages) = (Vec::new(), Vec::new()),
            Access::InStorage(_) => rest.storages = Vec::new(),
            Access::Findings if FailureKind::ALL.iter().all(|kind| rest.kinds.contains(kind)) => {
                rest.kinds = Vec::new();
            }
            Access::Keys(_)
            | Access::Leases
            | Access::State(_)
            | Access::Marked(_)
            | Access::Findings
            | Access::All => {}
        }
        rest
    }

    /// Whether matches are found by looking at other records as well, of which there may be any number.
    pub(crate) fn is_scanned(&self) -> bool {
        let access = self.access(&Span::all());
        match access {
            Access::Keys(_) | Access::Leases => false,
            Access::Findings | Access::Failing(..) => self.state.is_some() || !self.rest(&access).is_empty(),
            Access::State(_) | Access::Marked(_) | Access::InStorage(_) | Access::All => {
                !self.rest(&access).is_empty()
            }
        }
    }

    /// Each way in which matching records with a key in the span are found, with the part of the span. Mostly it is one; where marks
    /// are, there is one for each range that may hold marked records, or for each gap between.
    fn pieces(&self, span: &Span) -> Vec<(Access, Span)> {
        let access = self.access(span);
        let Access::State(state) = access else { return vec![(access, span.clone())] };
        if self.ranges.are_of_too_many_storages() {
            return vec![(Access::All, span.clone())];
        }
        let mut pieces = Vec::new();
        if state == SUCCEEDED {
            pieces.extend(self.ranges.gaps(span).into_iter().map(|gap| (Access::State(state), gap)));
        } else {
            pieces.push((Access::State(state), span.clone()));
        }
        if state == PENDING {
            let storages = &self.common.storages;
            let ranges = self.ranges.within(span).into_iter();
            let meant = ranges.filter(|(storage, _)| storages.is_empty() || storages.contains(storage));
            pieces.extend(meant.map(|(storage, range)| (Access::Marked(storage), range)));
        }
        if pieces.is_empty() {
            // Everything is marked: an empty span.
            pieces.push((access, Span { to: span.from.clone(), ..span.clone() }));
        }
        pieces
    }

    /// Adds FROM and WHERE: the matching records `r` with a key in the span.
    pub(crate) fn select_from<D: Dialect, T>(&self, sql: Sql<T>, span: &Span) -> Sql<T> {
        self.push_pieces::<D, _>(sql, span, None, Self::push_matching::<D, _>)
    }

    /// Adds FROM and WHERE, and what puts the first of them in order: the first matching records `r` with a key in the span, at
    /// least so many.
    pub(crate) fn select_first<D: Dialect, T>(&self, sql: Sql<T>, span: &Span, first: First) -> Sql<T> {
        let sql = self.push_pieces::<D, _>(sql, span, Some(first), Self::push_matching::<D, _>);
        sql.push(by_key(first.descending))
    }

    /// The same of the records that are looked at to find those that match.
    pub(crate) fn scan_first<D: Dialect, T>(&self, sql: Sql<T>, span: &Span, first: First) -> Sql<T> {
        let push = |filter: &Self, sql, access: &Access, span: &Span| {
            push_access::<D, _>(sql, filter.model, access, span)
        };
        self.push_pieces::<D, _>(sql, span, Some(first), push).push(by_key(first.descending))
    }

    /// Adds FROM and WHERE of each piece, as one or, in brackets, as one behind the other.
    fn push_pieces<D: Dialect, T>(
        &self,
        sql: Sql<T>,
        span: &Span,
        first: Option<First>,
        push: impl Fn(&Self, Sql<T>, &Access, &Span) -> Sql<T>,
    ) -> Sql<T> {
        let pieces = self.pieces(span);
        if let [(access, span)] = pieces.as_slice() {
            return push(self, sql, access, span);
        }
        let mut sql = sql.push(" FROM (");
        for (place, (access, span)) in pieces.iter().enumerate() {
            sql = if place == 0 { sql } else { sql.push(" UNION ALL ") };
            sql = match first.filter(|_| !D::MERGES) {
                None => push(self, sql.push("SELECT r.*"), access, span),
                Some(First { rows, descending }) => {
                    let sql = push(self, sql.push("SELECT * FROM (SELECT r.*"), access, span);
                    sql.push(by_key(descending))
                        .push(" LIMIT ? + 0")
                        .bind(rows)
                        .push(&format!(") AS p{place}"))
                }
            };
        }
        sql.push(") AS r WHERE TRUE")
    }

    fn push_matching<D: Dialect, T>(&self, sql: Sql<T>, access: &Access, span: &Span) -> Sql<T> {
        let sql = push_access::<D, _>(sql, self.model, access, span);
        let sql = match access {
            // Of all records only where a state is marked in too many storages.
            Access::Keys(_) | Access::Findings | Access::Failing(..) | Access::All => self.push_state(sql),
            Access::State(SUCCEEDED) => sql.push(" AND NOT ").push(&marked(Some(self.model))),
            Access::State(PENDING | FAILED) => sql.push(" AND NOT ").push(STARTED_BY_ROW),
            Access::Marked(_) => sql.push(" AND NOT ").push(STARTED_BY_MARK),
            Access::State(_) | Access::Leases | Access::InStorage(_) => sql,
        };
        push_common::<D, _>(sql, &self.rest(access))
    }

    fn push_state<T>(&self, sql: Sql<T>) -> Sql<T> {
        let of = Some(self.model);
        match self.state.map(stored_state_code) {
            None => sql,
            Some(None) => sql.push(&format!(" AND {} {}", seen(of), Seen::IS_STARTED)),
            Some(Some(state)) => {
                let sql = sql.push(&format!(" AND {} = ?", seen_state(of))).bind(state);
                sql.push(&format!(" AND {} {}", seen(of), Seen::IS_NOT_STARTED))
            }
        }
    }
}

/// The first rows in the order of the keys, or the last ones from the largest key down.
#[derive(Debug, Clone, Copy)]
pub(crate) struct First {
    pub(crate) rows: i64,
    pub(crate) descending: bool,
}

/// Adds FROM and WHERE: the records `r` of a model with a key in the span that an index finds.
fn push_access<D: Dialect, T>(sql: Sql<T>, model: i16, access: &Access, span: &Span) -> Sql<T> {
    match access {
        Access::Keys(keys) => D::push_with_keys(sql, model, keys),
        Access::Leases => push_keys_in(sql.push(&D::held(Some(model))), span),
        Access::State(state) => push_in_state::<D, _>(sql, model, *state, span),
        Access::Marked(storage) => push_marked::<D, _>(sql, model, storage, span),
        Access::Findings => push_findings::<D, _>(sql, model, span),
        Access::Failing(storage, kind) => {
            let sql = push_failing::<D, _>(sql, model).push(" AND r.storage = ? AND r.failure_kind = ?");
            push_keys_in(sql.bind(storage.clone()).bind(*kind), span)
        }
        Access::InStorage(storage) => push_in_storage::<D, _>(sql, model, storage, span),
        Access::All => push_keys_in(push_model::<D, _>(sql, model), span),
    }
}

/// Adds that the record `r` is one of those that the filter means ([`stocktake_domain::Record::is_meant_by`]). No index
/// begins with what it compares, so that it changes no plan.
pub(crate) fn push_common<D: Dialect, T>(mut sql: Sql<T>, filter: &RecordFilter) -> Sql<T> {
    let RecordFilter { kinds, storages, path, text, owner, since, before } = filter;
    if !kinds.is_empty() {
        let codes = kinds.iter().map(|kind| failure_kind_code(*kind).into());
        sql = push_one_of(sql.push(" AND r.failure_kind"), codes.collect());
    }
    if !storages.is_empty() {
        let names = storages.iter().map(|name| name.clone().into());
        sql = push_one_of(sql.push(" AND r.storage"), names.collect());
    }
    if let Some(path) = path {
        sql = D::push_path_matches(sql.push(" AND "), path);
    }
    if let Some(text) = text {
        let (position, words) = (D::POSITION, CAUSES_WITH_TEXT.map(|word| format!("'{word} '")).join(", "));
        sql = sql.push(&format!(
            " AND ({position}(r.path, ?) > 0 \
             OR CASE WHEN substr(r.failure_cause, 1, {position}(r.failure_cause, ' ')) IN ({words}) \
             THEN {position}(substr(r.failure_cause, {position}(r.failure_cause, ' ') + 1), ?) > 0 ELSE FALSE END)"
        ));
        sql = sql.bind(text.clone()).bind(text.clone());
    }
    if let Some(owner) = owner {
        let below = format!("{owner}/");
        let length = i32::try_from(below.chars().count()).unwrap_or(i32::MAX);
        sql = sql.push(" AND (r.owner = ? OR substr(r.owner, 1, ?) = ?)");
        sql = sql.bind(owner.clone()).bind(length).bind(below);
    }
    if let Some(since) = since {
        sql = sql.push(" AND COALESCE(r.failed_at, r.baseline_at) >= ?").bind(since.millis());
    }
    if let Some(before) = before {
        sql = sql.push(" AND COALESCE(COALESCE(r.failed_at, r.baseline_at) < ?, TRUE)").bind(before.millis());
    }
    sql
}

/// Adds that the value before is one of these.
fn push_one_of<T>(sql: Sql<T>, values: Vec<Value>) -> Sql<T> {
    let marks = vec!["?"; values.len()].join(", ");
    values.into_iter().fold(sql.push(&format!(" IN ({marks})")), Sql::bind)
}

/// Adds FROM: the records `r` of one model, and the index for a database that would choose another.
fn push_from<D: Dialect, T>(sql: Sql<T>, model: i16, index: Index) -> Sql<T> {
    sql.push(" FROM ").push(&D::records(model)).push(" AS r").push(D::indexed_by(index))
}

/// Adds FROM and WHERE: the records `r` of one model.
pub(crate) fn push_model<D: Dialect, T>(sql: Sql<T>, model: i16) -> Sql<T> {
    sql.push(" FROM ").push(&D::records(model)).push(" AS r WHERE r.model = ?").bind(model)
}

/// Adds FROM and WHERE: the record `r` with this key.
pub(crate) fn push_one<D: Dialect, T>(sql: Sql<T>, model: i16, key: Vec<u8>) -> Sql<T> {
    push_model::<D, _>(sql, model).push(" AND r.key = ?").bind(key)
}

/// Adds FROM and WHERE: the records `r` of one stored state with a key in the span.
pub(crate) fn push_in_state<D: Dialect, T>(sql: Sql<T>, model: i16, state: i16, span: &Span) -> Sql<T> {
    let sql = push_from::<D, _>(sql, model, Index::ByState).push(" WHERE r.model * 8 + r.state = ?");
    push_keys_in(sql.bind(i32::from(model) * 8 + i32::from(state)), span)
}

/// Adds FROM and WHERE: the due records `r` of one queue with a key in the span.
pub(crate) fn push_in_queue<D: Dialect, T>(sql: Sql<T>, model: i16, storage: &str, span: &Span) -> Sql<T> {
    let sql = push_from::<D, _>(sql, model, Index::InQueue);
    let sql = sql.push(" WHERE r.due_at IS NOT NULL AND r.model + 0 = ? AND r.storage = ?");
    push_keys_in(sql.bind(i32::from(model)).bind(storage.to_owned()), span)
}

/// Adds FROM and WHERE: the records `r` of one model in a storage with a key in the span.
pub(crate) fn push_in_storage<D: Dialect, T>(sql: Sql<T>, model: i16, storage: &str, span: &Span) -> Sql<T> {
    let sql = sql.push(&D::in_storage(model)).bind(i32::from(model)).bind(storage.to_owned());
    push_keys_in(sql, span)
}

/// Adds FROM and WHERE: the marked records `r` of one model in a storage with a key in the span.
pub(crate) fn push_marked<D: Dialect, T>(sql: Sql<T>, model: i16, storage: &str, span: &Span) -> Sql<T> {
    let sql = push_from::<D, _>(sql, model, Index::InStorage);
    let sql = sql.push(" WHERE r.due_at IS NULL AND r.model - 0 = ? AND r.storage = ?");
    let sql = push_keys_in(sql.bind(i32::from(model)).bind(storage.to_owned()), span);
    sql.push(" AND ").push(&marked(Some(model)))
}

/// Adds FROM and WHERE: the records `r` with a key in the span that differ from the source's own checksums.
pub(crate) fn push_mismatched<D: Dialect, T>(sql: Sql<T>, model: i16, span: &Span) -> Sql<T> {
    let sql = push_from::<D, _>(sql, model, Index::Mismatched);
    let sql =
        sql.push(" WHERE r.state = 2 AND NOT r.matches_source AND r.model + 0 = ?").bind(i32::from(model));
    push_keys_in(sql, span).push(" AND NOT ").push(&marked(Some(model)))
}

/// Adds FROM and WHERE: the records `r` with a key in the span whose last attempt failed.
pub(crate) fn push_findings<D: Dialect, T>(sql: Sql<T>, model: i16, span: &Span) -> Sql<T> {
    let sql = push_from::<D, _>(sql, model, Index::Findings);
    let sql = sql.push(" WHERE r.failure_kind IS NOT NULL AND r.model + 0 = ?").bind(i32::from(model));
    push_keys_in(sql, span)
}

/// Adds FROM and WHERE: the records `r` of a model whose last attempt failed, to be told apart by storage and kind.
pub(crate) fn push_failing<D: Dialect, T>(sql: Sql<T>, model: i16) -> Sql<T> {
    let sql = push_from::<D, _>(sql, model, Index::Failing);
    sql.push(" WHERE r.failure_kind IS NOT NULL AND r.model + 2 = ?").bind(i32::from(model) + 2)
}

/// Adds that the key is in the span.
pub(crate) fn push_keys_in<T>(sql: Sql<T>, span: &Span) -> Sql<T> {
    sql.push(" AND r.key >= ? AND r.key < ?").bind(span.from.clone()).bind(span.to.clone())
}

/// The words for an order by key.
pub(crate) const fn by_key(descending: bool) -> &'static str {
    if descending { " ORDER BY r.key DESC" } else { " ORDER BY r.key" }
}

/// Adds the query for the paths and keys of the records in one storage, of one model or of all, in the byte order of the
/// paths.
pub(crate) fn paths<D: Dialect, T>(sql: Sql<T>, model: Option<i16>, storage: String) -> Sql<T> {
    // The queues tell which models have anything there; the others are not read.
    let table = model.map_or(Cow::Borrowed(RECORDS_OF_EVERY_MODEL), D::records);
    let sql = sql.push(&format!(
        "SELECT r.path, r.key FROM queues q CROSS JOIN {table} AS r WHERE q.storage = ? AND r.model = q.model \
         AND r.storage = q.storage",
    ));
    let sql = match model {
        Some(model) => sql.bind(storage).push(" AND q.model = ?").bind(model),
        None => sql.bind(storage),
    };
    sql.push(" ORDER BY r.path, r.key")
}
