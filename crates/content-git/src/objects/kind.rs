//! The types of objects, and the objects that an object names.

use crate::error::ReadError;
use crate::id::{Hash, ObjectFormat, ObjectId};

/// The type of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Commit,
    Tree,
    Blob,
    Tag,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Commit, Self::Tree, Self::Blob, Self::Tag];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Commit => "commit",
            Self::Tree => "tree",
            Self::Blob => "blob",
            Self::Tag => "tag",
        }
    }

    pub(super) fn parse(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name().as_bytes() == name)
    }

    /// The type of this number in a pack, unless it is that of a delta.
    pub(super) fn of_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number).checked_sub(1)?).copied()
    }

    /// The type with this [`Kind::bit`].
    pub(super) fn of_bit(bit: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.bit() == bit)
    }

    /// The hash of an object of this type and of `size` bytes, which are to be added.
    pub(super) fn hash(self, format: ObjectFormat, size: u64) -> Hash {
        let mut hash = format.hash();
        hash.update(format!("{} {size}\0", self.name()).as_bytes());
        hash
    }

    /// A bit of its own.
    pub(super) const fn bit(self) -> u8 {
        match self {
            Self::Commit => 1,
            Self::Tree => 2,
            Self::Blob => 4,
            Self::Tag => 8,
        }
    }
}

/// An object that another one names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Link<'content> {
    pub(super) id: ObjectId,
    /// The type that it has to have.
    pub(super) kind: Kind,
    /// Its name in a tree; empty elsewhere.
    pub(super) name: &'content [u8],
}

/// What is wrong with an object that cannot be read.
pub(super) type Malformed = &'static str;

/// Why the objects that an object names cannot be visited.
pub(super) enum LinkError {
    Malformed(Malformed),
    Read(ReadError),
}

impl From<Malformed> for LinkError {
    fn from(reason: Malformed) -> Self {
        Self::Malformed(reason)
    }
}

impl From<ReadError> for LinkError {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

/// The most bytes of an object that is held in memory: git does not keep larger ones as deltas.
pub(super) const MAX_BYTES: u64 = 512 * 1024 * 1024;

/// What is said of one that is larger.
pub(super) const TOO_LARGE: Malformed = "too large to be read";

/// What is said of one that is not written as its type has to be.
pub(super) const MALFORMED: Malformed = "it is malformed";

/// Calls `visitor` for each object that this content names. Commits of other repositories (submodules) are none of
/// these. `parents`, if given, count instead of a commit's own.
pub(super) fn links<E: From<Malformed>>(
    kind: Kind,
    content: &[u8],
    format: ObjectFormat,
    parents: Option<&[ObjectId]>,
    visitor: &mut impl FnMut(Link<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let mut visit = |id, kind| visitor(Link { id, kind, name: &[] });
    match kind {
        Kind::Blob => Ok(()),
        Kind::Tree => tree(content, format, visitor),
        Kind::Tag => {
            let (id, rest) = header(content, b"object ", format).ok_or(MALFORMED)?;
            let line = rest.split(|byte| *byte == b'\n').next().unwrap_or_default();
            let kind = line.strip_prefix(b"type ").and_then(Kind::parse).ok_or(MALFORMED)?;
            visit(id, kind)
        }
        Kind::Commit => {
            let (tree, mut rest) = header(content, b"tree ", format).ok_or(MALFORMED)?;
            visit(tree, Kind::Tree)?;
            if let Some(parents) = parents {
                return parents.iter().try_for_each(|parent| visit(*parent, Kind::Commit));
            }
            while rest.starts_with(b"parent ") {
                let (parent, behind) = header(rest, b"parent ", format).ok_or(MALFORMED)?;
                visit(parent, Kind::Commit)?;
                rest = behind;
            }
            Ok(())
        }
    }
}

/// The id in the first line, which begins with `word`, and what is behind the line.
fn header<'a>(content: &'a [u8], word: &[u8], format: ObjectFormat) -> Option<(ObjectId, &'a [u8])> {
    let (id, rest) = content.strip_prefix(word)?.split_at_checked(2 * format.bytes())?;
    Some((format.parse(id)?, rest.strip_prefix(b"\n")?))
}

fn tree<E: From<Malformed>>(
    mut content: &[u8],
    format: ObjectFormat,
    visitor: &mut impl FnMut(Link<'_>) -> Result<(), E>,
) -> Result<(), E> {
    while !content.is_empty() {
        let entry = TreeEntry::parse(content, format).ok_or(MALFORMED)?;
        content = content.get(entry.length()..).unwrap_or_default();
        entry.link(format).map_or(Ok(()), &mut *visitor)?;
    }
    Ok(())
}

/// An entry of a tree.
pub(super) struct TreeEntry<'content> {
    mode: &'content [u8],
    name: &'content [u8],
    id: &'content [u8],
}

impl<'content> TreeEntry<'content> {
    /// The entry at the beginning of `content`.
    pub(super) fn parse(content: &'content [u8], format: ObjectFormat) -> Option<Self> {
        let space = content.iter().position(|byte| matches!(byte, b' ' | 0))?;
        let (mode, rest) = content.split_at_checked(space)?;
        let rest = rest.strip_prefix(b" ")?;
        let end = rest.iter().position(|byte| *byte == 0)?;
        let (name, rest) = rest.split_at_checked(end)?;
        Some(Self { mode, name, id: rest.get(1..=format.bytes())? })
    }

