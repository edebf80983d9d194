//! The folders and buckets that content is laid into.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use super::places::{self, Site};
use crate::s3::S3Server;

/// All places, ready to be filled.
pub(super) struct Ground {
    folder: PathBuf,
    objects: S3Server,
}

impl Ground {
    /// Makes all folders and buckets.
    pub(super) fn prepare(folder: &Path) -> anyhow::Result<Self> {
        let git = places::GITALY.iter().map(|(_, below)| *below);
        let files = places::PLACES.iter().map(|place| place.folder);
        for below in files.chain(git).chain([places::PUBLIC, places::REGISTRY, places::OBJECTS]) {
            let path = folder.join(below);
            fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        }
        // As Omnibus does it, so that uploads lie where `public` says, and survive an upgrade.
        symlink(Path::new("..").join(places::UPLOADS), folder.join(places::PUBLIC).join(places::UPLOADS))
            .context("cannot link the folder of uploads")?;
        let objects = S3Server::start(&folder.join(places::OBJECTS))?;
        for bucket in places::PLACES.iter().filter_map(|place| place.bucket) {
            objects.create_bucket(bucket)?;
        }
        Ok(Self { folder: folder.to_owned(), objects })
    }

    /// The folder of a storage.
    pub(super) fn root(&self, storage: &str) -> anyhow::Result<PathBuf> {
        match places::site(storage) {
            Some(Site::Folder(below)) => Ok(self.folder.join(below)),
            _ => bail!("{storage} has no folder"),
        }
    }

    /// Puts a file or an object.
    pub(super) fn put(&self, storage: &str, path: &str, content: &[u8]) -> anyhow::Result<()> {
        if let Some(Site::Bucket(bucket)) = places::site(storage) {
            return self.objects.put(bucket, path, content);
        }
        let file = self.root(storage)?.join(path);
        fs::create_dir_all(file.parent().context("a file lies in a folder")?)?;
        fs::write(&file, content).with_context(|| format!("cannot write {}", file.display()))
    }

    /// How the place is named where something is missing there.
    pub(super) fn at(&self, storage: &str, path: &str) -> String {
        match places::site(storage) {
            Some(Site::Folder(below)) => self.folder.join(below).join(path).display().to_string(),
            Some(Site::Bucket(bucket)) => format!("s3://{bucket}/{path}"),
            None => path.to_owned(),
        }
    }
}
