//! Patterns for paths, with one meaning wherever they are matched: here, and in each database.

use std::fmt;
use std::str::FromStr;

/// The most characters of a pattern.
const LONGEST: usize = 1024;

/// A pattern for whole paths, as `.gitignore`, rsync and ripgrep have it: `*` and `?` stand for any characters and for one
/// character within a folder's or file's name, `**` for anything, also across folders (`**/` for no folder too),
/// `[a-z]` and `[!a-z]` for one character of, or not of, a set, and `\` takes the next character as it is. Upper and lower
/// case differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathGlob {
    text: String,
    tokens: Vec<Token>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    /// This character.
    Is(char),
    /// One character that is no slash.
    One,
    /// One character that is no slash, and is (or, negated, is not) in one of the ranges.
    Set { negated: bool, ranges: Vec<(char, char)> },
    /// Any characters without a slash.
    Within,
    /// Any characters.
    Across,
    /// Nothing, or any characters with a slash behind them.
    Folders,
}

/// The text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParsePathGlobError {
    /// It stands for no path.
    #[error("an empty pattern matches no path")]
    Empty,
    /// It is too long.
    #[error("the pattern has more than {LONGEST} characters")]
    TooLong,
    /// A NUL character, which no path has.
    #[error("the pattern contains a NUL character")]
    Nul,
    /// `[` without its `]`.
    #[error("the pattern has a [ without a ]; \\[ stands for the character")]
    OpenSet,
    /// A range such as `z-a`.
    #[error("the pattern has the range {0}-{1}, which is empty")]
    EmptyRange(char, char),
    /// `\` at the end.
    #[error("the pattern ends with a \\; \\\\ stands for the character")]
    OpenEscape,
}

impl FromStr for PathGlob {
    type Err = ParsePathGlobError;

    fn from_str(text: &str) -> Result<Self, ParsePathGlobError> {
        if text.is_empty() {
            return Err(ParsePathGlobError::Empty);
        }
        if text.chars().count() > LONGEST {
            return Err(ParsePathGlobError::TooLong);
        }
        if text.contains('\0') {
            return Err(ParsePathGlobError::Nul);
        }
        let mut rest = text.chars();
        let mut tokens = Vec::new();
        while let Some(token) = next_token(&mut rest, tokens.last())? {
            // Two of the same that match anything match no more than one.
            if !(matches!(token, Token::Within | Token::Across | Token::Folders)
                && tokens.last() == Some(&token))
            {
                tokens.push(token);
            }
        }
        Ok(Self { text: text.to_owned(), tokens })
    }
}

fn next_token(
    rest: &mut std::str::Chars<'_>,
    before: Option<&Token>,
) -> Result<Option<Token>, ParsePathGlobError> {
    let Some(c) = rest.next() else { return Ok(None) };
    Ok(Some(match c {
        '?' => Token::One,
        '*' if rest.as_str().starts_with('*') => {
            *rest = rest.as_str().trim_start_matches('*').chars();
            // Only between slashes: `a**/b` needs its slash.
            let begins = matches!(before, None | Some(Token::Is('/') | Token::Folders));
            if begins && rest.as_str().starts_with('/') {
                rest.next();
                Token::Folders
            } else {
                Token::Across
            }
        }
        '*' => Token::Within,
        '[' => set(rest)?,
        '\\' => Token::Is(rest.next().ok_or(ParsePathGlobError::OpenEscape)?),
        c => Token::Is(c),
    }))
}

/// What stands behind a `[`. A `]` right at the beginning is a member of the set.
fn set(rest: &mut std::str::Chars<'_>) -> Result<Token, ParsePathGlobError> {
    let negated = rest.as_str().starts_with(['!', '^']);
    if negated {
        rest.next();
    }
    let mut ranges = Vec::new();
    loop {
        let first = match rest.next().ok_or(ParsePathGlobError::OpenSet)? {
            ']' if !ranges.is_empty() => return Ok(Token::Set { negated, ranges }),
            '\\' => rest.next().ok_or(ParsePathGlobError::OpenSet)?,
            c => c,
        };
        let mut ahead = rest.clone();
        let last = match (ahead.next(), ahead.next()) {
            (Some('-'), Some(last)) if last != ']' => {
                *rest = ahead;
                if last == '\\' { rest.next().ok_or(ParsePathGlobError::OpenSet)? } else { last }
            }
            _ => first,
        };
        if last < first {
            return Err(ParsePathGlobError::EmptyRange(first, last));
        }
        ranges.push((first, last));
    }
}

