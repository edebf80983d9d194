//! What somebody who mistyped a word may have meant.

use std::fmt::Write as _;

/// From how much two words must be alike, of 1.
const ALIKE: f64 = 0.8;

/// The word most like this one, if there is one.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let likeness = |known: &str| {
        let (known, edits) = (known.to_lowercase(), strsim::normalized_damerau_levenshtein);
        // The beginning of a word is likelier to be right, and short words have few letters to be wrong.
        strsim::jaro_winkler(&word, &known).max(edits(&word, &known))
    };
    let known = known.into_iter().map(|known| (likeness(known), known));
    let best = known.max_by(|(one, _), (other, _)| one.total_cmp(other));
    best.filter(|(likeness, _)| *likeness > ALIKE).map(|(_, known)| known)
}

/// A sentence about a word that is not known: what it may have been, and what there is. `what` is the singular, `"storage"`.
pub(crate) fn unknown(what: &str, word: &str, known: &[&str]) -> String {
    let mut sentence = format!("there is no {what} {word:?}");
    if let Some(nearest) = nearest(word, known.iter().copied()) {
        // Writing to a String does not fail.
        let _ = write!(sentence, "; did you mean {nearest:?}?");
    }
    if !known.is_empty() {
        let separator = if sentence.ends_with('?') { " There are:" } else { "; there are:" };
        let _ = write!(sentence, "{separator} {}", known.join(", "));
    }
    sentence
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_likeliest_word_is_found_and_none_where_none_is_like() {
        let known = ["verify", "version", "status", "scan", "lfs_objects"];
        for (word, expected) in [
            ("verfy", Some("verify")),
            ("VERIFY", Some("verify")),
            ("sacn", Some("scan")),
            ("lfs_object", Some("lfs_objects")),
            ("polish", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, known), expected, "{word}");
        }
    }

    #[test]
    fn a_sentence_has_the_suggestion_and_the_list() {
        let known = ["main", "attic"];
        assert_eq!(
            unknown("storage", "mian", &known),
            "there is no storage \"mian\"; did you mean \"main\"? There are: main, attic"
        );
        assert_eq!(unknown("storage", "x", &known), "there is no storage \"x\"; there are: main, attic");
        assert_eq!(unknown("storage", "x", &[]), "there is no storage \"x\"");
    }
}
