//! Check values: CRCs over the parts of a record's row that decide a verdict, by which a part that is not what was written
//! there is known. They protect from faults of disks, memory and hands, not from somebody who can calculate them.

use crc_fast::{CrcAlgorithm, checksum};
use diesel::result::QueryResult;

use crate::columns::{Bytes as _, Kind, Row, Visitor};

/// The bytes that a check value is of: each column that is not NULL, with its name. So a column that a later migration adds
/// changes the check values of no row in which it is NULL.
struct Content(Vec<u8>);

impl<'b> Visitor<'b> for Content {
    fn column<K: Kind>(&mut self, name: &'static str, value: &'b K::Rust) -> QueryResult<()> {
        let before = self.0.len();
        self.0.extend_from_slice(name.as_bytes());
        self.0.push(0);
        if !K::add_bytes(value, &mut self.0) {
            self.0.truncate(before);
        }
        Ok(())
    }
}

/// The check value of some columns of the record with this key.
pub(super) fn check_value(model: i16, key: &[u8], columns: &impl Row, accepted: bool) -> i32 {
    let mut content = Content(Vec::with_capacity(256));
    model.add_to(&mut content.0);
    key.add_to(&mut content.0);
    accepted.add_to(&mut content.0);
    // Only what binds values in a statement can fail.
    let _ = columns.visit(&mut content);
    let [.., a, b, c, d] = checksum(CrcAlgorithm::Crc32Iscsi, &content.0).to_be_bytes();
    i32::from_be_bytes([a, b, c, d])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::record::OwnColumns;

    #[test]
    fn check_values_are_the_same_for_ever() {
        let key = [128, 0, 0, 0, 0, 0, 0, 1];
        let columns = OwnColumns { baseline: Some(vec![1, 2, 3]), baseline_at: Some(5) };
        assert_eq!(check_value(19, &key, &columns, false), -608_827_791);
        // A column that is NULL is as one that is not there.
        let columns = OwnColumns { baseline: None, ..columns };
        assert_eq!(check_value(19, &key, &columns, false), 2_080_935_852);
        assert_ne!(check_value(19, &key, &columns, true), 2_080_935_852);
    }
}