impl PathGlob {
    /// The pattern for this very path.
    pub fn literal(path: &str) -> Self {
        let mut text = String::with_capacity(path.len());
        for c in path.chars() {
            if matches!(c, '*' | '?' | '[' | '\\') {
                text.push('\\');
            }
            text.push(c);
        }
        Self { text, tokens: path.chars().map(Token::Is).collect() }
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the pattern stands for this path, and not only for a part of it. Takes no longer than the product of the
    /// lengths of both.
    pub fn matches(&self, path: &str) -> bool {
        // Which tokens may come next: all ways at once, so that no pattern makes it try again and again.
        let mut now = vec![false; self.tokens.len() + 1];
        self.reach(&mut now, 0);
        let mut next = vec![false; now.len()];
        for c in path.chars() {
            next.fill(false);
            for (index, token) in self.tokens.iter().enumerate() {
                if !now.get(index).copied().unwrap_or(false) {
                    continue;
                }
                if token.keeps(c) {
                    self.stay(&mut next, index);
                }
                if token.takes(c) {
                    self.reach(&mut next, index + 1);
                }
            }
            std::mem::swap(&mut now, &mut next);
            if !now.contains(&true) {
                return false;
            }
        }
        now.last().copied().unwrap_or(false)
    }

    /// The token may take the next character, and so may those behind it if it may take none.
    fn reach(&self, open: &mut [bool], mut index: usize) {
        loop {
            let Some(place) = open.get_mut(index) else { return };
            *place = true;
            if !self.tokens.get(index).is_some_and(Token::may_be_nothing) {
                return;
            }
            index += 1;
        }
    }

    /// The token took a character and may take more.
    fn stay(&self, open: &mut [bool], index: usize) {
        match (self.tokens.get(index), open.get_mut(index)) {
            // Once it has begun, nothing comes behind it before its slash.
            (Some(Token::Folders), Some(place)) => *place = true,
            _ => self.reach(open, index),
        }
    }

    /// The same as a regular expression of PostgreSQL's advanced kind, for the whole path.
    pub fn to_regex(&self) -> String {
        let mut regex = "^".to_owned();
        for token in &self.tokens {
            match token {
                Token::Is(c) => push_escaped(&mut regex, *c),
                Token::One => regex.push_str("[^/]"),
                Token::Within => regex.push_str("[^/]*"),
                Token::Across => regex.push_str(".*"),
                Token::Folders => regex.push_str("(?:.*/)?"),
                Token::Set { negated, ranges } => push_set(&mut regex, *negated, ranges),
            }
        }
        regex.push('$');
        regex
    }
}

impl fmt::Display for PathGlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Token {
    fn may_be_nothing(&self) -> bool {
        matches!(self, Self::Within | Self::Across | Self::Folders)
    }

    /// Whether it can take this character and then more.
    fn keeps(&self, c: char) -> bool {
        match self {
            Self::Within => c != '/',
            Self::Across | Self::Folders => true,
            Self::Is(_) | Self::One | Self::Set { .. } => false,
        }
    }

