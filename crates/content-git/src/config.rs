//! The format of a repository, from its configuration.
//!
//! The files must be such as git accepts, because git refuses to open a repository with any others.

mod grammar;

use crate::id::ObjectFormat;
use grammar::Setting;

/// The format of a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Format {
    pub(crate) objects: ObjectFormat,
    pub(crate) refs: RefStorage,
    /// Whether a remote has promised to send objects that are not here (a partial clone).
    pub(crate) has_promisor: bool,
}

/// How a repository stores its refs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RefStorage {
    Files,
    Reftable,
}

impl Format {
    /// The format of a repository without settings.
    pub(crate) const PLAIN: Self =
        Self { objects: ObjectFormat::Sha1, refs: RefStorage::Files, has_promisor: false };
}

/// Extensions of either version that do not affect how refs and objects are read. These, `partialclone` and
/// `worktreeconfig` are all that git's `handle_extension_v0` (`setup.c`) knows; the list will not grow.
const HARMLESS: [&str; 2] = ["noop", "preciousobjects"];

/// The same, of repositories of version 1 alone (`handle_extension`). Besides, it knows `objectformat` and `refstorage`.
const HARMLESS_SINCE_1: [&str; 4] =
    ["noop-v1", "compatobjectformat", "relativeworktrees", "submodulepathconfig"];

const FORMAT_VERSION: &str = "core.repositoryformatversion";

/// Settings that have to be true or false, without which git (2.47, tried with each setting that it knows) does nothing
/// in the repository. Those of `advice` are as well.
const BOOLEANS: [&str; 30] = [
    "core.bare",
    "core.commitgraph",
    "core.filemode",
    "core.fsyncobjectfiles",
    "core.ignorecase",
    "core.ignorestat",
    "core.multipackindex",
    "core.precomposeunicode",
    "core.prefersymlinkrefs",
    "core.preloadindex",
    "core.protecthfs",
    "core.protectntfs",
    "core.quotepath",
    "core.sparsecheckout",
    "core.sparsecheckoutcone",
    "core.symlinks",
    "core.trustctime",
    "core.usereplacerefs",
    "commitgraph.readchangedpaths",
    "extensions.preciousobjects",
    "extensions.worktreeconfig",
    "feature.experimental",
    "feature.manyfiles",
    "fetch.writecommitgraph",
    "gc.writecommitgraph",
    "index.skiphash",
    "index.sparse",
    "pack.readreverseindex",
    "pack.usebitmapboundarytraversal",
    "pack.usesparse",
];

/// The same that may have another value, too. Settings with words alone are left out: a later git may know more of them.
const BOOLEANS_OR: [(&str, &str); 3] =
    [("core.autocrlf", "input"), ("core.logallrefupdates", "always"), ("core.safecrlf", "warn")];

/// Settings that have to be numbers, without which git does nothing in the repository.
const NUMBERS: [&str; 12] = [
    "core.bigfilethreshold",
    "core.compression",
    "core.deltabasecachelimit",
    "core.loosecompression",
    "core.maxtreedepth",
    "core.packedgitlimit",
    "core.packedgitwindowsize",
    "commitgraph.changedpathsversion",
    "commitgraph.generationversion",
    "index.version",
    "pack.compression",
    "pack.packsizelimit",
];

/// What the file `config` of a repository says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Config {
    pub(crate) format: Format,
    /// Whether there are settings in `config.worktree` as well.
    pub(crate) has_worktree_config: bool,
}

/// Reads the file `config` of a repository. Settings about other things are ignored.
pub(crate) fn parse(text: &[u8]) -> Result<Config, String> {
    let mut found = Found::default();
    grammar::parse(text, &mut |setting| found.add(&setting))?;
    found.config()
}

/// Reads the file `config.worktree` of a repository whose `config` says this of its format. The format itself is not
/// that file's to say: git ignores such settings there, whatever their values are.
pub(crate) fn parse_worktree(text: &[u8], format: Format) -> Result<Format, String> {
    let mut found = Found { has_promisor: format.has_promisor, ..Found::default() };
    grammar::parse(text, &mut |setting| {
        if setting.section == "extensions" || setting.name() == FORMAT_VERSION {
            return Ok(());
        }
        found.add(&setting)
    })?;
    Ok(Format { has_promisor: found.has_promisor, ..format })
}

