//! The objects that a repository lacks: of the first all is told that is known of it, the others are counted, and some named.

use std::collections::HashSet;

use stocktake_domain::ContentError;

use crate::error::ReadError;
use crate::id::ObjectId;

/// The most that are counted.
const MOST: usize = 100_000;

/// The most that are named behind the first, if there is room.
const NAMED: usize = 4;

/// The most characters of the text, which a failure keeps whole.
const ROOM: usize = 220;

/// Stands before the names of some.
const SUCH_AS: &str = ", such as ";

/// Objects that are missing, each once.
#[derive(Debug, Default)]
pub(super) struct Lacking {
    /// What is said of the first.
    first: Option<String>,
    /// What others are called: `the tree 4b825dc… (refs/tags/v1)`.
    named: Vec<String>,
    ids: HashSet<ObjectId>,
    /// Whether others may be missing too, which were not looked for or not counted.
    pub(super) may_be_more: bool,
}

impl Lacking {
    /// Adds an object, unless it was added before. `sentence` is what is said of the first one, and `name` what others are
    /// called.
    pub(super) fn add(
        &mut self,
        id: ObjectId,
        sentence: impl FnOnce() -> String,
        name: impl FnOnce() -> String,
    ) {
        if self.ids.len() >= MOST {
            self.may_be_more |= !self.ids.contains(&id);
        } else if self.ids.insert(id) {
            if self.first.is_none() {
                self.first = Some(sentence());
            } else if self.named.len() < NAMED {
                self.named.push(name());
            }
        }
    }

    /// Those that were added.
    pub(super) const fn ids(&self) -> &HashSet<ObjectId> {
        &self.ids
    }

    /// What is to be told of them, if there are any.
    pub(super) fn error(&self) -> Option<ReadError> {
        let error = ContentError::MissingPart(self.text()?);
        Some(ReadError::Suspect(error))
    }

    fn text(&self) -> Option<String> {
        let first = self.first.as_ref()?;
        let others = self.ids.len().saturating_sub(1);
        if others == 0 {
            return Some(first.clone());
        }
        let at_least = if self.may_be_more { "at least " } else { "" };
        let what = if others == 1 { "object is" } else { "objects are" };
        let mut text = format!("{first}; {at_least}{others} more {what} missing");
        let named = self.named_within(ROOM.saturating_sub(text.chars().count() + SUCH_AS.len()));
        if !named.is_empty() {
            let are_all = named.len() == others && !self.may_be_more;
            text.push_str(if are_all { ": " } else { SUCH_AS });
            text.push_str(&named.join(", "));
        }
        Some(text)
    }

    /// The names of as many others as there is room for.
    fn named_within(&self, room: usize) -> &[String] {
        let mut ends = self.named.iter().scan(0, |end, name| {
            *end += name.chars().count() + 2;
            Some(*end)
        });
        let fitting = ends.position(|end| end > room + 2).unwrap_or(self.named.len());
        self.named.get(..fitting).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::ObjectFormat;

    /// What is told of these objects, each with a number for its id.
    fn told(numbers: impl IntoIterator<Item = usize>, may_be_more: bool) -> String {
        let mut lacking = Lacking { may_be_more, ..Lacking::default() };
        for number in numbers {
            let id = ObjectFormat::Sha1.parse(format!("{number:040x}").as_bytes()).unwrap();
            lacking.add(
                id,
                || format!("HEAD: its object {number} is missing"),
                || format!("the blob {number} (HEAD)"),
            );
        }
        lacking.text().unwrap()
    }

    #[test]
    fn the_first_is_told_and_the_others_are_counted() {
        let first = "HEAD: its object 7 is missing";
        for (numbers, may_be_more, rest) in [
            (vec![7, 7], false, ""),
            (vec![7], true, ""),
            (vec![7, 8, 8], false, "; 1 more object is missing: the blob 8 (HEAD)"),
            (vec![7, 8, 7, 9], false, "; 2 more objects are missing: the blob 8 (HEAD), the blob 9 (HEAD)"),
            (vec![7, 8], true, "; at least 1 more object is missing, such as the blob 8 (HEAD)"),
        ] {
            assert_eq!(told(numbers.clone(), may_be_more), format!("{first}{rest}"), "{numbers:?}");
        }
        assert!(Lacking::default().error().is_none());
    }

    #[test]
    fn there_is_a_most_of_what_is_counted_and_of_what_is_named() {
        let many = told(0..MOST + 5, false);
        let begin = "HEAD: its object 0 is missing; at least 99999 more objects are missing, such as the blob 1 (HEAD), ";
        assert!(many.starts_with(begin) && many.ends_with("the blob 4 (HEAD)"), "{many}");
        // What has no room is counted, and the others are then not all.
        let mut lacking = Lacking::default();
        for number in 0..3 {
            let id = ObjectFormat::Sha1.parse(format!("{number:040x}").as_bytes()).unwrap();
            lacking.add(id, || "a".repeat(100), || "b".repeat(60));
        }
        let long = lacking.text().unwrap();
        assert_eq!(
            long,
            format!("{}; 2 more objects are missing, such as {}", "a".repeat(100), "b".repeat(60))
        );
        assert!(long.chars().count() <= ROOM, "{long}");
    }
}
