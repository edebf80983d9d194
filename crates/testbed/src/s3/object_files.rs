//! Objects as files in a folder: one folder for each bucket, one file for each object, and beside it a small
//! file with what a store says of it.
//!
//! What is said of an object is made when it is put, and stays when the file is changed afterwards: as in a
//! real store, which does not notice either.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use md5::{Digest as _, Md5};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sha2::Sha256;

/// What a file name keeps of a key: no slash, no dot in front.
const KEPT: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'_');

/// Behind the name of a bucket's folder, for the one with what is said of its objects.
const SAID: &str = ".said";

/// What the store says of an object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct S3Facts {
    /// The `ETag`, without quotes.
    pub etag: String,
    /// `x-amz-checksum-sha256`, as it is sent: base64, with a number of parts behind it for one made of parts.
    pub sha256: Option<String>,
    /// `x-amz-server-side-encryption`, for example `aws:kms`.
    pub encryption: Option<String>,
}

impl S3Facts {
    /// What is said of an object that was put in one piece: its MD5 as `ETag`, and its SHA-256.
    pub fn of(content: &[u8]) -> Self {
        Self {
            etag: hex::encode(Md5::digest(content)),
            sha256: Some(BASE64_STANDARD.encode(Sha256::digest(content))),
            encryption: None,
        }
    }

    fn to_text(&self) -> String {
        let optional = |text: &Option<String>| text.clone().unwrap_or_default();
        format!("{}\n{}\n{}\n", self.etag, optional(&self.sha256), optional(&self.encryption))
    }

    fn from_text(text: &str) -> Self {
        let mut lines = text.lines().map(str::to_owned);
        Self {
            etag: lines.next().unwrap_or_default(),
            sha256: lines.next().filter(|line| !line.is_empty()),
            encryption: lines.next().filter(|line| !line.is_empty()),
        }
    }
}

/// A folder of buckets.
#[derive(Debug, Clone)]
pub(super) struct ObjectFiles {
    root: PathBuf,
    /// The bucket that was listed last, so that its pages are not each the work of all.
    listed: Arc<Mutex<Option<ListedBucket>>>,
}

/// The sorted keys of a bucket.
#[derive(Debug)]
struct ListedBucket {
    bucket: String,
    /// When its folder was last changed.
    changed: SystemTime,
    keys: Vec<String>,
}

/// A folder that was changed so long ago has another time when it is changed again.
const SETTLED: Duration = Duration::from_millis(200);

impl ObjectFiles {
    pub(super) fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), listed: Arc::default() }
    }

    pub(super) fn has_bucket(&self, bucket: &str) -> bool {
        self.root.join(bucket).is_dir()
    }

    pub(super) fn create_bucket(&self, bucket: &str) -> anyhow::Result<()> {
        for folder in [self.root.join(bucket), self.root.join(format!("{bucket}{SAID}"))] {
            fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        }
        Ok(())
    }

    /// The file that holds the object.
    pub(super) fn path(&self, bucket: &str, key: &str) -> PathBuf {
        self.root.join(bucket).join(utf8_percent_encode(key, &KEPT).to_string())
    }

    fn said(&self, bucket: &str, key: &str) -> PathBuf {
        self.root.join(format!("{bucket}{SAID}")).join(utf8_percent_encode(key, &KEPT).to_string())
    }

    pub(super) fn put(&self, bucket: &str, key: &str, content: &[u8], facts: &S3Facts) -> anyhow::Result<()> {
        let path = self.path(bucket, key);
        fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
        self.say(bucket, key, facts)
    }

    pub(super) fn say(&self, bucket: &str, key: &str, facts: &S3Facts) -> anyhow::Result<()> {
        let path = self.said(bucket, key);
        fs::write(&path, facts.to_text()).with_context(|| format!("cannot write {}", path.display()))
    }

    /// What is said of the object; of one that was laid into the folder by hand, nothing but an `ETag`.
    pub(super) fn facts(&self, bucket: &str, key: &str) -> S3Facts {
        match fs::read_to_string(self.said(bucket, key)) {
            Ok(text) => S3Facts::from_text(&text),
            Err(_) => S3Facts { etag: "unknown-1".to_owned(), ..S3Facts::default() },
        }
    }

    /// At most `count` keys of the bucket that begin with `prefix` and come after `after`, in order, and
    /// whether there are more.
    pub(super) fn keys(
        &self,
        bucket: &str,
        prefix: &str,
        after: &str,
        count: usize,
    ) -> io::Result<(Vec<String>, bool)> {
        let folder = self.root.join(bucket);
        let changed = fs::metadata(&folder)?.modified()?;
        let mut listed = self.listed.lock().unwrap_or_else(PoisonError::into_inner);
        let known = listed.take().filter(|known| known.bucket == bucket && known.changed == changed);
        let all = if let Some(known) = known { known.keys } else { all_keys(&folder)? };
        let first = all.partition_point(|key| key.as_str() <= after);
        let mut found = all.iter().skip(first).filter(|key| key.starts_with(prefix));
        let keys: Vec<String> = found.by_ref().take(count).cloned().collect();
        let more = found.next().is_some();
        if changed.elapsed().is_ok_and(|age| age >= SETTLED) {
            *listed = Some(ListedBucket { bucket: bucket.to_owned(), changed, keys: all });
        }
        Ok((keys, more))
    }
}

fn all_keys(folder: &Path) -> io::Result<Vec<String>> {
    let mut keys = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        keys.push(percent_decode_str(&name.to_string_lossy()).decode_utf8_lossy().into_owned());
    }
    keys.sort_unstable();
    Ok(keys)
}
