//! Refs in a file each.

use std::vec::IntoIter;

use super::name;
use crate::error::ReadError;
use crate::file::{EntryKind, FolderEntry};
use crate::folder::RepoFolder;
use crate::id::{ObjectFormat, ObjectId};
use crate::reader::RepoReader;
use crate::space::{is_space, trim_end, trim_start};

/// The most bytes of such a file: it contains an id, or a name no longer than a path can be.
const MAX_BYTES: usize = 4_200;

/// The content of a ref.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Id(ObjectId),
    /// The name of another ref.
    Symbolic(Vec<u8>),
}

/// Reads the file of a ref; `None` if it does not exist.
///
/// A symbolic link that says the name of a ref is a symbolic ref, wherever the ref is: git made them so long ago, and as
/// `core.preferSymlinkRefs` it still does. Of any other link, the file is read that it leads to.
pub(super) fn read(
    reader: &RepoReader<'_>,
    folder: &RepoFolder,
    format: ObjectFormat,
    name: &[u8],
) -> Result<Option<Value>, ReadError> {
    if let Some(target) = reader.link(folder, name)?.filter(|target| name::is_valid(target)) {
        return Ok(Some(Value::Symbolic(target)));
    }
    let Some(content) = reader.read(folder, name, MAX_BYTES)? else { return Ok(None) };
    if content.is_empty() {
        return Err(folder.suspect(name, "the ref is empty"));
    }
    let value = parse(&content, format);
    value.map(Some).ok_or_else(|| folder.suspect(name, "neither an object id nor the name of a ref"))
}

fn parse(content: &[u8], format: ObjectFormat) -> Option<Value> {
    // Git takes white space away at the end of the file, and only then takes it for a text of C, which ends at a zero byte.
    let content = trim_end(content).split(|byte| *byte == 0).next().unwrap_or_default();
    if let Some(target) = content.strip_prefix(b"ref:") {
        let target = trim_start(target);
        return name::is_valid(target).then(|| Value::Symbolic(target.to_owned()));
    }
    // Git reads nothing behind a blank.
    let id = content.split(|byte| is_space(*byte)).next().unwrap_or_default();
    format.parse(id).filter(|id| !id.is_null()).map(Value::Id)
}

/// Lists the names of all such files in byte order. Keeps the folders on the way down to the current one.
pub(super) struct Names<'a> {
    reader: &'a RepoReader<'a>,
    folder: &'a RepoFolder,
    open: Vec<(Vec<u8>, IntoIter<FolderEntry>)>,
}

impl<'a> Names<'a> {
    pub(super) fn new(reader: &'a RepoReader<'a>, folder: &'a RepoFolder) -> Result<Self, ReadError> {
        let mut names = Self { reader, folder, open: Vec::new() };
        names.enter(b"refs".to_vec())?;
        Ok(names)
    }

    /// The name of the next file.
    pub(super) fn next(&mut self) -> Result<Option<Vec<u8>>, ReadError> {
        while let Some((folder, entries)) = self.open.last_mut() {
            let Some(entry) = entries.next() else {
                self.open.pop();
                continue;
            };
            let name = [folder.as_slice(), &entry.name].join(&b'/');
            if entry.kind == EntryKind::Folder {
                self.enter(name)?;
            } else if name::is_valid(&name) {
                return Ok(Some(name));
            } else {
                return Err(self.folder.suspect(&name, "not a valid name of a ref"));
            }
        }
        Ok(None)
    }

    fn enter(&mut self, folder: Vec<u8>) -> Result<(), ReadError> {
        let Some(mut entries) = self.reader.entries(self.folder, &folder)? else { return Ok(()) };
        // Git ignores these too: hidden files, and refs that are being written.
        entries.retain(|entry| !entry.name.starts_with(b".") && !entry.name.ends_with(b".lock"));
        entries.sort_unstable_by(|a, b| a.path_bytes().cmp(b.path_bytes()));
        self.open.push((folder, entries.into_iter()));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_git_reads_is_a_ref() {
        let hex = "f21f76b804422462e79f9f99d5b14856e130ed71";
        let of = |text: &str| parse(text.as_bytes(), ObjectFormat::Sha1);
        let id = Value::Id(ObjectFormat::Sha1.parse(hex.as_bytes()).unwrap());
        assert_eq!(of(&format!("{hex}\n")), Some(id.clone()));
        assert_eq!(of(hex), Some(id.clone()));
        assert_eq!(of(&hex.to_uppercase()), Some(id.clone()));
        assert_eq!(of(&format!("{hex} x")), Some(id));
        for symbolic in ["ref: refs/heads/a\n", "ref:\t refs/heads/a", "ref:refs/heads/a"] {
            assert_eq!(of(symbolic), Some(Value::Symbolic(b"refs/heads/a".to_vec())));
        }
        for broken in [
            "",
            "\n",
            "ref:\n",
            "ref: heads/a\n",
            "ref: refs/heads/a b\n",
            "tef: refs/heads/a\n",
            &hex[1..],
            &format!("{hex}00"),
            &"0".repeat(40),
            // Git reads these as no more than what they are.
            "ref: refs/heads/a\n\0",
            "ref: refs/heads/a\x0c\n",
            &format!("{hex}\x0c\n"),
        ] {
            assert_eq!(of(broken), None, "{broken:?}");
        }
    }
}
