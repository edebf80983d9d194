//! Where the entries of a tree begin, and which of them the tree that it builds on does not have.
//!
//! Most trees in a pack are deltas on another version of the same folder and differ from it in an entry or two. What
//! both name is looked up once: where a delta copies whole entries, they are those of its base.

use crate::id::ObjectFormat;

use super::delta::Copied;
use super::kind::{Link, MALFORMED, Malformed, TreeEntry};

/// Calls `visitor` for each object that an entry of this tree names, and notes in `begins` where the entries begin.
pub(super) fn all<E: From<Malformed>>(
    content: &[u8],
    format: ObjectFormat,
    begins: &mut Vec<u32>,
    visitor: &mut impl FnMut(Link<'_>) -> Result<(), E>,
) -> Result<(), E> {
    begins.clear();
    let mut at = 0;
    while at < content.len() {
        at += entry(content, at, format, begins, visitor)?;
    }
    Ok(())
}

/// A tree on which others build.
#[derive(Clone, Copy)]
pub(super) struct BaseTree<'base> {
    pub(super) content: &'base [u8],
    /// Where its entries begin.
    pub(super) begins: &'base [u32],
}

impl BaseTree<'_> {
    /// The same as [`all`], for a tree for which a delta copies these pieces of this one, and only for the entries that this
    /// one does not have.
    pub(super) fn changed<E: From<Malformed>>(
        self,
        content: &[u8],
        copies: &[Copied],
        format: ObjectFormat,
        begins: &mut Vec<u32>,
        visitor: &mut impl FnMut(Link<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        begins.clear();
        let (mut at, mut copies) = (0, copies.iter().peekable());
        while at < content.len() {
            while copies.next_if(|copied| copied.at + copied.length <= at).is_some() {}
            let length = match copies.peek().filter(|piece| piece.at <= at) {
                Some(piece) => self.copy(piece, at, begins).ok_or(MALFORMED)?,
                None => 0,
            };
            at += if length > 0 { length } else { entry(content, at, format, begins, visitor)? };
        }
        Ok(())
    }

    /// Adds the entries from `at` on that were copied whole, and returns the number of their bytes.
    fn copy(self, copied: &Copied, at: usize, begins: &mut Vec<u32>) -> Option<usize> {
        let from = u32::try_from(copied.from + (at - copied.at)).ok()?;
        let end = u32::try_from(copied.from + copied.length).ok()?;
        let Ok(first) = self.begins.binary_search(&from) else { return Some(0) };
        let rest = self.begins.get(first..).unwrap_or_default();
        // Those that end where another one begins, and the last one if the whole rest of the base is copied.
        let behind = rest.partition_point(|begin| *begin <= end) - 1;
        let (count, end) = match rest.get(behind) {
            Some(_) if usize::try_from(end) == Ok(self.content.len()) => (rest.len(), end),
            Some(end) => (behind, *end),
            None => return Some(0),
        };
        let to = u32::try_from(at).ok()?;
        begins.extend(rest.iter().take(count).map(|begin| begin - from + to));
        usize::try_from(end - from).ok()
    }
}

