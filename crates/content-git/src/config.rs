//! The format of a repository, from its configuration.

use crate::id::ObjectFormat;

/// The format of a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Format {
    pub(crate) objects: ObjectFormat,
    pub(crate) refs: RefStorage,
}

/// How a repository stores its refs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RefStorage {
    Files,
    Reftable,
}

/// Extensions that do not affect how refs and objects are read, from git's
/// `Documentation/technical/repository-version` and `Documentation/config/extensions`.
const HARMLESS: [&str; 8] = [
    "noop",
    "noop-v1",
    "preciousobjects",
    "partialclone",
    "worktreeconfig",
    "compatobjectformat",
    "relativeworktrees",
    "submodulepathconfig",
];

/// Reads the file `config` of a repository. Settings about other things are ignored.
pub(crate) fn parse(text: &[u8]) -> Result<Format, String> {
    let text = String::from_utf8_lossy(text);
    let mut format = Format { objects: ObjectFormat::Sha1, refs: RefStorage::Files };
    let (mut section, mut version, mut unknown) = (String::new(), "0".to_owned(), None);
    for line in text.lines() {
        let mut line = line.trim();
        if let Some(header) = line.strip_prefix('[') {
            let Some((name, rest)) = header.split_once(']') else { continue };
            section = name.trim().to_ascii_lowercase();
            line = rest.trim();
        }
        let (key, value) = line.split_once('=').unwrap_or((line, "true"));
        let (key, value) = (key.trim().to_ascii_lowercase(), plain(value));
        match (section.as_str(), key.as_str()) {
            ("core", "repositoryformatversion") => version = value,
            ("extensions", "objectformat") => format.objects = objects(&value)?,
            ("extensions", "refstorage") => format.refs = refs(&value)?,
            ("extensions", name) if !is_comment(name) && !HARMLESS.contains(&name) => {
                unknown = Some(format!("unknown extension {name}"));
            }
            _ => {}
        }
    }
    match version.as_str() {
        "0" => Ok(format),
        "1" => unknown.map_or(Ok(format), Err),
        other => Err(format!("unknown repository format version {other}")),
    }
}

fn is_comment(key: &str) -> bool {
    key.is_empty() || key.starts_with(['#', ';'])
}

/// The value without quotes, a comment and surrounding white space.
fn plain(value: &str) -> String {
    let value = value.split(['#', ';']).next().unwrap_or_default();
    value.trim().trim_matches('"').to_ascii_lowercase()
}

fn objects(name: &str) -> Result<ObjectFormat, String> {
    match name {
        "sha1" => Ok(ObjectFormat::Sha1),
        "sha256" => Ok(ObjectFormat::Sha256),
        other => Err(format!("unknown object format {other}")),
    }
}

fn refs(name: &str) -> Result<RefStorage, String> {
    match name {
        "files" => Ok(RefStorage::Files),
        "reftable" => Ok(RefStorage::Reftable),
        other => Err(format!("unknown ref storage {other}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_read() {
        let of = |text: &str| parse(text.as_bytes());
        let plain = Format { objects: ObjectFormat::Sha1, refs: RefStorage::Files };
        assert_eq!(of(""), Ok(plain));
        assert_eq!(of("[core]\n\trepositoryformatversion = 0\n\tbare = true\n"), Ok(plain));
        assert_eq!(
            of("[Core] RepositoryFormatVersion=1\n; c\n[gitlab \"x\"]\nobjectformat = no\n[extensions]\n\
                # objectFormat = sha1\n\tobjectFormat = \"SHA256\" # why\n\trefstorage = reftable\n\tnoop\n"),
            Ok(Format { objects: ObjectFormat::Sha256, refs: RefStorage::Reftable })
        );
    }

    #[test]
    fn formats_of_the_future_are_refused() {
        for (text, reason) in [
            ("[core]\nrepositoryformatversion = 2", "unknown repository format version 2"),
            ("[core]\nrepositoryformatversion = 1\n[extensions]\nnew = 1", "unknown extension new"),
            ("[extensions]\nobjectformat = sha3", "unknown object format sha3"),
            ("[extensions]\nrefstorage = stone", "unknown ref storage stone"),
        ] {
            assert_eq!(parse(text.as_bytes()), Err(reason.to_owned()));
        }
    }
}
