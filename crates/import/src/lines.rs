//! Lines of bounded length.

use std::io::{BufRead, Read as _};

use super::SourceError;

/// The longest line, in bytes. A record's own line is some hundred.
const LONGEST: u64 = 64 * 1024;

/// What some programs put before UTF-8, to say that it is.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// Reads a source line by line into one buffer.
pub(crate) struct Lines<R> {
    source: R,
    buffer: Vec<u8>,
    number: u64,
}

impl<R: BufRead> Lines<R> {
    pub(crate) fn new(source: R) -> Self {
        Self { source, buffer: Vec::new(), number: 1 }
    }

    /// The number of the line that [`Self::next_line`] reads next, counted from 1.
    pub(crate) fn next_number(&self) -> u64 {
        self.number
    }

    /// The next line, with its end; `None` behind the last. A byte order mark before the first is no part of it.
    pub(crate) fn next_line(&mut self) -> Result<Option<&str>, SourceError> {
        let number = self.number;
        self.buffer.clear();
        self.source
            .by_ref()
            .take(LONGEST + 1)
            .read_until(b'\n', &mut self.buffer)
            .map_err(|source| SourceError::Read { number, source })?;
        if self.buffer.is_empty() {
            return Ok(None);
        }
        if u64::try_from(self.buffer.len()).is_ok_and(|length| length > LONGEST) {
            return Err(SourceError::Line { number, reason: format!("longer than {LONGEST} bytes") });
        }
        self.number += 1;
        let text = std::str::from_utf8(&self.buffer)
            .map_err(|_| SourceError::Line { number, reason: "not UTF-8".to_owned() })?;
        Ok(Some(text.strip_prefix(BYTE_ORDER_MARK).filter(|_| number == 1).unwrap_or(text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_without_end_does_not_fill_the_memory() {
        let mut lines = Lines::new(std::io::BufReader::new(std::io::repeat(b'x')));
        let error = lines.next_line().unwrap_err().to_string();
        assert_eq!(error, "line 1: longer than 65536 bytes");
        assert!(lines.buffer.capacity() < 1 << 20);
    }

    #[test]
    fn a_byte_order_mark_is_taken_at_the_beginning_only() {
        let mut lines = Lines::new("\u{feff}a\n\u{feff}b".as_bytes());
        assert_eq!(lines.next_line().unwrap(), Some("a\n"));
        assert_eq!(lines.next_line().unwrap(), Some("\u{feff}b"));
    }

    #[test]
    fn the_last_line_needs_no_end() {
        let mut lines = Lines::new("a\nb".as_bytes());
        assert_eq!(lines.next_line().unwrap(), Some("a\n"));
        assert_eq!(lines.next_line().unwrap(), Some("b"));
        assert_eq!(lines.next_line().unwrap(), None);
        assert!(Lines::new(&b"\xff\n"[..]).next_line().is_err());
    }
}
