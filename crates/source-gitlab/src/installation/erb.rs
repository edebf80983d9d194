//! The tags of ERB, with which a `gitlab.yml` may be a template.

use super::node::Why;

/// What stands for a value that a tag calculates: a character that no configuration has.
const CALCULATED: char = '\u{e000}';

/// A template as plain YAML, in lines as long as they were.
pub(super) struct Template {
    pub(super) text: String,
    /// The first line with a tag that decides which lines count.
    pub(super) condition: Option<usize>,
}

/// Takes the tags out of a text.
pub(super) fn template(text: &str) -> Template {
    let mut all = Template { text: String::with_capacity(text.len()), condition: None };
    let mut line = 1;
    let mut rest = text;
    // Line ends within a tag are made up for at the end of its line.
    let mut missing = 0;
    while let Some((before, tag)) = rest.split_once("<%") {
        all.push(before, &mut missing);
        line += before.matches('\n').count();
        let (code, after) = tag.split_once("%>").unwrap_or((tag, ""));
        if code.starts_with('=') {
            all.text.push(CALCULATED);
        } else if !code.starts_with('#') {
            all.condition.get_or_insert(line);
        }
        let lines = code.matches('\n').count();
        line += lines;
        missing += lines;
        rest = after;
    }
    all.push(rest, &mut missing);
    all
}

/// Why a scalar is not known, if a tag calculates it or a part of it.
pub(super) fn unread(scalar: &str) -> Option<Why> {
    scalar.contains(CALCULATED).then_some(Why::Calculated)
}

impl Template {
    fn push(&mut self, plain: &str, missing: &mut usize) {
        match plain.split_once('\n') {
            Some((line, rest)) if *missing > 0 => {
                self.text.push_str(line);
                self.text.extend(std::iter::repeat_n('\n', *missing + 1));
                self.text.push_str(rest);
                *missing = 0;
            }
            _ => self.text.push_str(plain),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_become_values_that_are_not_known_or_nothing() {
        let cases = [
            ("a: 1\n", "a: 1\n", None),
            ("a: <%= x %>\nb: 1\n", "a: \u{e000}\nb: 1\n", None),
            ("a: \"x<%= y %>z\"\n", "a: \"x\u{e000}z\"\n", None),
            ("a: 1\n<% if x -%>\nb: 2\n<% end %>\n", "a: 1\n\nb: 2\n\n", Some(2)),
            ("<%# a comment %>\na: 1\n", "\na: 1\n", None),
            ("a: <%= x(\n  y) %> \nb: 1\n", "a: \u{e000} \n\nb: 1\n", None),
            ("a: <%= x", "a: \u{e000}", None),
        ];
        for (text, plain, condition) in cases {
            let template = template(text);
            assert_eq!((template.text.as_str(), template.condition), (plain, condition), "{text:?}");
        }
        assert_eq!(unread("x"), None);
        assert_eq!(unread("\u{e000}/x"), Some(Why::Calculated));
    }
}
