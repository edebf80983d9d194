//! The grammar of git's configuration files, as in git's `Documentation/config` and `config.c`.

use crate::space::is_space;

/// One setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Setting {
    /// The section in lower case, with a dot and the subsection behind it if there is one.
    pub(super) section: String,
    /// In lower case.
    pub(super) key: String,
    /// `None` if there is no equals sign, which means true.
    pub(super) value: Option<String>,
}

impl Setting {
    /// Section and key in texts.
    pub(super) fn name(&self) -> String {
        format!("{}.{}", self.section, self.key)
    }
}

/// Calls `visitor` for each setting. Fails where git does, with the number of the line.
pub(super) fn parse(
    text: &[u8],
    visitor: &mut dyn FnMut(Setting) -> Result<(), String>,
) -> Result<(), String> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let mut source = Source { text, at: 0, line: 1, ended: false };
    let mut section = Vec::new();
    loop {
        let line = source.line;
        let byte = source.next();
        let parsed = match byte {
            b'\n' if source.ended => return Ok(()),
            b' ' | b'\t' | b'\r' | b'\n' => Some(()),
            b'#' | b';' => {
                while source.next() != b'\n' {}
                if source.ended {
                    return Ok(());
                }
                Some(())
            }
            b'[' => source.section().map(|name| section = name),
            byte if byte.is_ascii_alphabetic() => match source.setting(byte) {
                Some((key, value)) => {
                    visitor(Setting {
                        section: lossy(&section),
                        key: lossy(&key),
                        value: value.map(|value| lossy(&value)),
                    })?;
                    Some(())
                }
                None => None,
            },
            _ => None,
        };
        if parsed.is_none() {
            return Err(format!("line {line}: not a line of a configuration"));
        }
    }
}

fn lossy(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}

/// The bytes of the file, whose end reads as the end of a line.
struct Source<'a> {
    text: &'a [u8],
    at: usize,
    line: u32,
    ended: bool,
}

impl Source<'_> {
    fn next(&mut self) -> u8 {
        let mut byte = self.text.get(self.at).copied();
        if byte == Some(b'\r') && self.text.get(self.at + 1) == Some(&b'\n') {
            self.at += 1;
            byte = Some(b'\n');
        }
        self.at += 1;
        let Some(byte) = byte else {
            self.ended = true;
            return b'\n';
        };
        self.line += u32::from(byte == b'\n');
        byte
    }

    /// The name in the header of a section, of which the bracket has been read.
    fn section(&mut self) -> Option<Vec<u8>> {
        let mut name = Vec::new();
        loop {
            match self.next() {
                b']' => return Some(name),
                byte if is_space(byte) => return self.subsection(name, byte),
                byte if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.') => {
                    name.push(byte.to_ascii_lowercase());
                }
                _ => return None,
            }
        }
    }

    fn subsection(&mut self, mut name: Vec<u8>, mut byte: u8) -> Option<Vec<u8>> {
        while is_space(byte) {
            if byte == b'\n' {
                return None;
            }
            byte = self.next();
        }
        if byte != b'"' {
            return None;
        }
        name.push(b'.');
        loop {
            let mut byte = self.next();
            if byte == b'"' {
                return (self.next() == b']').then_some(name);
            }
            if byte == b'\\' {
                byte = self.next();
            }
            if byte == b'\n' {
                return None;
            }
            name.push(byte);
        }
    }

    /// The key and the value of a setting, of which the first letter has been read.
    fn setting(&mut self, first: u8) -> Option<(Vec<u8>, Option<Vec<u8>>)> {
        let mut key = vec![first.to_ascii_lowercase()];
        let mut byte = self.next();
        while byte.is_ascii_alphanumeric() || byte == b'-' {
            key.push(byte.to_ascii_lowercase());
            byte = self.next();
        }
        while matches!(byte, b' ' | b'\t') {
            byte = self.next();
        }
        match byte {
            b'\n' => Some((key, None)),
            b'=' => Some((key, Some(self.value()?))),
            _ => None,
        }
    }

    /// The value up to the end of its line, without quotes, comment and surrounding white space.
    fn value(&mut self) -> Option<Vec<u8>> {
        let (mut value, mut is_quoted) = (Vec::new(), false);
        // Where white space begins that counts only if something follows.
        let mut trimmed = None;
        loop {
            match self.next() {
                b'\n' if is_quoted => return None,
                b'\n' => break,
                b'#' | b';' if !is_quoted => {
                    while self.next() != b'\n' {}
                    break;
                }
                byte if is_space(byte) && !is_quoted => {
                    trimmed = trimmed.or(Some(value.len()));
                    if !value.is_empty() {
                        value.push(byte);
                    }
                }
                b'\\' => {
                    trimmed = None;
                    match self.next() {
                        b'\n' if self.ended => return None,
                        b'\n' => {}
                        b't' => value.push(b'\t'),
                        b'b' => value.push(8),
                        b'n' => value.push(b'\n'),
                        byte @ (b'\\' | b'"') => value.push(byte),
                        _ => return None,
                    }
                }
                byte => {
                    trimmed = None;
                    if byte == b'"' {
                        is_quoted = !is_quoted;
                    } else {
                        value.push(byte);
                    }
                }
            }
        }
        value.truncate(trimmed.unwrap_or(value.len()));
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> Result<Vec<(String, Option<String>)>, String> {
        let mut found = Vec::new();
        parse(text.as_bytes(), &mut |setting| {
            found.push((setting.name(), setting.value));
            Ok(())
        })?;
        Ok(found)
    }

    #[test]
    fn what_git_accepts_is_read() {
        for (text, name, value) in [
            ("[a]\nk = v", "a.k", Some("v")),
            ("\u{feff}[a]k=v\r\n", "a.k", Some("v")),
            ("[a \"B ] c\"]\nK-1\n", "a.B ] c.k-1", None),
            ("[a.B]k =", "a.b.k", Some("")),
            ("[a]k = v \\\n  w # c\n", "a.k", Some("v   w")),
            ("[a]k = \"a#b;c\\\"\" ; x", "a.k", Some("a#b;c\"")),
            ("[a]k =  x  y  \n", "a.k", Some("x  y")),
            ("# c\n ; d\n[a]\n\n k\n", "a.k", None),
        ] {
            assert_eq!(settings(text), Ok(vec![(name.to_owned(), value.map(str::to_owned))]), "{text:?}");
        }
        assert_eq!(settings("# only a comment"), Ok(Vec::new()));
    }

    #[test]
    fn what_git_refuses_is_named_by_its_line() {
        for (text, line) in [
            ("[core\n\tbare = true\n", 1),
            ("\n\0\0", 2),
            ("[a]\nk v\n", 2),
            ("[a]\nk = \"v\n", 2),
            ("[a]\nk = \\x\n", 2),
            ("[a b]\n", 1),
            ("[a \"b\n", 1),
            ("[a]\n\n-k = 1\n", 3),
            ("[a_b]\n", 1),
        ] {
            assert_eq!(
                settings(text),
                Err(format!("line {line}: not a line of a configuration")),
                "{text:?}"
            );
        }
    }
}