/// Visits the entry that begins at `at`, and returns the number of its bytes.
fn entry<E: From<Malformed>>(
    content: &[u8],
    at: usize,
    format: ObjectFormat,
    begins: &mut Vec<u32>,
    visitor: &mut impl FnMut(Link<'_>) -> Result<(), E>,
) -> Result<usize, E> {
    let rest = content.get(at..).unwrap_or_default();
    let entry = TreeEntry::parse(rest, format).ok_or(MALFORMED)?;
    begins.push(u32::try_from(at).map_err(|_| MALFORMED)?);
    entry.link(format).map_or(Ok(()), visitor)?;
    Ok(entry.length())
}

#[cfg(test)]
mod tests {
    use super::super::delta;
    use super::*;

    const SHA1: ObjectFormat = ObjectFormat::Sha1;

    fn tree(entries: &[(&str, u8)]) -> Vec<u8> {
        entries.iter().flat_map(|(name, id)| [name.as_bytes(), b"\0", &[*id; 20]].concat()).collect()
    }

    fn begins(content: &[u8]) -> Option<Vec<u32>> {
        let mut begins = Vec::new();
        all(content, SHA1, &mut begins, &mut |_| Ok::<_, Malformed>(())).ok()?;
        Some(begins)
    }

    /// A delta that copies (from, length) and inserts.
    enum Piece<'a> {
        Copy(u8, u8),
        Insert(&'a [u8]),
    }

    fn added(base: &[u8], pieces: &[Piece<'_>]) -> Option<Vec<Vec<u8>>> {
        let size = |piece: &Piece<'_>| match piece {
            Piece::Copy(_, length) => usize::from(*length),
            Piece::Insert(bytes) => bytes.len(),
        };
        let mut delta = Vec::new();
        for mut size in [base.len(), pieces.iter().map(size).sum()] {
            while size > 0x7f {
                delta.push(u8::try_from(size & 0x7f).unwrap() | 0x80);
                size >>= 7;
            }
            delta.push(u8::try_from(size).unwrap());
        }
        for piece in pieces {
            match piece {
                Piece::Copy(from, length) => delta.extend([0x91, *from, *length]),
                Piece::Insert(bytes) => {
                    delta.push(u8::try_from(bytes.len()).unwrap());
                    delta.extend_from_slice(bytes);
                }
            }
        }
        let (mut content, mut copies) = (Vec::new(), Vec::new());
        delta::apply(base, &delta, &mut content, &mut copies).unwrap();
        let (begins, mut names, mut changed) = (begins(base).unwrap(), Vec::new(), vec![7]);
        let base = BaseTree { content: base, begins: &begins };
        let visited = base.changed(&content, &copies, SHA1, &mut changed, &mut |link| {
            names.push([link.name, &link.id.as_bytes()[..1]].concat());
            Ok::<_, Malformed>(())
        });
        // Whatever was copied, the entries are those that are found without.
        assert_eq!(visited.ok().map(|()| changed), self::begins(&content));
        visited.ok().map(|()| names)
    }

    #[test]
    fn what_is_copied_whole_is_not_added() {
        use Piece::{Copy, Insert};
        // Entries of 29 bytes.
        let base = tree(&[("100644 a", b'1'), ("100644 b", b'2'), ("100644 c", b'3'), ("100644 d", b'4')]);
        let none = Some(Vec::new());
        assert_eq!(added(&base, &[Copy(0, 116)]), none);
        assert_eq!(added(&base, &[Copy(0, 58), Copy(87, 29)]), none);
        assert_eq!(added(&base, &[Copy(29, 29), Copy(0, 29)]), none);
        assert_eq!(added(&base, &[]), none);
        // Another id for "b".
        let id = [b'9'; 20];
        let changed = [Copy(0, 38), Insert(&id), Copy(58, 58)];
        assert_eq!(added(&base, &changed), Some(vec![b"b9".to_vec()]));
        // A new entry in front, made of pieces of others: the copies do not begin where an entry does.
        assert_eq!(added(&base, &[Copy(0, 7), Insert(b"0"), Copy(8, 50)]), Some(vec![b"01".to_vec()]));
        // The last entry is copied but for its last byte.
        assert_eq!(added(&base, &[Copy(0, 115), Insert(b"4")]), Some(vec![b"d4".to_vec()]));
        // Cut short.
        assert_eq!(added(&base, &[Copy(0, 115)]), None);
        assert_eq!(added(&base, &[Copy(1, 28), Copy(0, 29)]), Some(vec![b"a1".to_vec()]));
    }

    #[test]
    fn entries_that_only_look_like_those_of_the_base_are_added() {
        use Piece::{Copy, Insert};
        // The name holds what could be an entry: a copy that begins there is not one of the base's.
        let inner = tree(&[("100644 x", b'5')]);
        let base = [&b"100644 y"[..], &[0], b"100644 x", &[0], &[b'5'; 11], &inner].concat();
        assert_eq!(begins(&base), Some(vec![0, 29]));
        let delta = [Copy(9, 9), Insert(&[b'6'; 9]), Copy(18, 11)];
        assert_eq!(added(&base, &delta), Some(vec![b"x6".to_vec()]));
    }
}
