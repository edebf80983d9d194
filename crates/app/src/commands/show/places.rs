//! Where the record may be that somebody names by a path: the path of a record, or a file that lies in a storage.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use stocktake_domain::PathText;

use crate::settings::{Content, Settings};

/// A storage, if the path can be in no other, and a path in it as the catalogue has it.
pub(super) type Place = (Option<String>, String);

/// What this may stand for, each once.
pub(super) fn places(settings: &Settings, given: &OsStr) -> Vec<Place> {
    let mut places: Vec<Place> = Vec::new();
    let mut add = |storage: Option<&str>, path: String| {
        let place = (storage.map(str::to_owned), path);
        if !place.1.is_empty() && !places.contains(&place) {
            places.push(place);
        }
    };
    for text in texts(given) {
        if let Some((storage, path)) = text.split_once(':')
            && settings.storages.contains_key(storage)
        {
            add(Some(storage), path.to_owned());
        }
        add(None, text);
    }
    for (name, storage) in &settings.storages {
        for path in root(&storage.content).into_iter().flat_map(|root| below(root, Path::new(given))) {
            texts(path.as_os_str()).for_each(|text| add(Some(name), text));
        }
    }
    places
}

/// The texts that the catalogue may have for a path: the same text, if it was copied from a report, or the text of the bytes.
fn texts(path: &OsStr) -> impl Iterator<Item = String> {
    let same = path.to_str().map(str::to_owned);
    same.into_iter().chain([PathText::of_bytes(path.as_bytes()).into_string()])
}

/// The folder below which the paths of records are those of files or repositories.
fn root(content: &Content) -> Option<&Path> {
    match content {
        Content::Directory(settings) => Some(&settings.root),
        Content::Git(settings) => Some(&settings.root),
        Content::Cluster(_)
        | Content::Objects(_)
        | Content::Registry(_)
        | Content::RegistryDirectory(_)
        | Content::RegistryBucket(..) => None,
    }
}

/// The path of a file below the root, if it lies there: as both are written, or without symbolic links and `..`.
fn below(root: &Path, file: &Path) -> Vec<PathBuf> {
    let roots = [std::path::absolute(root).ok(), root.canonicalize().ok()];
    let files = [std::path::absolute(file).ok(), in_real_folder(file)];
    let pairs = roots.iter().flatten().flat_map(|root| files.iter().flatten().map(move |file| (root, file)));
    pairs.filter_map(|(root, file)| file.strip_prefix(root).ok().map(Path::to_owned)).collect()
}

/// The file in its folder, whose path has no symbolic links. The file itself may be one, or missing.
fn in_real_folder(file: &Path) -> Option<PathBuf> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Some(folder.canonicalize().ok()?.join(file.file_name()?))
}
