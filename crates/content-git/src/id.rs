//! Object ids, and the hashes they are made with.

use std::fmt;

use sha1::Sha1;
use sha2::{Digest as _, Sha256};

/// The hash function of a repository's object ids, and of the checksums in its files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ObjectFormat {
    Sha1,
    Sha256,
}

/// The most bytes of an object id.
const MAX_BYTES: usize = 32;

impl ObjectFormat {
    /// The number of bytes of an id.
    pub(crate) fn bytes(self) -> usize {
        usize::from(self.length())
    }

    const fn length(self) -> u8 {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    pub(crate) fn hash(self) -> Hash {
        match self {
            Self::Sha1 => Hash::Sha1(Sha1::default()),
            Self::Sha256 => Hash::Sha256(Sha256::default()),
        }
    }

    /// The id in this hexadecimal text. Git writes lower case, and reads both.
    pub(crate) fn parse(self, text: &[u8]) -> Option<ObjectId> {
        let mut id = ObjectId::empty(self);
        hex::decode_to_slice(text, id.bytes.get_mut(..self.bytes())?).ok()?;
        Some(id)
    }

    /// The id of these bytes.
    pub(crate) fn id(self, bytes: &[u8]) -> Option<ObjectId> {
        let mut id = ObjectId::empty(self);
        let target = id.bytes.get_mut(..self.bytes())?;
        (bytes.len() == target.len()).then(|| target.copy_from_slice(bytes))?;
        Some(id)
    }
}

/// The id of an object: the hash over it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ObjectId {
    bytes: [u8; MAX_BYTES],
    length: u8,
}

impl ObjectId {
    const fn empty(format: ObjectFormat) -> Self {
        Self { bytes: [0; MAX_BYTES], length: format.length() }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or_default()
    }

    /// Whether it is all zeros, which git uses for no object.
    pub(crate) fn is_null(&self) -> bool {
        self.bytes == [0; MAX_BYTES]
    }

    /// Appends the hexadecimal text.
    pub(crate) fn write_hex(&self, text: &mut Vec<u8>) {
        let begin = text.len();
        text.resize(begin + 2 * usize::from(self.length), 0);
        let target = text.get_mut(begin..).unwrap_or_default();
        // It cannot fail: the target has exactly the size of the text.
        let _encoded = hex::encode_to_slice(self.as_bytes(), target);
    }

    /// The path of the loose object below the folder of objects.
    pub(crate) fn loose_path(&self) -> Vec<u8> {
        let mut text = Vec::with_capacity(2 * usize::from(self.length) + 1);
        self.write_hex(&mut text);
        text.insert(2, b'/');
        text
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.as_bytes()))
    }
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A hash being calculated.
pub(crate) enum Hash {
    Sha1(Sha1),
    Sha256(Sha256),
}

impl Hash {
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha1(hash) => hash.update(bytes),
            Self::Sha256(hash) => hash.update(bytes),
        }
    }

    pub(crate) fn finish(self) -> ObjectId {
        let (format, bytes) = match self {
            Self::Sha1(hash) => (ObjectFormat::Sha1, hash.finalize().to_vec()),
            Self::Sha256(hash) => (ObjectFormat::Sha256, hash.finalize().to_vec()),
        };
        format.id(&bytes).unwrap_or(ObjectId::empty(format))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_and_written() {
        // The ids of the empty tree.
        for (format, text) in [
            (ObjectFormat::Sha1, "4b825dc642cb6eb9a060e54bf8d69288fbee4904"),
            (ObjectFormat::Sha256, "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321"),
        ] {
            let id = format.parse(text.as_bytes()).unwrap();
            assert_eq!(id.to_string(), text);
            assert_eq!(format.id(id.as_bytes()), Some(id));
            let mut hash = format.hash();
            hash.update(b"tree ");
            hash.update(b"0\0");
            assert_eq!(hash.finish(), id);
            let path = [&text.as_bytes()[..2], &text.as_bytes()[2..]].join(&b'/');
            assert_eq!(id.loose_path(), path);
            assert_eq!(format.parse(text.to_uppercase().as_bytes()), Some(id));
            assert_eq!(format.parse(&text.as_bytes()[1..]), None);
            assert_eq!(format.parse(format!("{text}0").as_bytes()), None);
            assert!(!id.is_null() && format.parse("0".repeat(text.len()).as_bytes()).unwrap().is_null());
        }
    }
}