/// What the settings say so far; later ones override earlier ones.
#[derive(Default)]
struct Found {
    version: i64,
    objects: Option<ObjectFormat>,
    refs: Option<RefStorage>,
    has_promisor: bool,
    has_worktree_config: bool,
    /// An extension that only repositories of version 1 may have, and one that is not known.
    since_1: Option<String>,
    unknown: Option<String>,
}

impl Found {
    fn add(&mut self, setting: &Setting) -> Result<(), String> {
        check_type(setting)?;
        if setting.name() == FORMAT_VERSION {
            self.version = number(setting)?;
        }
        match (setting.section.as_str(), setting.key.as_str()) {
            ("extensions", "partialclone") => self.has_promisor |= !text(setting)?.is_empty(),
            ("extensions", "objectformat") => {
                self.objects = Some(objects(&text(setting)?)?);
                self.since_1 = Some(setting.key.clone());
            }
            ("extensions", "refstorage") => {
                self.refs = Some(refs(&text(setting)?)?);
                self.since_1 = Some(setting.key.clone());
            }
            ("extensions", "worktreeconfig") => self.has_worktree_config = truth(setting)?,
            ("extensions", key) if HARMLESS_SINCE_1.contains(&key) => self.since_1 = Some(key.to_owned()),
            ("extensions", key) if !HARMLESS.contains(&key) => self.unknown = Some(key.to_owned()),
            (section, "promisor") if section.starts_with("remote.") => {
                self.has_promisor |= truth(setting)?;
            }
            (section, "partialclonefilter") if section.starts_with("remote.") => self.has_promisor = true,
            _ => {}
        }
        Ok(())
    }

    fn config(self) -> Result<Config, String> {
        match (self.version, self.since_1, self.unknown) {
            (0, Some(key), _) => Err(format!("extension {key} in a repository of format version 0")),
            (1, _, Some(key)) => Err(format!("unknown extension {key}")),
            (0 | 1, _, _) => Ok(Config {
                format: Format {
                    objects: self.objects.unwrap_or(Format::PLAIN.objects),
                    refs: self.refs.unwrap_or(Format::PLAIN.refs),
                    has_promisor: self.has_promisor,
                },
                has_worktree_config: self.has_worktree_config,
            }),
            (other, _, _) => Err(format!("unknown repository format version {other}")),
        }
    }
}

fn text(setting: &Setting) -> Result<String, String> {
    setting.value.clone().ok_or_else(|| format!("{} has no value", setting.name()))
}

/// Fails if git refuses the repository because of the setting's type.
fn check_type(setting: &Setting) -> Result<(), String> {
    let name = setting.name();
    let name = name.as_str();
    let word = BOOLEANS_OR.iter().find(|(other, _)| *other == name).map(|(_, word)| *word);
    if word.is_some() && setting.value.as_deref() == word {
        return Ok(());
    }
    if word.is_some() || BOOLEANS.contains(&name) || setting.section == "advice" {
        truth(setting)?;
    }
    if NUMBERS.contains(&name) {
        number(setting)?;
    }
    Ok(())
}

/// A number as git writes it, with an optional unit behind it.
fn number(setting: &Setting) -> Result<i64, String> {
    let text = text(setting)?;
    let (digits, unit) = match text.char_indices().last() {
        Some((at, 'k' | 'K')) => (text.get(..at), 1 << 10),
        Some((at, 'm' | 'M')) => (text.get(..at), 1 << 20),
        Some((at, 'g' | 'G')) => (text.get(..at), 1 << 30),
        _ => (Some(text.as_str()), 1),
    };
    let number =
        digits.and_then(|digits| digits.parse::<i64>().ok()).and_then(|number| number.checked_mul(unit));
    number.ok_or_else(|| format!("{} is no number", setting.name()))
}

