//! The rows of uploads, whose path means what their uploader says.

use stocktake_domain::{DigestRule, ObjectType, SourceRecord, Timestamp};

use super::model_row;
use crate::column::row;
use crate::digest;
use crate::lookups::{LookupKeys, Lookups, PROJECTS, ROUTES};
use crate::mapping::{ModelRow, file_name, file_size, not_null, record_at};
use crate::path;
use crate::settings::{OBJECT, Storages};
use crate::upload_owners;

row! {
    /// An upload.
    Upload {
        id: i64 = required "id",
        size: Option<i64> = required "size",
        path: Option<String> = required "path",
        checksum: Option<String> = required "checksum",
        model_id: Option<i64> = required "model_id",
        model_type: Option<String> = required "model_type",
        uploader: Option<String> = required "uploader",
        created_at: Option<Timestamp> = required "created_at",
        store: Option<i64> = required "store",
        namespace_id: Option<i64> = optional "namespace_id",
        project_id: Option<i64> = optional "project_id",
    }
}

impl ModelRow for Upload {
    model_row!(
        Uploads from "uploads",
        states: "upload_states" by "upload_id",
        lookups: &[PROJECTS, ROUTES],
    );

    fn add_keys(&self, keys: &mut LookupKeys) {
        match self.namespace() {
            Namespace::Project(id) => keys.project_paths.extend(id),
            Namespace::Group(id) => keys.group_paths.extend(id),
        }
        let Some(id) = self.model_id else { return };
        match self.model_type.as_deref().and_then(upload_owners::model) {
            // The row that determines the path also shows that the owner exists.
            Some("Project") => keys.projects.push(id),
            Some("Snippet") => {
                keys.snippets.push(id);
                keys.owners.entry("Snippet").or_default().push(id);
            }
            Some(model) => keys.owners.entry(model).or_default().push(id),
            None => {}
        }
    }

    fn record(self, lookups: &Lookups, storages: &Storages) -> SourceRecord {
        let uploader = self.uploader.as_deref().unwrap_or_default();
        let storage = storages.file(ObjectType::Uploads, self.store, uploader);
        // GitLab counts such an upload as broken wherever its file is.
        let rule = self.missing_owner(lookups).map_or(DigestRule::Stored, DigestRule::Unresolved);
        SourceRecord {
            created_at: self.created_at,
            file_size: file_size(self.size),
            expected: self.checksum.as_deref().and_then(digest::of_text),
            owner: match self.namespace() {
                Namespace::Project(id) => lookups.project_path(id),
                Namespace::Group(id) => lookups.group_path(id),
            },
            ..record_at(self.id, storage, self.path(lookups, storages), rule)
        }
    }
}

/// The project or group that an upload belongs to, by its id.
enum Namespace {
    Project(Option<i64>),
    Group(Option<i64>),
}

impl Upload {
    fn namespace(&self) -> Namespace {
        match self.model_type.as_deref() {
            Some("Project") => Namespace::Project(self.model_id),
            Some("Namespace") => Namespace::Group(self.model_id),
            _ if self.project_id.is_some() => Namespace::Project(self.project_id),
            _ => Namespace::Group(self.namespace_id),
        }
    }

    /// GitLab's message for an upload whose owner does not exist, if that is so.
    fn missing_owner(&self, lookups: &Lookups) -> Option<String> {
        let model = self.model_type.as_deref().unwrap_or_default();
        let is_there = match (self.model_id, model) {
            (None, _) => false,
            (Some(id), "Project") => lookups.projects.contains_key(&id),
            (Some(id), _) => lookups.owners.get(model).is_none_or(|owners| owners.contains(&id)),
        };
        let id = self.model_id.map(|id| id.to_string()).unwrap_or_default();
        (!is_there).then(|| {
            format!("The model which owns this Upload is missing. Upload ID#{}, {model} ID#{id}", self.id)
        })
    }

    /// The path. Most do not need the owner's row, so that the file of an orphaned upload is known as well.
    fn path(&self, lookups: &Lookups, storages: &Storages) -> Result<String, String> {
        let path = file_name(self.path.as_ref())?;
        // In object storage, the path is the key; the other rules are for the local disk.
        if self.store == Some(OBJECT) {
            return Ok(path.clone());
        }
        if path.starts_with('/') {
            return absolute(path, storages);
        }
        let id = || not_null(self.model_id, "model_id");
        match self.uploader.as_deref().unwrap_or_default() {
            "FileUploader" => attachment(id()?, path, lookups),
            "NamespaceFileUploader" => Ok(format!("-/system/namespace/{}/{path}", id()?)),
            "PersonalFileUploader" => {
                let id = id()?;
                Ok(format!("-/system/{}/{id}/{path}", path::underscore(self.personal_class(id, lookups))))
            }
            // All others, new ones included, store the path relative to the folder `public`.
            uploader => path.strip_prefix("uploads/").map(ToOwned::to_owned).ok_or_else(|| {
                format!("its path {path:?}, of the uploader {uploader:?}, is not below uploads/")
            }),
        }
    }

