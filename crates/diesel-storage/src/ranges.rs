//! Where the marked records of a model are: see [`crate::marks`].

use std::collections::BTreeMap;

use diesel::sql_types::{Binary, Bool, Text};

use crate::error::DbError;
use crate::session::Reading;
use crate::span::{Span, intersection};
use crate::sql::Sql;

/// The most ranges that a statement names. Beyond that, what lies between the last of them is looked through as well.
const MOST_RANGES: usize = 16;

/// The most storages whose ranges a statement names: SQLite takes 500 parts of a compound SELECT.
const MOST_STORAGES: usize = 250;

/// A range of the mark, and whether it is mixed.
pub(crate) type Range = (Span, bool);

/// Where marked records of a model are looked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ranges {
    /// By storage, in the order of the keys.
    of_storages: BTreeMap<String, Vec<Span>>,
    /// The keys at which every record that succeeded is marked, whatever its storage.
    solid: Vec<Span>,
}

impl Ranges {
    /// Those of the model.
    pub(crate) async fn read<S: Reading>(session: &mut S, model: i16) -> Result<Self, DbError> {
        // The leases first: one that ends before the ranges are read has told the mark of it by then.
        let leases = leased(session, model).await?;
        let sql = Sql::<(Text, Binary, Binary, Bool)>::new(
            "SELECT g.storage, g.first_key, g.end_key, g.mixed FROM mark_ranges g WHERE g.model = ? \
             ORDER BY g.storage, g.first_key",
        );
        let rows: Vec<(String, Vec<u8>, Vec<u8>, bool)> = session.load(sql.bind(model)).await?;
        if rows.is_empty() {
            return Ok(Self::default());
        }
        let mut ranges = BTreeMap::<String, Vec<Range>>::new();
        for (storage, from, to, is_mixed) in rows {
            ranges.entry(storage).or_default().push((Span { from, to }, is_mixed));
        }
        let sql = Sql::<Text>::new(format!(
            "SELECT c.storage FROM {} AS c WHERE c.model = ? GROUP BY c.storage HAVING SUM(c.records) <> 0",
            S::COUNTS
        ));
        let storages: Vec<String> = session.load(sql.bind(model)).await?;
        let solid = storages.iter().fold(vec![Span::all()], |solid, storage| {
            let at_work: Vec<Span> =
                leases.iter().filter(|(of, _)| of == storage).map(|(_, span)| span.clone()).collect();
            let unmixed = ranges.get(storage).into_iter().flatten().filter(|(_, is_mixed)| !is_mixed);
            let of_storage: Vec<Span> = unmixed.flat_map(|(range, _)| range.without(&at_work)).collect();
            intersection(&solid, &of_storage)
        });
        let spans = |ranges: Vec<Range>| ranges.into_iter().map(|(range, _)| range).collect();
        let of_storages = ranges.into_iter().map(|(storage, ranges)| (storage, spans(ranges))).collect();
        Ok(Self { of_storages, solid })
    }

    /// Those of one storage.
    pub(crate) async fn of_storage<S: Reading>(
        session: &mut S,
        model: i16,
        storage: &str,
    ) -> Result<Self, DbError> {
        let found = overlapping(session, (model, storage), &Span::all()).await?;
        let spans: Vec<Span> = found.into_iter().map(|(range, _)| range).collect();
        let of_storages = Some((storage.to_owned(), spans)).filter(|(_, spans)| !spans.is_empty());
        Ok(Self { of_storages: of_storages.into_iter().collect(), solid: Vec::new() })
    }

    /// Whether nothing is marked.
    pub(crate) fn is_empty(&self) -> bool {
        self.of_storages.is_empty()
    }

    /// Whether they are of more storages than a statement can name.
    pub(crate) fn are_of_too_many_storages(&self) -> bool {
        self.of_storages.len() > MOST_STORAGES
    }

    /// The parts of the span that may hold marked records of each storage.
    pub(crate) fn within(&self, span: &Span) -> Vec<(String, Span)> {
        let most = (MOST_RANGES / self.of_storages.len().max(1)).max(1);
        let of_storages = self.of_storages.iter().flat_map(|(storage, ranges)| {
            few(ranges, most).into_iter().map(move |range| (storage.clone(), range))
        });
        of_storages.filter_map(|(storage, range)| Some((storage, range.overlap(span)?))).collect()
    }

    /// The parts of the span in which there may be succeeded records that are not marked.
    pub(crate) fn gaps(&self, span: &Span) -> Vec<Span> {
        // A few gaps that take in some of what is marked are as true as many.
        span.without(self.solid.get(..MOST_RANGES).unwrap_or(&self.solid))
    }
}

/// These ranges, of which the last ones are taken for one if they are more than so many.
fn few(ranges: &[Span], most: usize) -> Vec<Span> {
    let (kept, joined) = ranges.split_at(ranges.len().min(most - 1));
    let joined = joined.first().zip(joined.last());
    let joined = joined.map(|(first, last)| Span { from: first.from.clone(), to: last.to.clone() });
    kept.iter().cloned().chain(joined).collect()
}

/// The ranges of a storage that have keys of the span, in the order of the keys.
pub(crate) async fn overlapping<S: Reading>(
    session: &mut S,
    (model, storage): (i16, &str),
    span: &Span,
) -> Result<Vec<Range>, DbError> {
    let sql = Sql::<(Binary, Binary, Bool)>::new(
        "SELECT g.first_key, g.end_key, g.mixed FROM mark_ranges g WHERE g.model = ? AND g.storage = ? \
         AND g.first_key < ? AND g.end_key > ? ORDER BY g.first_key",
    );
    let sql = sql.bind(model).bind(storage.to_owned()).bind(span.to.clone()).bind(span.from.clone());
    let rows: Vec<(Vec<u8>, Vec<u8>, bool)> = session.load(sql).await?;
    Ok(rows.into_iter().map(|(from, to, is_mixed)| (Span { from, to }, is_mixed)).collect())
}

/// The storages and keys that leases of the model are at.
async fn leased<S: Reading>(session: &mut S, model: i16) -> Result<Vec<(String, Span)>, DbError> {
    let sql = Sql::<(Text, Binary, Binary)>::new(
        "SELECT l.storage, l.first_key, l.last_key FROM leases l WHERE l.model = ? ORDER BY l.first_key",
    );
    let rows: Vec<(String, Vec<u8>, Vec<u8>)> = session.load(sql.bind(model)).await?;
    Ok(rows.into_iter().map(|(storage, first, last)| (storage, Span::closed(first, last))).collect())
}
