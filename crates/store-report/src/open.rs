//! Finding the files of a report, and whether they are what its manifest says.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use md5::{Digest as _, Md5};
use stocktake_domain::Timestamp;

use crate::columns::{Columns, format_of};
use crate::manifest::{Listed, Manifest};
use crate::{Format, Report, ReportError};

/// The largest manifest; one names a file for each million objects or so.
const LARGEST_MANIFEST: u64 = 64 << 20;

/// What is to be known of files that come without their manifest.
#[derive(Debug, Clone, Default)]
pub struct Given {
    /// The columns ([`Columns::parse`]).
    pub columns: Option<String>,
    /// When the report was made.
    pub made_at: Option<Timestamp>,
}

impl Report {
    /// Opens a report: its manifest, beside which or below whose folder its files lie as the bucket has them, or which is
    /// followed by them; or files alone, of which `given` says the columns and the time.
    pub fn open(paths: &[PathBuf], given: &Given) -> Result<Self, ReportError> {
        let (manifests, files): (Vec<_>, Vec<_>) = paths
            .iter()
            .cloned()
            .partition(|path| path.extension().is_some_and(|extension| extension == "json"));
        match manifests.as_slice() {
            [] => Self::without_manifest(files, given),
            [manifest] => Self::with_manifest(manifest, &files, given),
            _ => Err(ReportError::Given("a report has one manifest, and several were given".to_owned())),
        }
    }

    fn with_manifest(path: &Path, files: &[PathBuf], given: &Given) -> Result<Self, ReportError> {
        if given.columns.is_some() || given.made_at.is_some() {
            let told = "the manifest says which columns there are and when the report was made: leave out --columns and \
                        --as-of";
            return Err(ReportError::Given(told.to_owned()));
        }
        let text = read_manifest(path)?;
        let wrong = |reason| ReportError::File { file: path.to_owned(), reason };
        let manifest = Manifest::parse(&text).map_err(wrong)?;
        if manifest.files.is_empty() {
            return Err(wrong("it names no file".to_owned()));
        }
        let mut bytes = 0;
        let mut found = Vec::new();
        for listed in &manifest.files {
            let file = place_of(listed, path, files).ok_or_else(|| {
                wrong(format!("its file {} is neither there nor given: download it as well", listed.key))
            })?;
            bytes += check(&file, listed)?;
            found.push(file);
        }
        Ok(Self {
            kind: manifest.kind,
            made_at: manifest.made_at,
            bucket: manifest.bucket,
            is_complete: manifest.kind == crate::Kind::Inventory,
            bytes,
            format: manifest.format,
            columns: manifest.columns,
            files: found,
        })
    }

    fn without_manifest(files: Vec<PathBuf>, given: &Given) -> Result<Self, ReportError> {
        let Given { columns: Some(schema), made_at: Some(made_at) } = given else {
            let told = "files without their manifest.json need --columns and --as-of: what their columns are, and when \
                        the report was made";
            return Err(ReportError::Given(told.to_owned()));
        };
        let columns = Columns::parse(schema).map_err(|error| ReportError::Given(error.to_string()))?;
        let is_parquet = |file: &PathBuf| file.extension().is_some_and(|extension| extension == "parquet");
        let format = if files.iter().any(is_parquet) { Format::Parquet } else { format_of(schema) };
        let mut bytes = 0;
        for file in &files {
            let length = std::fs::metadata(file).map(|metadata| metadata.len());
            bytes += length.map_err(|source| ReportError::Read { file: file.clone(), source })?;
        }
        Ok(Self {
            kind: columns.kind(),
            made_at: *made_at,
            bucket: None,
            is_complete: false,
            bytes,
            format,
            columns,
            files,
        })
    }
}

fn read_manifest(path: &Path) -> Result<String, ReportError> {
    let unread = |source| ReportError::Read { file: path.to_owned(), source };
    let mut text = String::new();
    let file = File::open(path).map_err(unread)?;
    file.take(LARGEST_MANIFEST + 1).read_to_string(&mut text).map_err(unread)?;
    if u64::try_from(text.len()).is_ok_and(|length| length > LARGEST_MANIFEST) {
        let reason = format!("longer than {LARGEST_MANIFEST} bytes: this is no manifest");
        return Err(ReportError::File { file: path.to_owned(), reason });
    }
    Ok(text)
}

/// Where a file of the manifest is: one of those given, or one that lies, seen from a folder above the manifest, where the
/// key says, or where the end of the key says (of a bucket of which only a part was downloaded).
fn place_of(listed: &Listed, manifest: &Path, given: &[PathBuf]) -> Option<PathBuf> {
    let key = Path::new(&listed.key);
    if let Some(file) = given.iter().find(|file| file.file_name() == key.file_name()) {
        return Some(file.clone());
    }
    let parts: Vec<_> = key.components().collect();
    let folders = manifest.ancestors().skip(1);
    let places = folders.flat_map(|folder| {
        let ends = (0..parts.len()).filter_map(|skipped| parts.get(skipped..));
        ends.map(|end| folder.join(end.iter().collect::<PathBuf>()))
    });
    places.into_iter().find(|place| place.is_file())
}

/// Fails if a file is not what the manifest says; returns how many bytes it has.
fn check(file: &Path, listed: &Listed) -> Result<u64, ReportError> {
    let unread = |source| ReportError::Read { file: file.to_owned(), source };
    let damaged = |what: String| ReportError::File {
        file: file.to_owned(),
        reason: format!("it is not what its manifest says ({what}): download it again"),
    };
    let mut source = File::open(file).map_err(unread)?;
    let length = source.metadata().map_err(unread)?.len();
    if let Some(size) = listed.size.filter(|size| *size != length) {
        return Err(damaged(format!("{length} bytes, not {size}")));
    }
    let Some(expected) = &listed.md5 else { return Ok(length) };
    let mut md5 = Md5::new();
    let mut buffer = vec![0; 1 << 18];
    loop {
        let count = source.read(&mut buffer).map_err(unread)?;
        if count == 0 {
            break;
        }
        md5.update(buffer.get(..count).unwrap_or_default());
    }
    let is = hex::encode(md5.finalize());
    if !is.eq_ignore_ascii_case(expected) {
        return Err(damaged(format!("its MD5 is {is}, not {expected}")));
    }
    Ok(length)
}