    /// The class that a personal file belongs to. All snippets are in one table, which has the exact class; a snippet
    /// that does not exist was a personal one, as no other has such files.
    fn personal_class<'u>(&'u self, id: i64, lookups: &'u Lookups) -> &'u str {
        match self.model_type.as_deref().unwrap_or_default() {
            "Snippet" => {
                let class = lookups.snippets.get(&id).and_then(|snippet| snippet.class.as_deref());
                class.unwrap_or("PersonalSnippet")
            }
            other => other,
        }
    }
}

/// The path of a project's attachment below the folder of uploads.
fn attachment(project: i64, path: &str, lookups: &Lookups) -> Result<String, String> {
    let found = lookups.projects.get(&project);
    let found = found.ok_or_else(|| format!("the project {project} that it belongs to is missing"))?;
    if found.has_hashed_attachments() {
        let mut folder = "@hashed/".to_owned();
        path::push_hashed(&mut folder, project);
        return Ok(folder + "/" + path);
    }
    let folder = lookups.project_paths.get(&project);
    let folder =
        folder.ok_or_else(|| format!("the project {project} has no full path (no row in routes)"))?;
    Ok(format!("{folder}/{path}"))
}

/// The path of a very old row, relative to the folder of uploads.
fn absolute(path: &str, storages: &Storages) -> Result<String, String> {
    let below = storages.uploads_folders.iter().find_map(|folder| {
        path.strip_prefix(folder.as_str())?.strip_prefix('/').filter(|rest| !rest.is_empty())
    });
    below
        .map(ToOwned::to_owned)
        .ok_or_else(|| format!("its path {path:?} is absolute, and not below the folder of uploads"))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use stocktake_domain::Location;

    use super::*;

    /// The path and the rule of a local upload with this uploader and an owner that does not exist.
    fn orphaned(uploader: &str, model: &str, id: Option<i64>, path: &str) -> (String, DigestRule) {
        let upload = Upload {
            id: 7,
            size: None,
            path: Some(path.to_owned()),
            checksum: None,
            model_id: id,
            model_type: Some(model.to_owned()),
            uploader: Some(uploader.to_owned()),
            created_at: None,
            store: None,
            namespace_id: None,
            project_id: None,
        };
        let owners = upload_owners::model(model).map(|model| (model, HashSet::new()));
        let lookups = Lookups { owners: owners.into_iter().collect(), ..Lookups::default() };
        let record = upload.record(&lookups, &Storages::default());
        (record.location.path, record.rule)
    }

    #[test]
    fn the_path_of_an_orphaned_upload_is_known_if_it_does_not_depend_on_its_owner() {
        let plain = "uploads/-/system/note/attachment/9/a.txt";
        for (uploader, model, id, path, expected) in [
            ("AttachmentUploader", "Note", Some(9), plain, Some("-/system/note/attachment/9/a.txt")),
            ("AttachmentUploader", "Note", None, plain, Some("-/system/note/attachment/9/a.txt")),
            ("NamespaceFileUploader", "Namespace", Some(9), "s/a", Some("-/system/namespace/9/s/a")),
            ("PersonalFileUploader", "Snippet", Some(9), "s/a", Some("-/system/personal_snippet/9/s/a")),
            ("PersonalFileUploader", "User", Some(9), "s/a", Some("-/system/user/9/s/a")),
            ("PersonalFileUploader", "User", None, "s/a", None),
            // The project's layout is not lookups.
            ("FileUploader", "Project", Some(9), "s/a", None),
        ] {
            let (path, rule) = orphaned(uploader, model, id, path);
            assert_eq!(path, expected.unwrap_or(Location::UNKNOWN), "{uploader} {model}");
            let id = id.map(|id| id.to_string()).unwrap_or_default();
            let why = format!("The model which owns this Upload is missing. Upload ID#7, {model} ID#{id}");
            assert_eq!(rule, DigestRule::Unresolved(why), "{uploader} {model}");
        }
    }
}