    /// Whether it can end with this character.
    fn takes(&self, c: char) -> bool {
        match self {
            Self::Is(wanted) => c == *wanted,
            Self::One => c != '/',
            Self::Set { negated, ranges } => {
                c != '/' && ranges.iter().any(|(first, last)| (*first..=*last).contains(&c)) != *negated
            }
            Self::Folders => c == '/',
            // These end without one, which they have said at their beginning.
            Self::Within | Self::Across => false,
        }
    }
}

/// A character as itself.
fn push_escaped(regex: &mut String, c: char) {
    if c.is_ascii() && !c.is_ascii_alphanumeric() && c != '_' {
        regex.push('\\');
    }
    regex.push(c);
}

/// A set as a choice of brackets, none of which has a character that means something there.
fn push_set(regex: &mut String, negated: bool, ranges: &[(char, char)]) {
    // A look ahead keeps the slash out, which a range may have in its middle.
    regex.push_str(if negated { "(?!" } else { "(?=" });
    for (index, (first, last)) in ranges.iter().enumerate() {
        if index > 0 {
            regex.push('|');
        }
        if first == last {
            push_escaped(regex, *first);
        } else {
            regex.push('[');
            push_escaped(regex, *first);
            regex.push('-');
            push_escaped(regex, *last);
            regex.push(']');
        }
    }
    regex.push_str(")[^/]");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, path: &str) -> bool {
        pattern.parse::<PathGlob>().unwrap().matches(path)
    }

    #[test]
    fn a_star_stays_within_a_folder_and_two_do_not() {
        for (pattern, good, bad) in [
            ("a/*.bin", &["a/x.bin", "a/.bin"][..], &["a/b/x.bin", "a/x.bin.old", "b/a/x.bin"][..]),
            ("**/x", &["x", "a/x", "a/b/x"], &["ax", "a/bx", "x/a"]),
            ("a/**", &["a/", "a/b", "a/b/c"], &["a", "b/a/c"]),
            ("a/**/b", &["a/b", "a/x/b", "a/x/y/b"], &["a/xb", "ab"]),
            ("**/**/b", &["b", "a/b", "a/a/b"], &["ab"]),
            ("a**b", &["ab", "a/x/b", "axb"], &["a/c"]),
            ("a**/b", &["a/b", "ax/y/b"], &["ab", "axb"]),
            ("?", &["a", "é", "*", "\n"], &["", "/", "ab"]),
            ("[a-c]?", &["ax", "cé"], &["a", "d1", "a/", "Ab"]),
            ("[!a-c]", &["d", "!", "]"], &["a", "/", "dd"]),
            ("[]x]", &["]", "x"], &["[", ""]),
            ("[a-]", &["a", "-"], &["b"]),
            ("[.-z]x", &[".x", "0x"], &["/x"]),
            ("\\*", &["*"], &["a", "\\*"]),
            ("[\\]]", &["]"], &["\\"]),
            ("a.b", &["a.b"], &["axb"]),
            ("{a,b}", &["{a,b}"], &["a"]),
        ] {
            assert!(good.iter().all(|path| matches(pattern, path)), "{pattern} {good:?}");
            assert!(!bad.iter().any(|path| matches(pattern, path)), "{pattern} {bad:?}");
        }
    }

    #[test]
    fn a_literal_pattern_matches_one_path() {
        for path in ["a/[b]*?\\c", "", "**/x"] {
            let literal = PathGlob::literal(path);
            assert!(literal.matches(path) && !literal.matches("a/b"), "{path}");
            assert!(path.is_empty() || literal.as_str().parse::<PathGlob>().unwrap() == literal, "{path}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_named() {
        let error = |text: &str| text.parse::<PathGlob>().unwrap_err();
        assert_eq!(error(""), ParsePathGlobError::Empty);
        assert_eq!(error("a[b"), ParsePathGlobError::OpenSet);
        assert_eq!(error("a["), ParsePathGlobError::OpenSet);
        assert_eq!(error("[]"), ParsePathGlobError::OpenSet);
        assert_eq!(error("[z-a]"), ParsePathGlobError::EmptyRange('z', 'a'));
        assert_eq!(error("a\\"), ParsePathGlobError::OpenEscape);
        assert_eq!(error("a\0"), ParsePathGlobError::Nul);
        assert_eq!(error(&"é".repeat(LONGEST + 1)), ParsePathGlobError::TooLong);
    }

    #[test]
    fn no_pattern_takes_for_ever() {
        let pattern = "*a".repeat(500);
        assert!(!matches(&pattern, &"a".repeat(4_000).replace("aaaa", "aaab")));
        assert!(matches(&"**/*a".repeat(100), &"x/a".repeat(100)));
    }
}