/// Whether the setting is true. One without a value is.
fn truth(setting: &Setting) -> Result<bool, String> {
    let Some(text) = &setting.value else { return Ok(true) };
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" => Ok(true),
        "false" | "no" | "off" | "" => Ok(false),
        _ => match number(setting) {
            Ok(number) => Ok(number != 0),
            Err(_) => Err(format!("{} is neither true nor false", setting.name())),
        },
    }
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
        let of = |text: &str| parse(text.as_bytes()).map(|config| config.format);
        assert_eq!(of(""), Ok(Format::PLAIN));
        assert_eq!(of("[core]\n\trepositoryformatversion = 0\n\tbare = true\n"), Ok(Format::PLAIN));
        assert_eq!(
            of("[Core] RepositoryFormatVersion=1\n; c\n[gitlab \"x\"]\nobjectformat = no\n[extensions]\n\
                # objectFormat = sha1\n\tobjectFormat = \"sha256\" # why\n\trefstorage = reftable\n\tnoop\n"),
            Ok(Format { objects: ObjectFormat::Sha256, refs: RefStorage::Reftable, has_promisor: false })
        );
        for promisor in [
            "[remote \"o\"]\npromisor = true\n",
            "[remote \"o\"]\npartialclonefilter = blob:none\n",
            "[extensions]\npartialClone = o\n",
        ] {
            assert_eq!(of(promisor), Ok(Format { has_promisor: true, ..Format::PLAIN }), "{promisor}");
        }
        for legal in
            ["logAllRefUpdates = always", "autocrlf = input", "compression = -1", "bigFileThreshold = 50m"]
        {
            assert_eq!(of(&format!("[core]\n{legal}\n")), Ok(Format::PLAIN), "{legal}");
        }
        // An unknown extension concerns only repositories of version 1.
        assert_eq!(of("[extensions]\nnew = 1\n"), Ok(Format::PLAIN));
    }

    #[test]
    fn what_git_does_not_open_is_refused() {
        for (text, reason) in [
            ("[core]\nrepositoryformatversion = 2", "unknown repository format version 2"),
            ("[core]\nrepositoryformatversion = 1\n[extensions]\nnew = 1", "unknown extension new"),
            ("[extensions]\nobjectformat = sha3", "unknown object format sha3"),
            ("[extensions]\nrefstorage = stone", "unknown ref storage stone"),
            (
                "[extensions]\nobjectformat = sha256",
                "extension objectformat in a repository of format version 0",
            ),
            ("[core]\nrepositoryformatversion", "core.repositoryformatversion has no value"),
            ("[core]\nrepositoryformatversion = x", "core.repositoryformatversion is no number"),
            ("[core]\nbare = trud", "core.bare is neither true nor false"),
            ("[core]\nlogAllRefUpdates = tr", "core.logallrefupdates is neither true nor false"),
            ("[advice]\nnew = x", "advice.new is neither true nor false"),
            ("[core]\ncompression = z", "core.compression is no number"),
        ] {
            assert_eq!(parse(text.as_bytes()), Err(reason.to_owned()));
        }
    }

    #[test]
    fn each_version_has_its_extensions() {
        let of = |version: u8, extension: &str| {
            let text = format!("[core]\nrepositoryformatversion = {version}\n[extensions]\n{extension}\n");
            parse(text.as_bytes()).map(|config| (config.format, config.has_worktree_config))
        };
        for (extension, has_worktree_config) in
            [("noop", false), ("preciousObjects = true", false), ("worktreeConfig = true", true)]
        {
            for version in [0, 1] {
                assert_eq!(of(version, extension), Ok((Format::PLAIN, has_worktree_config)), "{extension}");
            }
        }
        assert_eq!(of(1, "worktreeConfig = true\nworktreeConfig = off"), Ok((Format::PLAIN, false)));
        for extension in ["noop-v1", "compatobjectformat", "relativeworktrees", "submodulepathconfig"] {
            assert_eq!(of(1, &format!("{extension} = true")), Ok((Format::PLAIN, false)), "{extension}");
            let reason = format!("extension {extension} in a repository of format version 0");
            assert_eq!(of(0, &format!("{extension} = true")), Err(reason));
        }
    }

    #[test]
    fn the_format_is_not_a_worktrees_to_say() {
        let of = |text: &str| parse_worktree(text.as_bytes(), Format::PLAIN);
        for ignored in [
            "[core]\nrepositoryformatversion = x\nsparseCheckout = true\n",
            "[extensions]\nnew = 1\nobjectFormat = sha256\npreciousObjects = trud\n",
        ] {
            assert_eq!(of(ignored), Ok(Format::PLAIN), "{ignored}");
        }
        let promisor = "[remote \"o\"]\npromisor = true\n";
        assert_eq!(of(promisor), Ok(Format { has_promisor: true, ..Format::PLAIN }));
        assert_eq!(of("[core]\nbare = trud"), Err("core.bare is neither true nor false".to_owned()));
        assert_eq!(of("[core"), Err("line 1: not a line of a configuration".to_owned()));
    }
}
