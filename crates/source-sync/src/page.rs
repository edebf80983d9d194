//! A page as it was read, checked before anything is concluded from it.

use std::cmp::Ordering;

use stocktake_domain::ports::{SourceError, SourcePage};
use stocktake_domain::{RecordKey, SourceRecord};

/// Rows behind a key, in the order of their keys.
#[derive(Debug)]
pub(crate) struct SourceRows {
    /// The key that they are behind; `None`: they are the first.
    pub(crate) after: Option<RecordKey>,
    pub(crate) rows: Vec<SourceRecord>,
    /// All rows up to this key were read. `None`: there are no more.
    pub(crate) read_to: Option<RecordKey>,
}

impl SourceRows {
    /// The page that was read behind this key. One that is not in order is refused, as records would be deleted
    /// because of it.
    pub(crate) fn new(after: Option<RecordKey>, page: SourcePage) -> Result<Self, SourceError> {
        let SourcePage { rows, read_to } = page;
        let keys = after.iter().chain(rows.iter().map(|row| &row.key));
        let ascends = keys.is_sorted_by(|one, next| one.cmp(next) == Ordering::Less);
        let last = rows.last().map(|row| &row.key);
        let ends = read_to.is_none() || (read_to >= last.cloned() && read_to > after);
        if ascends && ends {
            return Ok(Self { after, rows, read_to });
        }
        Err(SourceError::Refused("its rows do not come in the order of their keys".to_owned(), None))
    }

    pub(crate) fn is_last(&self) -> bool {
        self.read_to.is_none()
    }

    /// The place behind which nothing was seen.
    pub(crate) fn end(&self) -> Option<&RecordKey> {
        let last = self.rows.last().map(|row| &row.key);
        self.read_to.as_ref().or(last).or(self.after.as_ref())
    }

    /// Where rows were read behind this last page's end, there are none any more: smaller keys may come again, as
    /// after a restored backup.
    pub(crate) fn lower(&self, read_to: &mut Option<RecordKey>) {
        if self.is_last() && read_to.as_ref() > self.end() {
            *read_to = self.end().cloned();
        }
    }

    pub(crate) fn count(&self) -> u64 {
        u64::try_from(self.rows.len()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stocktake_domain::Location;

    fn page(after: Option<i64>, rows: &[i64], read_to: Option<i64>) -> Result<SourceRows, SourceError> {
        let location = Location { storage: "s".to_owned(), path: "p".to_owned() };
        let rows =
            rows.iter().map(|key| SourceRecord::new(RecordKey::integer(*key), location.clone())).collect();
        SourceRows::new(
            after.map(RecordKey::integer),
            SourcePage { rows, read_to: read_to.map(RecordKey::integer) },
        )
    }

    #[test]
    fn pages_in_order_are_taken() {
        for (after, rows, read_to, end) in [
            (None, &[][..], None, None),
            (None, &[1, 2], None, Some(2)),
            (Some(0), &[1, 2], Some(2), Some(2)),
            (Some(0), &[1, 2], Some(9), Some(9)),
            (Some(3), &[], Some(9), Some(9)),
            (Some(3), &[], None, Some(3)),
        ] {
            let page = page(after, rows, read_to).unwrap();
            assert_eq!(page.end().cloned(), end.map(RecordKey::integer));
            assert_eq!(page.is_last(), read_to.is_none());
        }
    }

    #[test]
    fn the_end_of_the_last_page_is_the_end_of_all() {
        for (rows, page_read_to, read_to, expected) in
            [(&[4][..], None, 9, 4), (&[4], None, 3, 3), (&[], None, 9, 3), (&[4], Some(4), 9, 9)]
        {
            let mut lowered = Some(RecordKey::integer(read_to));
            page(Some(3), rows, page_read_to).unwrap().lower(&mut lowered);
            assert_eq!(lowered, Some(RecordKey::integer(expected)));
        }
    }

    #[test]
    fn pages_in_disorder_are_refused() {
        for (after, rows, read_to) in [
            (None, &[2, 1][..], None),
            (None, &[1, 1], None),
            (Some(1), &[1], None),
            (Some(1), &[2], Some(1)),
            (Some(1), &[], Some(1)),
            (None, &[5], Some(4)),
        ] {
            assert!(page(after, rows, read_to).is_err(), "{after:?} {rows:?} {read_to:?}");
        }
    }
}