    /// In bytes.
    pub(super) fn length(&self) -> usize {
        self.mode.len() + self.name.len() + self.id.len() + 2
    }

    /// What it names; `None` if that is a commit of another repository.
    pub(super) fn link(&self, format: ObjectFormat) -> Option<Link<'content>> {
        // The type of the file, in the octal digits before the last four.
        let kind = match self.mode {
            b"160000" => return None,
            b"40000" | b"040000" => Kind::Tree,
            _ => Kind::Blob,
        };
        Some(Link { id: format.id(self.id)?, kind, name: self.name })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "f21f76b804422462e79f9f99d5b14856e130ed71";

    fn of(
        kind: Kind,
        content: &[u8],
        parents: Option<&[ObjectId]>,
    ) -> Result<Vec<(Kind, Vec<u8>)>, Malformed> {
        let mut found = Vec::new();
        links(kind, content, ObjectFormat::Sha1, parents, &mut |link| {
            assert_eq!(link.id.to_string(), HEX);
            found.push((link.kind, link.name.to_vec()));
            Ok::<_, Malformed>(())
        })?;
        Ok(found)
    }

    #[test]
    fn objects_name_others() {
        let id = ObjectFormat::Sha1.parse(HEX.as_bytes()).unwrap();
        let commit = format!("tree {HEX}\nparent {HEX}\nparent {HEX}\nauthor a\n\nparent x\n");
        let (tree, parent) = ((Kind::Tree, Vec::new()), (Kind::Commit, Vec::new()));
        assert_eq!(
            of(Kind::Commit, commit.as_bytes(), None),
            Ok(vec![tree.clone(), parent.clone(), parent.clone()])
        );
        assert_eq!(of(Kind::Commit, commit.as_bytes(), Some(&[])), Ok(vec![tree.clone()]));
        assert_eq!(of(Kind::Commit, commit.as_bytes(), Some(&[id])), Ok(vec![tree, parent]));
        let tag = format!("object {HEX}\ntype blob\ntag x\n");
        assert_eq!(of(Kind::Tag, tag.as_bytes(), None), Ok(vec![(Kind::Blob, Vec::new())]));
        let mut tree = Vec::new();
        for entry in ["100644 a", "40000 b", "120000 c d", "160000 e"] {
            tree.extend([entry.as_bytes(), b"\0", id.as_bytes()].concat());
        }
        let expected =
            [(Kind::Blob, b"a".to_vec()), (Kind::Tree, b"b".to_vec()), (Kind::Blob, b"c d".to_vec())];
        assert_eq!(of(Kind::Tree, &tree, None), Ok(expected.to_vec()));
        assert_eq!(of(Kind::Tree, b"", None), Ok(Vec::new()));
    }

    #[test]
    fn what_is_cut_short_is_malformed() {
        let tag = format!("object {HEX}\ntype bulb\n");
        for (kind, content) in [
            (Kind::Commit, &b"tree 12\n"[..]),
            (Kind::Tag, tag.as_bytes()),
            (Kind::Tree, b"100644 a\x00123"),
            (Kind::Tree, b"100644"),
        ] {
            assert_eq!(of(kind, content, None), Err(MALFORMED));
        }
    }
}
