//! The file that a folder is compared with.
//!
//! Lines of JSON: a header, an entry for each file, and totals with the digest of all lines before, which a baseline that
//! is damaged itself does not have.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{
    self, BufRead as _, BufReader, BufWriter, ErrorKind, Read as _, Seek as _, SeekFrom, Write as _,
};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The version of the format.
const VERSION: u32 = 1;

/// The longest line of totals.
const LONGEST_TOTALS: i64 = 512;

/// Why a baseline cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BaselineError {
    /// What the system said.
    #[error("the baseline {} cannot be {what}", path.display())]
    Io {
        path: PathBuf,
        what: &'static str,
        #[source]
        error: io::Error,
    },
    /// It is not what was written.
    #[error("the baseline {} is damaged ({reason}); delete it, and the next check makes a new one", path.display())]
    Damaged { path: PathBuf, reason: String },
    /// Somebody else checks the same folder.
    #[error("another check of this folder is running ({} is locked)", path.display())]
    Locked { path: PathBuf },
    /// There is no place for it.
    #[error("there is no folder for the baseline: neither XDG_STATE_HOME nor HOME names one")]
    NoPlace,
}

/// A SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Sha([u8; 32]);

impl From<[u8; 32]> for Sha {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl From<Sha> for String {
    fn from(sha: Sha) -> Self {
        hex::encode(sha.0)
    }
}

impl TryFrom<String> for Sha {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let bytes = hex::decode(text).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or("a SHA-256 has 64 hexadecimal digits")
    }
}

/// What was known of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// Below the folder, as a `PathText`.
    pub(crate) path: String,
    /// In bytes.
    pub(crate) size: u64,
    /// When it was last changed, in milliseconds since the epoch.
    pub(crate) modified: i64,
    /// Of the content that is taken for the good one.
    pub(crate) sha256: Sha,
    /// Of the content that was found instead, with the same size and time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) found: Option<Sha>,
    /// The run that wrote this line did not read the file.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) unread: bool,
}

#[derive(Serialize, Deserialize)]
struct Header {
    stocktake_baseline: u32,
    folder: String,
    /// In milliseconds since the epoch.
    begun: i64,
    /// The folders below it at which something was mounted, each as a `PathText`.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    mounts: BTreeSet<String>,
}

/// How much a baseline is of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Totals {
    pub(crate) files: u64,
    pub(crate) bytes: u64,
    /// When it was finished, in milliseconds since the epoch.
    pub(crate) ended: i64,
}

#[derive(Serialize, Deserialize)]
struct Footer {
    #[serde(flatten)]
    totals: Totals,
    sha256: Sha,
}

/// Where the baseline of one folder lies. Nobody else can have it at the same time.
pub(crate) struct Place {
    file: PathBuf,
    _lock: File,
}

