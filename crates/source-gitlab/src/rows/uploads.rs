//! The rows of uploads, whose path means what their uploader says.

use stocktake_domain::{DigestRule, Model, ObjectType, Timestamp};

use super::table;
use crate::digest;
use crate::field::row;
use crate::known::{Known, PROJECTS, ROUTES, Wanted};
use crate::owners;
use crate::path;
use crate::plan::{Facts, Owner, Plan, Side, Table, Touched, filled, named, states};
use crate::settings::{OBJECT, Storages};

row! {
    /// An upload.
    Upload {
        id: i64 = must "id",
        size: Option<i64> = must "size",
        path: Option<String> = must "path",
        checksum: Option<String> = must "checksum",
        model_id: Option<i64> = must "model_id",
        model_type: Option<String> = must "model_type",
        uploader: Option<String> = must "uploader",
        created_at: Option<Timestamp> = must "created_at",
        store: Option<i64> = must "store",
        namespace_id: Option<i64> = may "namespace_id",
        project_id: Option<i64> = may "project_id",
    }
}

impl Table for Upload {
    table!(Plan {
        model: Model::Uploads,
        side: Side::Main,
        tables: &["uploads"],
        columns: Self::COLUMNS,
        states: states!("upload_states" by "upload_id"),
        needs: &[PROJECTS, ROUTES],
        touched: Touched::Never,
    });

    fn want(&self, wanted: &mut Wanted) {
        wanted.owner(self.owner());
        let Some(id) = self.model_id else { return };
        match self.model_type.as_deref().and_then(owners::model) {
            // What says where their files lie also says that they are there.
            Some("Project") => wanted.projects.push(id),
            Some("Snippet") => {
                wanted.snippets.push(id);
                wanted.owners.entry("Snippet").or_default().push(id);
            }
            Some(model) => wanted.owners.entry(model).or_default().push(id),
            None => {}
        }
    }

    fn describe(self, known: &Known, storages: &Storages) -> Facts {
        let uploader = self.uploader.as_deref().unwrap_or_default();
        let storage = storages.file(ObjectType::Uploads, self.store, uploader);
        Facts {
            created_at: self.created_at,
            file_size: self.size,
            expected: self.checksum.as_deref().and_then(digest::of_text),
            // As GitLab has it, such an upload is broken wherever its file lies.
            rule: self.missing_owner(known).map_or(DigestRule::Stored, DigestRule::Unresolved),
            owner: self.owner(),
            ..Facts::at(storage, self.path(known, storages))
        }
    }
}

impl Upload {
    fn owner(&self) -> Owner {
        match self.model_type.as_deref() {
            Some("Project") => Owner::project(self.model_id),
            Some("Namespace") => Owner::group(self.model_id),
            _ if self.project_id.is_some() => Owner::project(self.project_id),
            _ => Owner::group(self.namespace_id),
        }
    }

    /// What GitLab says of an upload whose owner is gone, if it is.
    fn missing_owner(&self, known: &Known) -> Option<String> {
        let model = self.model_type.as_deref().unwrap_or_default();
        let is_there = match (self.model_id, model) {
            (None, _) => false,
            (Some(id), "Project") => known.projects.contains_key(&id),
            (Some(id), _) => known.owners.get(model).is_none_or(|owners| owners.contains(&id)),
        };
        let id = self.model_id.map(|id| id.to_string()).unwrap_or_default();
        (!is_there).then(|| {
            format!("The model which owns this Upload is missing. Upload ID#{}, {model} ID#{id}", self.id)
        })
    }

