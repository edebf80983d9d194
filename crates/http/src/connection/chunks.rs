//! The framing of a body in chunks (RFC 9112, section 7.1), as the parser reads it.

/// How many bytes of a body may be extensions, trailers and zeros before sizes, which nobody reads.
const MOST_UNREAD: u32 = 65_536;

/// Follows a body in chunks to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ChunkScanner {
    place: Place,
    /// Bytes of the present chunk that have not come.
    left: u64,
    /// How many bytes were of no use.
    unread: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Before the first digit of a size.
    Size,
    /// In a size.
    SizeRest,
    /// Between a size and what follows it on its line.
    Space,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    /// At the beginning of a line behind the last chunk.
    Trailer,
    TrailerRest,
    TrailerLf,
    EndLf,
    End,
}

impl ChunkScanner {
    /// At the beginning of a body.
    pub(super) const fn new() -> Self {
        Self { place: Place::Size, left: 0, unread: 0 }
    }

    /// Whether the body has come to its end.
    pub(super) fn has_ended(&self) -> bool {
        self.place == Place::End
    }

    /// Goes on through these bytes to the end of the body, and says how many of them are of it. An error if they are no
    /// chunks, with how many of them are right.
    pub(super) fn scan(&mut self, bytes: &[u8]) -> Result<usize, usize> {
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            let taken = match self.place {
                Place::End => break,
                Place::Data => self.skip(bytes.len() - at),
                _ => {
                    self.place = self.next(*byte).ok_or(at)?;
                    1
                }
            };
            at += taken;
        }
        Ok(at)
    }

    /// Passes over as much of a chunk as has come.
    fn skip(&mut self, come: usize) -> usize {
        let taken = usize::try_from(self.left).map_or(come, |left| left.min(come));
        self.left -= u64::try_from(taken).unwrap_or(self.left);
        if self.left == 0 {
            self.place = Place::DataCr;
        }
        taken
    }

    fn next(&mut self, byte: u8) -> Option<Place> {
        let is_unread = match self.place {
            Place::SizeRest => self.left == 0 && byte == b'0',
            Place::Space | Place::Extension | Place::Trailer | Place::TrailerRest => true,
            _ => false,
        };
        self.unread += u32::from(is_unread);
        if self.unread > MOST_UNREAD {
            return None;
        }
        match (self.place, byte) {
            (Place::Size | Place::SizeRest, byte) if byte.is_ascii_hexdigit() => {
                let digit = char::from(byte).to_digit(16)?;
                self.left = self.left.checked_mul(16)?.checked_add(digit.into())?;
                Some(Place::SizeRest)
            }
            (Place::SizeRest | Place::Space, b' ' | b'\t') => Some(Place::Space),
            (Place::SizeRest | Place::Space, b';') => Some(Place::Extension),
            (Place::SizeRest | Place::Space | Place::Extension, b'\r') => Some(Place::SizeLf),
            (Place::Extension, byte) if byte == b'\t' || !byte.is_ascii_control() => Some(Place::Extension),
            (Place::SizeLf, b'\n') if self.left == 0 => Some(Place::Trailer),
            (Place::SizeLf, b'\n') => Some(Place::Data),
            (Place::DataCr, b'\r') => Some(Place::DataLf),
            (Place::DataLf, b'\n') => Some(Place::Size),
            (Place::Trailer, b'\r') => Some(Place::EndLf),
            (Place::TrailerRest, b'\r') => Some(Place::TrailerLf),
            (Place::Trailer | Place::TrailerRest, _) => Some(Place::TrailerRest),
            (Place::TrailerLf, b'\n') => Some(Place::Trailer),
            (Place::EndLf, b'\n') => Some(Place::End),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of the bytes are right, if not all, when they come in parts of this size.
    fn scanned(text: &str, size: usize) -> Option<usize> {
        let mut scanner = ChunkScanner::new();
        text.as_bytes()
            .chunks(size)
            .enumerate()
            .find_map(|(number, part)| scanner.scan(part).err().map(|good| number * size + good))
    }

    #[test]
    fn what_nobody_reads_is_bounded() {
        let most = usize::try_from(MOST_UNREAD).unwrap();
        for (text, good) in [
            (format!("1;{}", "x".repeat(2 * most)), 2 + most),
            (format!("0{}", "0".repeat(2 * most)), 1 + most),
            (format!("0\r\nA: {}", "x".repeat(2 * most)), 3 + most),
        ] {
            assert_eq!(scanned(&text, 1_000), Some(good));
        }
        assert_eq!(scanned(&"1\r\na\r\n".repeat(most), 1_000), None);
    }

    #[test]
    fn the_first_wrong_byte_is_found_however_the_bytes_come() {
        for (text, wanted) in [
            ("5\r\nabcde\r\n0\r\n\r\n", None),
            ("5 ;a=\"b\"\r\nab\r\ne\r\n00\r\nName: value\r\n\r\nGET / HTTP/1.1\r\n", None),
            ("fFfFfFfFfFfFfFfF\r\nabc", None),
            ("10000000000000000\r\n", Some(16)),
            ("5\r\nabcde\r\nX\r\n", Some(10)),
            ("5\r\nabcdeX", Some(8)),
            ("5\nabcde", Some(1)),
            ("5 5\r\n", Some(2)),
            ("5;a\0\r\n", Some(3)),
            ("\r\n", Some(0)),
            ("0\r\n\rX", Some(4)),
            ("0\r\nA: b\rX", Some(8)),
        ] {
            for size in [1, 2, 5, text.len()] {
                assert_eq!(scanned(text, size), wanted, "{text:?} {size}");
            }
        }
    }
}
