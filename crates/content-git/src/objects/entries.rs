//! Where the entries of a tree begin, and which of them the tree that it builds on does not have.
//!
//! Most trees in a pack are deltas on another version of the same folder and differ from it in an entry or two. What
//! both name is looked up once: where a delta copies whole entries, they are those of its base.

use crate::id::ObjectFormat;

use super::delta::Copied;
use super::kind::{Link, Malformed, TreeEntry};

/// The entries of one tree.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entries {
    begins: Vec<u32>,
    /// Those that the base does not have; `None` if there is no base.
    added: Option<Vec<u32>>,
}

impl Entries {
    /// The entries of a tree that was kept as a whole; `None` if it is malformed.
    pub(super) fn of(content: &[u8], format: ObjectFormat) -> Option<Self> {
        let (mut begins, mut at) = (Vec::new(), 0);
        while let Some(rest) = content.get(at..).filter(|rest| !rest.is_empty()) {
            begins.push(u32::try_from(at).ok()?);
            at += TreeEntry::parse(rest, format)?.length();
        }
        Some(Self { begins, added: None })
    }

    /// The entries of a tree for which a delta copies these pieces of the tree with these entries; `None` if it is
    /// malformed.
    pub(super) fn changed(
        &self,
        base: &[u8],
        content: &[u8],
        copies: &[Copied],
        format: ObjectFormat,
    ) -> Option<Self> {
        let (mut begins, mut added) = (Vec::with_capacity(self.begins.len() + 1), Vec::new());
        let (mut at, mut copies) = (0, copies.iter().peekable());
        while let Some(rest) = content.get(at..).filter(|rest| !rest.is_empty()) {
            while copies.next_if(|copied| copied.at + copied.length <= at).is_some() {}
            let whole = copies.peek().filter(|piece| piece.at <= at);
            if let Some(piece) = whole
                && let length @ 1.. = self.copy(base.len(), piece, at, &mut begins)?
            {
                at += length;
                continue;
            }
            let begin = u32::try_from(at).ok()?;
            begins.push(begin);
            added.push(begin);
            at += TreeEntry::parse(rest, format)?.length();
        }
        Some(Self { begins, added: Some(added) })
    }

    /// Adds the entries from `at` on that were copied whole, and returns the number of their bytes.
    fn copy(&self, base_size: usize, copied: &Copied, at: usize, begins: &mut Vec<u32>) -> Option<usize> {
        let from = u32::try_from(copied.from + (at - copied.at)).ok()?;
        let end = u32::try_from(copied.from + copied.length).ok()?;
        let Ok(first) = self.begins.binary_search(&from) else { return Some(0) };
        let rest = self.begins.get(first..).unwrap_or_default();
        // Those that end where another one begins, and the last one if the whole rest of the base is copied.
        let behind = rest.partition_point(|begin| *begin <= end) - 1;
        let (count, end) = match rest.get(behind) {
            Some(_) if usize::try_from(end) == Ok(base_size) => (rest.len(), end),
            Some(end) => (behind, *end),
            None => return Some(0),
        };
        let to = u32::try_from(at).ok()?;
        begins.extend(rest.iter().take(count).map(|begin| begin - from + to));
        usize::try_from(end - from).ok()
    }

    /// Calls `visitor` for each object that an entry names which the base does not have.
    pub(super) fn visit_added<E: From<Malformed>>(
        &self,
        content: &[u8],
        format: ObjectFormat,
        visitor: &mut impl FnMut(Link<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        for begin in self.added.as_ref().unwrap_or(&self.begins) {
            let rest = usize::try_from(*begin).ok().and_then(|begin| content.get(begin..));
            let link =
                rest.and_then(|rest| TreeEntry::parse(rest, format)).and_then(|entry| entry.link(format));
            link.map_or(Ok(()), &mut *visitor)?;
        }
        Ok(())
    }

    /// How much memory they take.
    pub(super) fn bytes(&self) -> usize {
        size_of::<u32>() * (self.begins.capacity() + self.added.as_ref().map_or(0, Vec::capacity))
    }
}

#[cfg(test)]
mod tests {
    use super::super::delta;
    use super::*;

    const SHA1: ObjectFormat = ObjectFormat::Sha1;

    fn tree(entries: &[(&str, u8)]) -> Vec<u8> {
        entries.iter().flat_map(|(name, id)| [name.as_bytes(), b"\0", &[*id; 20]].concat()).collect()
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
        let mut copies = Vec::new();
        let content = delta::apply(base, &delta, &mut copies).unwrap();
        let entries = Entries::of(base, SHA1).unwrap().changed(base, &content, &copies, SHA1);
        // Whatever was copied, the entries are those that are found without.
        assert_eq!(
            entries.as_ref().map(|entries| &entries.begins),
            Entries::of(&content, SHA1).as_ref().map(|entries| &entries.begins)
        );
        let mut names = Vec::new();
        entries?
            .visit_added(&content, SHA1, &mut |link| {
                names.push([link.name, &link.id.as_bytes()[..1]].concat());
                Ok::<_, Malformed>(())
            })
            .unwrap();
        Some(names)
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
        assert_eq!(Entries::of(&base, SHA1).unwrap().begins, [0, 29]);
        let delta = [Copy(9, 9), Insert(&[b'6'; 9]), Copy(18, 11)];
        assert_eq!(added(&base, &delta), Some(vec![b"x6".to_vec()]));
    }
}
