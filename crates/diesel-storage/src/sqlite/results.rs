//! Writing results, one statement for each: on SQLite that is faster than one for all.
//!
//! SQLite writes an index anew if a column of it is among those that an UPDATE sets, also to the value that is there. The index of
//! the digests is in no order of the keys, and to write it takes as long as all else. So a digest is set only where it is
//! another one: a success has three statements, of which one finds the record, and a failure one that names no digest at all. The
//! success of a marked record that is as it was writes to no index.

use std::marker::PhantomData;

use diesel::RunQueryDsl as _;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::result::QueryResult;
use diesel::sql_types::{BigInt, Binary, Bool, Integer, Nullable, SmallInt};
use diesel::sqlite::{Sqlite, SqliteConnection};

use crate::columns::{Kind, Row as _, Visitor};
use crate::mark::Mark;
use crate::rows::{BaselineColumns, LeaseRow, OwnColumns, ResultRow, SUCCEEDED};

/// Writes results where the record is still what the lease holds; returns how many.
pub(super) fn write(
    connection: &mut SqliteConnection,
    lease: &LeaseRow,
    results: &[ResultRow],
    mark: Option<Mark>,
) -> QueryResult<usize> {
    let answered = Mark::answered_by(mark, lease.claimed_at);
    // Records that lie side by side are mostly alike, so that the first statement finds the record.
    let mut forms = [Kept::Same, Kept::Known, Kept::Other];
    let mut written = 0;
    for row in results {
        if row.baseline.own.baseline.is_none() {
            written += WriteResult::<Failure>::new(lease, row, answered).execute(connection)?;
            continue;
        }
        for (place, form) in forms.into_iter().enumerate() {
            let found = match form {
                Kept::Same if answered == 0 || row.result.state != SUCCEEDED => 0,
                Kept::Same => WriteResult::<SameResult>::new(lease, row, answered).execute(connection)?,
                Kept::Known => WriteResult::<SameDigest>::new(lease, row, answered).execute(connection)?,
                Kept::Other => WriteResult::<OtherDigest>::new(lease, row, answered).execute(connection)?,
            };
            if found > 0 {
                forms.swap(0, place);
                written += found;
                break;
            }
        }
    }
    Ok(written)
}

/// What a record is before a success.
#[derive(Debug, Clone, Copy)]
enum Kept {
    /// Marked, and with the same digest.
    Same,
    /// Due by its row, with the same digest.
    Known,
    /// With another digest, or none.
    Other,
}

/// What a result is to what the record has.
trait Form: 'static {
    /// Sets those columns of the digest that change.
    fn set<'b>(baseline: &'b BaselineColumns, out: &mut Assignments<'_, 'b>) -> QueryResult<()>;

    /// Whether the record is as the result says but for the time, so that no index has to be written.
    const IS_SAME: bool = false;

    /// What comes before the digest in the condition on it, if there is one.
    const DIGEST: Option<&'static str>;
}

/// There is none in the result: that of the record stays.
struct Failure;

impl Form for Failure {
    const DIGEST: Option<&'static str> = None;

    fn set<'b>(_: &'b BaselineColumns, _: &mut Assignments<'_, 'b>) -> QueryResult<()> {
        Ok(())
    }
}

/// The record is marked, succeeded, and has the same one.
struct SameResult;

impl Form for SameResult {
    const DIGEST: Option<&'static str> = SameDigest::DIGEST;
    const IS_SAME: bool = true;

    fn set<'b>(baseline: &'b BaselineColumns, out: &mut Assignments<'_, 'b>) -> QueryResult<()> {
        SameDigest::set(baseline, out)
    }
}

/// The record has the same one.
struct SameDigest;

impl Form for SameDigest {
    const DIGEST: Option<&'static str> = Some(" AND baseline = ");

    fn set<'b>(baseline: &'b BaselineColumns, out: &mut Assignments<'_, 'b>) -> QueryResult<()> {
        let BaselineColumns { baseline_check, own: OwnColumns { baseline: _, baseline_at } } = baseline;
        out.column::<Nullable<Integer>>("baseline_check", baseline_check)?;
        out.column::<Nullable<BigInt>>("baseline_at", baseline_at)
    }
}

/// The record has another one, or none.
struct OtherDigest;

impl Form for OtherDigest {
    const DIGEST: Option<&'static str> = Some(" AND baseline IS NOT ");

    fn set<'b>(baseline: &'b BaselineColumns, out: &mut Assignments<'_, 'b>) -> QueryResult<()> {
        baseline.visit(out)
    }
}

/// Writes one result. Diesel's own UPDATE is prepared anew each time, which takes longer than to run it; this one is
/// prepared once, and found again by its type.
struct WriteResult<'a, F> {
    lease: &'a LeaseRow,
    row: &'a ResultRow,
    /// The number of the mark that it answers; 0 of none.
    answered: i64,
    form: PhantomData<F>,
}

impl<'a, F> WriteResult<'a, F> {
    fn new(lease: &'a LeaseRow, row: &'a ResultRow, answered: i64) -> Self {
        Self { lease, row, answered, form: PhantomData }
    }
}

impl<F: Form> QueryId for WriteResult<'_, F> {
    type QueryId = WriteResult<'static, F>;

    const HAS_STATIC_QUERY_ID: bool = true;
}

impl<F: Form> QueryFragment<Sqlite> for WriteResult<'_, F> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        let ResultRow { key, result, baseline } = self.row;
        out.push_sql("UPDATE records SET answers = MAX(answers, ");
        out.push_bind_param::<BigInt, _>(&self.answered)?;
        out.push_sql(if F::IS_SAME { ")" } else { "), due_at = NULL" });
        let mut assignments = Assignments(out.reborrow());
        if F::IS_SAME {
            assignments.column::<BigInt>("attempt", &result.attempt)?;
            assignments.column::<Nullable<Bool>>("matches_source", &result.matches_source)?;
        } else {
            result.visit(&mut assignments)?;
        }
        F::set(baseline, &mut assignments)?;
        out.push_sql(" WHERE model = ");
        out.push_bind_param::<SmallInt, _>(&self.lease.model)?;
        out.push_sql(" AND key = ");
        out.push_bind_param::<Binary, _>(key)?;
        out.push_sql(" AND attempt + 1 = ");
        out.push_bind_param::<BigInt, _>(&result.attempt)?;
        out.push_sql(" AND (state = ");
        out.push_bind_param::<SmallInt, _>(&SUCCEEDED)?;
        out.push_sql(" AND answers < ");
        out.push_bind_param::<BigInt, _>(&self.answered)?;
        if !F::IS_SAME {
            out.push_sql(" OR due_at <= ");
            out.push_bind_param::<BigInt, _>(&self.lease.claimed_at)?;
        }
        out.push_sql(")");
        if let Some(condition) = F::DIGEST {
            out.push_sql(condition);
            out.push_bind_param::<Nullable<Binary>, _>(&baseline.own.baseline)?;
        }
        Ok(())
    }
}

impl<F: Form> diesel::RunQueryDsl<SqliteConnection> for WriteResult<'_, F> {}

/// Writes `, a = ?, b = ?, …`.
struct Assignments<'p, 'b>(AstPass<'p, 'b, Sqlite>);

impl<'b> Visitor<'b> for Assignments<'_, 'b> {
    fn column<K: Kind>(&mut self, name: &'static str, value: &'b K::Rust) -> QueryResult<()> {
        self.0.push_sql(", ");
        self.0.push_sql(name);
        self.0.push_sql(" = ");
        K::bind(&mut self.0, value)
    }
}
