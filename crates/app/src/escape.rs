//! JSON in which names from outside do nothing to whatever shows it.

use std::fmt::Write as _;

use stocktake_domain::is_unsafe_to_show;

/// JSON in which what is unsafe to show is written as an escape, which stands for the same.
pub(crate) fn escaped_json(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        // Between values a line break is only space, and within one it is an escape already.
        if c != '\n' && is_unsafe_to_show(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a String does not fail.
                let _ = write!(text, "\\u{unit:04x}");
            }
        } else {
            text.push(c);
        }
    }
    text
}
