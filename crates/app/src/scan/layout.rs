//! Layouts in which a file's name is the digest of its content.

use clap::ValueEnum;
use stocktake_domain::{Digest, Model};

/// Digits of a SHA-256.
const DIGITS: usize = 64;

/// How a scan takes the names of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Layout {
    /// As `registry`, and for the model `lfs_objects` as `lfs`
    #[default]
    Auto,
    /// `aa/bb/<60 digits>`, as GitLab has LFS objects, or `aa/bb/<64 digits>`, as git-lfs has them
    Lfs,
    /// `blobs/sha256/aa/<64 digits>/data`, as a container registry has its blobs
    Registry,
    /// A name says nothing of the content
    None,
}

impl Layout {
    /// Whether it is not merely what the names look like: then records that are known are compared with their names too.
    pub(crate) fn is_asked_for(self) -> bool {
        matches!(self, Self::Lfs | Self::Registry)
    }

    /// The digest that the content of the file at this path must have; `None` if its name tells none.
    pub(crate) fn expected(self, model: Model, path: &str) -> Option<Digest> {
        match self {
            Self::Auto if model == Model::LfsObjects => lfs(path).or_else(|| registry(path)),
            Self::Auto | Self::Registry => registry(path),
            Self::Lfs => lfs(path),
            Self::None => None,
        }
    }
}

fn lfs(path: &str) -> Option<Digest> {
    let mut parts = path.rsplit('/');
    let (name, second, first) = (parts.next()?, parts.next()?, parts.next()?);
    let short = format!("{first}{second}{name}");
    if first.len() != 2 || second.len() != 2 {
        None
    } else if name.len() == DIGITS {
        sha256(name).filter(|_| name.starts_with(&format!("{first}{second}")))
    } else {
        sha256(&short)
    }
}

fn registry(path: &str) -> Option<Digest> {
    let mut parts = path.rsplit('/');
    let names = [parts.next()?, parts.next()?, parts.next()?, parts.next()?, parts.next()?];
    let ["data", digits, start, "sha256", "blobs"] = names else { return None };
    sha256(digits).filter(|_| digits.get(..2) == Some(start))
}

/// The digest of these digits, which are never capital.
fn sha256(digits: &str) -> Option<Digest> {
    if digits.len() != DIGITS || digits.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return None;
    }
    let mut bytes = [0; 32];
    hex::decode_to_slice(digits, &mut bytes).ok()?;
    Some(Digest::Sha256(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_digests_are_told_from_others() {
        let rest = "cd".repeat(30);
        let digest = |start: &str| Some(format!("sha256:{start}{rest}").parse().unwrap());
        let (lfs, whole) = (format!("lfs/ab/ef/{rest}"), format!("objects/ab/ef/abef{rest}"));
        let blob = format!("docker/registry/v2/blobs/sha256/ab/abef{rest}/data");
        for (layout, model, path, expected) in [
            (Layout::Auto, Model::LfsObjects, &lfs, digest("abef")),
            (Layout::Auto, Model::Uploads, &lfs, None),
            (Layout::Lfs, Model::Uploads, &lfs, digest("abef")),
            (Layout::Lfs, Model::LfsObjects, &whole, digest("abef")),
            (Layout::Lfs, Model::LfsObjects, &whole.replace("ab/ef", "ab/00"), None),
            (Layout::Lfs, Model::LfsObjects, &lfs.to_uppercase(), None),
            (Layout::Lfs, Model::LfsObjects, &format!("{lfs}0"), None),
            (Layout::Lfs, Model::LfsObjects, &lfs.replace("cdcd", "cd-d"), None),
            (Layout::Lfs, Model::LfsObjects, &rest, None),
            (Layout::Lfs, Model::LfsObjects, &blob, None),
            (Layout::Auto, Model::Uploads, &blob, digest("abef")),
            (Layout::Registry, Model::Uploads, &blob.replace("/ab/", "/00/"), None),
            (Layout::None, Model::LfsObjects, &lfs, None),
        ] {
            assert_eq!(layout.expected(model, path), expected, "{layout:?} {path}");
        }
    }
}