    /// Where it lies. Most paths do not need the owner's row, so that a file is known whose owner is gone.
    fn path(&self, known: &Known, storages: &Storages) -> Result<String, String> {
        let path = named(self.path.as_ref())?;
        // In object storage, the path is the key; there are other rules for the local disk only.
        if self.store == Some(OBJECT) {
            return Ok(path.clone());
        }
        if path.starts_with('/') {
            return absolute(path, storages);
        }
        let id = || filled(self.model_id, "model_id");
        match self.uploader.as_deref().unwrap_or_default() {
            "FileUploader" => attachment(id()?, path, known),
            "NamespaceFileUploader" => Ok(format!("-/system/namespace/{}/{path}", id()?)),
            "PersonalFileUploader" => {
                let id = id()?;
                Ok(format!("-/system/{}/{id}/{path}", path::underscore(self.person(id, known))))
            }
            // All others, new ones included, keep the path below the folder `public`.
            uploader => path.strip_prefix("uploads/").map(ToOwned::to_owned).ok_or_else(|| {
                format!("its path {path:?}, of the uploader {uploader:?}, is not below uploads/")
            }),
        }
    }
}

impl Upload {
    /// The class that a personal file belongs to. Snippets of all kinds are in one table, which may say more than
    /// the row; one that is gone was a personal one, as no other has such files.
    fn person<'u>(&'u self, id: i64, known: &'u Known) -> &'u str {
        match self.model_type.as_deref().unwrap_or_default() {
            "Snippet" => {
                let class = known.snippets.get(&id).and_then(|snippet| snippet.class.as_deref());
                class.unwrap_or("PersonalSnippet")
            }
            other => other,
        }
    }
}

/// Where an attachment of a project lies, below the folder of uploads.
fn attachment(project: i64, path: &str, known: &Known) -> Result<String, String> {
    let found = known.projects.get(&project);
    let found = found.ok_or_else(|| format!("the project {project} that it belongs to is missing"))?;
    if found.has_hashed_attachments() {
        let mut place = "@hashed/".to_owned();
        path::push_hashed(&mut place, project);
        return Ok(place + "/" + path);
    }
    let folder = known.project_paths.get(&project);
    let folder =
        folder.ok_or_else(|| format!("the project {project} has no full path (no row in routes)"))?;
    Ok(format!("{folder}/{path}"))
}

/// The path of a very old row, below the folder of uploads.
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

    use super::*;

    /// What is made of a local upload of this uploader and owner, of which no row is there.
    fn orphaned(
        uploader: &str,
        model: &str,
        id: Option<i64>,
        path: &str,
    ) -> (Result<String, String>, DigestRule) {
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
        let owners = owners::model(model).map(|model| (model, HashSet::new()));
        let known = Known { owners: owners.into_iter().collect(), ..Known::default() };
        let facts = upload.describe(&known, &Storages::default());
        (facts.path, facts.rule)
    }

    #[test]
    fn a_file_is_found_though_its_owner_is_gone_where_its_path_tells_enough() {
        let plain = "uploads/-/system/note/attachment/9/a.txt";
        for (uploader, model, id, path, expected) in [
            ("AttachmentUploader", "Note", Some(9), plain, Some("-/system/note/attachment/9/a.txt")),
            ("AttachmentUploader", "Note", None, plain, Some("-/system/note/attachment/9/a.txt")),
            ("NamespaceFileUploader", "Namespace", Some(9), "s/a", Some("-/system/namespace/9/s/a")),
            ("PersonalFileUploader", "Snippet", Some(9), "s/a", Some("-/system/personal_snippet/9/s/a")),
            ("PersonalFileUploader", "User", Some(9), "s/a", Some("-/system/user/9/s/a")),
            ("PersonalFileUploader", "User", None, "s/a", None),
            // The project's layout is not known.
            ("FileUploader", "Project", Some(9), "s/a", None),
        ] {
            let (path, rule) = orphaned(uploader, model, id, path);
            assert_eq!(path.ok().as_deref(), expected, "{uploader} {model}");
            let id = id.map(|id| id.to_string()).unwrap_or_default();
            let why = format!("The model which owns this Upload is missing. Upload ID#7, {model} ID#{id}");
            assert_eq!(rule, DigestRule::Unresolved(why), "{uploader} {model}");
        }
    }
}