impl Place {
    /// The place for this folder, whose path is canonical, below the user's folder for the state of programs.
    pub(crate) fn of(folder: &Path, state: &Path) -> Result<Self, BaselineError> {
        let io = |path: &Path, error| BaselineError::Io { path: path.to_owned(), what: "made", error };
        fs::create_dir_all(state).map_err(|error| io(state, error))?;
        let name = hex::encode(Sha256::digest(folder.as_os_str().as_bytes()));
        let file = state.join(format!("check-{}.ndjson", name.get(..16).unwrap_or(&name)));
        let path = file.with_extension("lock");
        let lock = File::create(&path).map_err(|error| io(&path, error))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { file, _lock: lock }),
            Err(fs::TryLockError::WouldBlock) => Err(BaselineError::Locked { path }),
            Err(fs::TryLockError::Error(error)) => Err(io(&path, error)),
        }
    }

    /// The user's folder for the state of this program: `$XDG_STATE_HOME/stocktake`, by default in `~/.local/state`.
    pub(crate) fn state() -> Result<PathBuf, BaselineError> {
        let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let home =
            absolute("XDG_STATE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".local/state")));
        home.map(|home| home.join("stocktake")).ok_or(BaselineError::NoPlace)
    }

    /// The file.
    pub(crate) fn file(&self) -> &Path {
        &self.file
    }

    /// The finished baseline.
    pub(crate) fn baseline(&self) -> Result<Option<Reader>, BaselineError> {
        let Some(mut reader) = Reader::open(&self.file, Strictness::Whole)? else { return Ok(None) };
        reader.totals = Some(totals(&self.file)?);
        Ok(Some(reader))
    }

    /// What an interrupted run has written, which is then only read: of several, the one that came furthest.
    pub(crate) fn interrupted(&self) -> Result<Option<Reader>, BaselineError> {
        let (part, old) = (self.part(), self.file.with_extension("interrupted"));
        let length = |path: &Path| fs::metadata(path).map_or(0, |metadata| metadata.len());
        if length(&part) > length(&old) {
            let renamed = fs::rename(&part, &old);
            renamed.map_err(|error| BaselineError::Io { path: part, what: "renamed", error })?;
        }
        Reader::open(&old, Strictness::AsFarAsItGoes)
    }

    /// Begins the next baseline; `begun` is when the oldest of what is to be in it was read, in milliseconds since the epoch.
    pub(crate) fn begin(&self, folder: &Path, begun: i64) -> Result<Writer, BaselineError> {
        let mut writer = Writer::create(self.part())?;
        let folder = folder.to_string_lossy().into_owned();
        writer.write(&Header { stocktake_baseline: VERSION, folder, begun, mounts: BTreeSet::new() })?;
        Ok(writer)
    }

    /// Makes what was written the baseline, without the entries that are not to be kept, of a folder with these mounts.
    pub(crate) fn finish(
        &self,
        mut written: Writer,
        mounts: BTreeSet<String>,
        now: i64,
        keeps: impl Fn(&Entry) -> bool,
    ) -> Result<Totals, BaselineError> {
        written.flush()?;
        let new = self.file.with_extension("new");
        let mut writer = Writer::create(new.clone())?;
        let mut totals = Totals { ended: now, ..Totals::default() };
        let reader = Reader::open(&self.part(), Strictness::AsFarAsItGoes)?;
        let Some(mut reader) = reader else {
            let error = ErrorKind::NotFound.into();
            return Err(BaselineError::Io { path: self.part(), what: "read", error });
        };
        let Header { stocktake_baseline, begun, .. } = reader.header;
        let folder = reader.header.folder.clone();
        writer.write(&Header { stocktake_baseline, folder, begun, mounts })?;
        while let Some(entry) = reader.next()? {
            if keeps(&entry) {
                totals.files += 1;
                totals.bytes = totals.bytes.saturating_add(entry.size);
                writer.write(&entry)?;
            }
        }
        let sha256 = Sha(writer.hash.clone().finalize().into());
        writer.write(&Footer { totals, sha256 })?;
        writer.flush()?;
        let io = |error| BaselineError::Io { path: new.clone(), what: "written", error };
        writer.out.get_ref().sync_all().map_err(io)?;
        fs::rename(&new, &self.file).map_err(io)?;
        for rest in [self.part(), self.file.with_extension("interrupted")] {
            // Whatever stays is older than the baseline, and harmless: it is read only where size and time are the same.
            let _ = fs::remove_file(rest);
        }
        Ok(totals)
    }

    fn part(&self) -> PathBuf {
        self.file.with_extension("part")
    }
}

/// The line of totals at the end of a baseline.
fn totals(path: &Path) -> Result<Totals, BaselineError> {
    let read = || {
        let mut file = File::open(path)?;
        let length = i64::try_from(file.metadata()?.len()).unwrap_or(i64::MAX);
        file.seek(SeekFrom::End(-length.min(LONGEST_TOTALS)))?;
        let mut end = Vec::new();
        file.read_to_end(&mut end)?;
        Ok(end)
    };
    let end = read().map_err(|error| BaselineError::Io { path: path.to_owned(), what: "read", error })?;
    let last = end.trim_ascii_end().rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    let footer: Result<Footer, _> = serde_json::from_slice(last);
    footer.map(|footer| footer.totals).map_err(|_| BaselineError::Damaged {
        path: path.to_owned(),
        reason: "its end is missing".to_owned(),
    })
}

