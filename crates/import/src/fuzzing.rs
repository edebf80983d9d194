//! The entry point for the fuzz target.

use crate::entries;

/// The lines of an import.
///
/// # Panics
///
/// If their numbers do not grow, or a name of an accepted record cannot be stored.
pub fn lines(input: &[u8]) {
    let mut last = 0;
    for (number, record) in entries(input).map_while(Result::ok) {
        assert!(number > last, "line {number} comes behind line {last}");
        last = number;
        for name in [&record.location.storage, &record.location.path] {
            assert!(!name.is_empty() && !name.contains('\0'), "the name {name:?} was accepted");
        }
    }
}
