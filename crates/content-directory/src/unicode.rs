//! Names that look the same and are not: the normal forms of Unicode.
//!
//! A file that was copied by way of another system (macOS, some archives and network file systems) may have its name in
//! another form than the catalogue. It is missing under its name, but whoever reads that should be told.

use rustix::fs::OFlags;
use stocktake_content::{Links, Root};
use stocktake_domain::PathText;
use unicode_normalization::UnicodeNormalization as _;

/// Whether something is at a path that differs from this one only in the normal form of some of its names.
pub(crate) fn is_there_in_another_form(root: &Root, path: &str) -> bool {
    if path.is_ascii() {
        return false;
    }
    let mut found = String::new();
    for name in path.split('/') {
        if !found.is_empty() {
            found.push('/');
        }
        let is_there = |name: &String| {
            let path = format!("{found}{name}");
            root.open_at(PathText::new(&path).to_bytes(), OFlags::PATH, Links::Follow).is_ok()
        };
        let forms = [name.to_owned(), name.nfc().collect(), name.nfd().collect()];
        let Some(form) = forms.into_iter().find(is_there) else { return false };
        found.push_str(&form);
    }
    found != path
}