/// Whether a file must be there to its end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Strictness {
    Whole,
    AsFarAsItGoes,
}

/// Reads entries in their order.
pub(crate) struct Reader {
    path: PathBuf,
    lines: BufReader<File>,
    strictness: Strictness,
    header: Header,
    hash: Sha256,
    line: Vec<u8>,
    /// Of a finished baseline.
    pub(crate) totals: Option<Totals>,
}

impl Reader {
    fn open(path: &Path, strictness: Strictness) -> Result<Option<Self>, BaselineError> {
        let io = |error| BaselineError::Io { path: path.to_owned(), what: "read", error };
        let file = match File::open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            file => file.map_err(io)?,
        };
        let (mut lines, mut line) = (BufReader::with_capacity(1 << 16, file), Vec::new());
        lines.read_until(b'\n', &mut line).map_err(io)?;
        let header: Option<Header> = serde_json::from_slice(&line).ok();
        let Some(header) = header.filter(|header| header.stocktake_baseline == VERSION) else {
            let reason = "its first line is not one of this version".to_owned();
            return match strictness {
                Strictness::AsFarAsItGoes => Ok(None),
                Strictness::Whole => Err(BaselineError::Damaged { path: path.to_owned(), reason }),
            };
        };
        let hash = Sha256::new_with_prefix(&line);
        Ok(Some(Self { path: path.to_owned(), lines, strictness, header, hash, line, totals: None }))
    }

    /// When the run began that wrote it, or the first of those that were interrupted and taken up.
    pub(crate) fn begun(&self) -> i64 {
        self.header.begun
    }

    /// The folders at which something was mounted then.
    pub(crate) fn mounts(&self) -> &BTreeSet<String> {
        &self.header.mounts
    }

    /// The next entry; `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Entry>, BaselineError> {
        self.line.clear();
        let read = self.lines.read_until(b'\n', &mut self.line);
        read.map_err(|error| BaselineError::Io { path: self.path.clone(), what: "read", error })?;
        match serde_json::from_slice(&self.line) {
            Ok(entry) => {
                self.hash.update(&self.line);
                Ok(Some(entry))
            }
            Err(_) if self.strictness == Strictness::AsFarAsItGoes => Ok(None),
            Err(error) => {
                let footer: Option<Footer> = serde_json::from_slice(&self.line).ok();
                let reason = match footer {
                    Some(footer) if footer.sha256 == Sha(self.hash.clone().finalize().into()) => {
                        return Ok(None);
                    }
                    Some(_) => "its digest is another one".to_owned(),
                    None => error.to_string(),
                };
                Err(BaselineError::Damaged { path: self.path.clone(), reason })
            }
        }
    }
}

/// Writes a baseline line by line.
pub(crate) struct Writer {
    path: PathBuf,
    out: BufWriter<File>,
    hash: Sha256,
}

impl Writer {
    fn create(path: PathBuf) -> Result<Self, BaselineError> {
        match File::create(&path) {
            Ok(file) => Ok(Self { path, out: BufWriter::with_capacity(1 << 16, file), hash: Sha256::new() }),
            Err(error) => Err(BaselineError::Io { path, what: "written", error }),
        }
    }

    /// Adds an entry, which comes after those before in the order of the paths.
    pub(crate) fn entry(&mut self, entry: &Entry) -> Result<(), BaselineError> {
        self.write(entry)
    }

    fn write(&mut self, line: &impl Serialize) -> Result<(), BaselineError> {
        let line = serde_json::to_vec(line).map_err(io::Error::from).map(|mut line| {
            line.push(b'\n');
            line
        });
        let written = line.and_then(|line| {
            self.hash.update(&line);
            self.out.write_all(&line)
        });
        written.map_err(|error| BaselineError::Io { path: self.path.clone(), what: "written", error })
    }

    /// Hands everything to the system.
    pub(crate) fn flush(&mut self) -> Result<(), BaselineError> {
        let flushed = self.out.flush();
        flushed.map_err(|error| BaselineError::Io { path: self.path.clone(), what: "written", error })
    }
}
