//! Every folder in which GitLab keeps content, and the tables whose rows can claim what lies there.
//!
//! What lies in none of them may belong to a part of GitLab that is not known here: it is not understood, which is
//! not the same as being nobody's.

use std::collections::HashSet;

use stocktake_domain::ObjectType;

use super::files::below_hashed;
use crate::path::underscore;
use crate::settings::StorageRole;
use crate::upload_owners;

/// A folder of a place.
struct Folder {
    at: At,
    /// The paths in it. `{hash}` stands for the hashed folder of an id, `{owner}` for a class that owns uploads,
    /// `{path}` for the full path of a project, `{secret}` for 32 hexadecimal digits, `{hex}` for some of them, `#` for a
    /// number, `*` for any name, and `**` for one or more of them.
    shape: &'static str,
    /// The tables whose rows claim what lies there.
    tables: &'static [&'static str],
}

/// The places that a folder is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// The local folder of a type and its bucket.
    Both(ObjectType),
    Disk(ObjectType),
    Bucket(ObjectType),
    Public,
    Git,
    Replicas,
    Registry,
}

const fn folder(at: At, shape: &'static str, tables: &'static [&'static str]) -> Folder {
    Folder { at, shape, tables }
}

const ARTIFACTS: &[&str] = &["p_ci_job_artifacts", "ci_deleted_objects"];
const PROJECTS: &[&str] =
    &["projects", "project_repositories", "project_wiki_repositories", "design_management_repositories"];
const UPLOADS: &[&str] = &["uploads"];
const ATTESTATIONS: &[&str] = &["slsa_attestations"];
const FLOWS: &[&str] = &["cd_application_flow_definitions"];
const VIRTUAL_REGISTRIES: &[&str] = &[
    "virtual_registries_packages_maven_cached_responses",
    "virtual_registries_packages_maven_cache_entries",
    "virtual_registries_packages_maven_cache_remote_entries",
    "virtual_registries_packages_npm_cache_entries",
    "virtual_registries_packages_npm_cache_remote_entries",
    "virtual_registries_container_cache_entries",
    "virtual_registries_container_cache_remote_entries",
];

const FOLDERS: &[Folder] = &[
    folder(At::Both(ObjectType::Artifacts), "{hash}/{hex}/#/#/*", ARTIFACTS),
    folder(At::Both(ObjectType::Artifacts), "{hex}/#/#/*", ARTIFACTS),
    folder(
        At::Both(ObjectType::Artifacts),
        "{hash}/pipelines/#/artifacts/#/*",
        &["ci_pipeline_artifacts", "ci_deleted_objects"],
    ),
    folder(At::Bucket(ObjectType::Artifacts), "{hash}/@final/*/*/*", ARTIFACTS),
    folder(At::Bucket(ObjectType::Artifacts), "@final/*/*/*", ARTIFACTS),
    folder(At::Both(ObjectType::CiSecureFiles), "{hash}/secure_files/#/*", &["ci_secure_files"]),
    folder(
        At::Both(ObjectType::DependencyProxy),
        "{hash}/dependency_proxy/#/files/#/*",
        &["dependency_proxy_blobs", "dependency_proxy_manifests"],
    ),
    folder(At::Both(ObjectType::DependencyProxy), "{hash}/virtual_registries/**", VIRTUAL_REGISTRIES),
    folder(At::Both(ObjectType::ExternalDiffs), "merge_request_diffs/mr-#/*", &["merge_request_diffs"]),
    folder(At::Both(ObjectType::Lfs), "{hex}/{hex}/{hex}", &["lfs_objects"]),
    folder(At::Both(ObjectType::Packages), "{hash}/packages/#/files/#/*", &["packages_package_files"]),
    folder(At::Bucket(ObjectType::Packages), "{hash}/@final/*/*/*", &["packages_package_files"]),
    folder(At::Bucket(ObjectType::Packages), "@final/*/*/*", &["packages_package_files"]),
    folder(At::Both(ObjectType::Packages), "{hash}/packages/nuget/**", &["packages_nuget_symbols"]),
    folder(
        At::Both(ObjectType::Packages),
        "{hash}/packages/helm/metadata_caches/**",
        &["packages_helm_metadata_caches"],
    ),
    folder(
        At::Both(ObjectType::Packages),
        "{hash}/packages/npm/metadata_caches/**",
        &["packages_npm_metadata_caches"],
    ),
    folder(At::Both(ObjectType::Packages), "{hash}/packages/rubygems/**", &["packages_rubygems_spec_files"]),
    folder(
        At::Both(ObjectType::Packages),
        "{hash}/packages/composer_cache/#/*",
        &["packages_composer_cache_files"],
    ),
    folder(
        At::Both(ObjectType::Packages),
        "{hash}/projects/#/rpm/repository_files/#/*",
        &["packages_rpm_repository_files"],
    ),
    folder(
        At::Both(ObjectType::Packages),
        "{hash}/debian_project_component_file/#/*",
        &["packages_debian_project_component_files"],
    ),
    folder(
        At::Both(ObjectType::Packages),
        "{hash}/debian_group_component_file/#/*",
        &["packages_debian_group_component_files"],
    ),
    folder(
        At::Both(ObjectType::Packages),
        "{hash}/debian_project_distribution/#/*",
        &["packages_debian_project_distributions"],
    ),
    folder(
        At::Both(ObjectType::Packages),
        "{hash}/debian_group_distribution/#/*",
        &["packages_debian_group_distributions"],
    ),
    folder(At::Disk(ObjectType::Pages), "@hashed/{hash}/pages_deployments/#/*", &["pages_deployments"]),
    folder(At::Bucket(ObjectType::Pages), "{hash}/pages_deployments/#/*", &["pages_deployments"]),
    folder(At::Both(ObjectType::TerraformState), "{hash}/{secret}/*", &["terraform_state_versions"]),
    folder(At::Both(ObjectType::TerraformState), "#/*", &["terraform_state_versions"]),
    folder(At::Both(ObjectType::Uploads), "@hashed/{hash}/*/*", UPLOADS),
    folder(At::Disk(ObjectType::Uploads), "{path}/{secret}/*", UPLOADS),
    folder(At::Disk(ObjectType::Uploads), "-/system/{owner}/**", UPLOADS),
    folder(At::Bucket(ObjectType::Uploads), "{owner}/**", UPLOADS),
    folder(At::Disk(ObjectType::Uploads), "-/system/{hash}/cd_application_flow_definitions/#/*", FLOWS),
    folder(
        At::Bucket(ObjectType::Uploads),
        "uploads/-/system/{hash}/cd_application_flow_definitions/#/*",
        FLOWS,
    ),
    folder(At::Bucket(ObjectType::Uploads), "{hash}/cd_application_flow_definitions/#/*", FLOWS),
    folder(At::Bucket(ObjectType::Uploads), "{hash}/attestations/#/*", ATTESTATIONS),
    folder(At::Public, "{hash}/attestations/#/*", ATTESTATIONS),
    folder(At::Git, "@pools/**", &["pool_repositories"]),
    folder(At::Git, "@groups/**", &["group_wiki_repositories"]),
    folder(At::Git, "@snippets/**", &["snippet_repositories"]),
    folder(At::Git, "@hashed/**", PROJECTS),
    folder(At::Git, "{path}", PROJECTS),
    folder(At::Replicas, "**", &["storage_repositories"]),
    folder(At::Registry, "**", &["container_repositories"]),
];

/// Folders that several tables claim, which have the beginning of their names in common: another one of such a name may too.
const FAMILIES: [(&str, &[&str]); 1] = [("virtual_registries_", VIRTUAL_REGISTRIES)];

/// The tables beside which this one, which no rule knows, may claim content.
pub(super) fn beside(table: &str) -> impl Iterator<Item = &'static str> {
    let of = FAMILIES.iter().filter(move |(begin, _)| table.starts_with(begin));
    of.flat_map(|(_, tables)| *tables).copied()
}

/// Owners of uploads whose folders have another name than the class in their rows.
const OTHER_OWNERS: [&str; 3] = ["group", "personal_snippet", "project_snippet"];

/// Whether it is known what can claim content at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FolderKind {
    /// It is not: no folder has it.
    Unknown,
    /// It is, but some of the tables that claim what lies there cannot be judged.
    Unjudged,
    /// It is, and all of these tables can be judged.
    Understood,
}

/// The kind of the folders that this path is in.
pub(super) fn kind_of_folder(role: StorageRole, path: &str, unjudged: &HashSet<&str>) -> FolderKind {
    let mut folders =
        FOLDERS.iter().filter(|folder| folder.at.is(role) && fits(folder.shape, path)).peekable();
    if folders.peek().is_none() {
        FolderKind::Unknown
    } else if folders.any(|folder| folder.tables.iter().any(|table| unjudged.contains(table))) {
        FolderKind::Unjudged
    } else {
        FolderKind::Understood
    }
}

impl At {
    fn is(self, role: StorageRole) -> bool {
        match (self, role) {
            (Self::Both(of) | Self::Disk(of), StorageRole::Folder(at))
            | (Self::Both(of) | Self::Bucket(of), StorageRole::Bucket(at)) => of == at,
            (Self::Public, StorageRole::Public)
            | (Self::Git, StorageRole::Git)
            | (Self::Replicas, StorageRole::Replicas)
            | (Self::Registry, StorageRole::Registry) => true,
            _ => false,
        }
    }
}

/// Whether a path has a shape.
fn fits(shape: &str, path: &str) -> bool {
    if let Some((above, below)) = shape.split_once("{hash}/") {
        let rest = path.strip_prefix(above).and_then(below_hashed);
        return rest.is_some_and(|(_, rest)| fits(below, rest));
    }
    if let Some((above, below)) = shape.split_once("{owner}/") {
        let rest = path.strip_prefix(above).and_then(below_owner);
        return rest.is_some_and(|rest| fits(below, rest));
    }
    if let Some(below) = shape.strip_prefix("{path}") {
        // No group has such a name.
        return !path.starts_with(['-', '@', '+'])
            && below_hashed(path).is_none()
            && fits(&format!("**{below}"), path);
    }
    let (shape, path): (Vec<&str>, Vec<&str>) = (shape.split('/').collect(), path.split('/').collect());
    fit(&shape, &path)
}

fn fit(shape: &[&str], path: &[&str]) -> bool {
    match (shape.split_first(), path.split_first()) {
        (None, None) => true,
        (Some((&"**", rest)), Some((_, below))) => fit(rest, below) || fit(shape, below),
        (Some((name, rest)), Some((part, below))) => is_name(name, part) && fit(rest, below),
        _ => false,
    }
}

fn is_name(name: &str, part: &str) -> bool {
    match name {
        "*" => !part.is_empty(),
        "{secret}" => part.len() == 32 && part.bytes().all(|byte| byte.is_ascii_hexdigit()),
        // The month and the day of artifacts are such names too.
        "{hex}" => part.len() > 1 && part.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'_'),
        _ => match name.strip_suffix('#') {
            Some(before) => {
                let number = part.strip_prefix(before).unwrap_or_default();
                !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
            }
            None => name == part,
        },
    }
}

/// What is below the folder of a class that owns uploads.
fn below_owner(path: &str) -> Option<&str> {
    let classes = upload_owners::models().map(underscore);
    let mut owners = classes.chain(OTHER_OWNERS.map(ToOwned::to_owned));
    owners.find_map(|owner| path.strip_prefix(owner.as_str())?.strip_prefix('/'))
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;
    use crate::claims::{files, internal};
    use crate::rows::MAPPINGS;

    fn folder_of(role: StorageRole, path: &str) -> FolderKind {
        super::kind_of_folder(role, path, &HashSet::new())
    }

    #[test]
    fn what_lies_in_no_folder_of_gitlabs_is_not_understood() {
        let hashed = crate::path::hashed(42);
        let (lfs, uploads) = (StorageRole::Folder(ObjectType::Lfs), StorageRole::Folder(ObjectType::Uploads));
        let [packages, artifacts] = [ObjectType::Packages, ObjectType::Artifacts].map(StorageRole::Bucket);
        for (role, path, expected) in [
            (lfs, &format!("ab/cd/{}", "e".repeat(60)), true),
            (lfs, &"notes.txt".to_owned(), false),
            (artifacts, &format!("{hashed}/2024_01_31/7/9/artifacts.zip"), true),
            (artifacts, &"2017_01/7/9/artifacts.zip".to_owned(), true),
            (artifacts, &format!("{hashed}/@final/ab/cd/ef"), true),
            (artifacts, &format!("packages/{hashed}/@final/ab/cd/ef"), false),
            (artifacts, &format!("{hashed}/new_kind/9/a.zip"), false),
            (packages, &format!("{hashed}/packages/7/files/9/a.jar"), true),
            (packages, &format!("{hashed}/packages/new_kind/9/a.jar"), false),
            (uploads, &"-/system/user/avatar/1/me.png".to_owned(), true),
            (uploads, &"-/system/projects/topic/avatar/1/t.png".to_owned(), true),
            (uploads, &"-/system/sbom_scans/ab/scan.json".to_owned(), false),
            (uploads, &format!("-/system/{hashed}/cd_application_flow_definitions/1/definition.yml"), true),
            (uploads, &format!("-/system/{hashed}/new_kind/1/x"), false),
            (uploads, &"-/system/new_kind/12/x".to_owned(), false),
            (uploads, &format!("group/project/{}/a.png", "0".repeat(32)), true),
            (uploads, &format!("-/system/new_kind/{}/a.png", "0".repeat(32)), false),
            (uploads, &"group/project/12/a.png".to_owned(), false),
            (
                StorageRole::Folder(ObjectType::ExternalDiffs),
                &"merge_request_diffs/mr-7/diff-9".to_owned(),
                true,
            ),
            (
                StorageRole::Folder(ObjectType::ExternalDiffs),
                &"merge_request_diffs/mr-x/diff-9".to_owned(),
                false,
            ),
            (
                StorageRole::Folder(ObjectType::Pages),
                &format!("@hashed/{hashed}/pages_deployments/9/a.zip"),
                true,
            ),
            (StorageRole::Folder(ObjectType::Pages), &format!("{hashed}/pages_deployments/9/a.zip"), false),
            (StorageRole::Git, &"group/project.git".to_owned(), true),
            (StorageRole::Git, &format!("@hashed/{hashed}.wiki.git"), true),
            (StorageRole::Git, &format!("@new_kind/{hashed}.git"), false),
            (
                StorageRole::Folder(ObjectType::TerraformState),
                &format!("{hashed}/{}/1.tfstate", "0".repeat(32)),
                true,
            ),
            (StorageRole::Folder(ObjectType::TerraformState), &format!("{hashed}/new_kind/1"), false),
        ] {
            let expected = if expected { FolderKind::Understood } else { FolderKind::Unknown };
            assert_eq!(folder_of(role, path), expected, "{role:?} {path}");
        }
        let path = format!("{hashed}/attestations/9/a.json");
        assert_eq!(folder_of(StorageRole::Public, &path), FolderKind::Understood);
        let unjudged = HashSet::from(["slsa_attestations"]);
        assert_eq!(super::kind_of_folder(StorageRole::Public, &path, &unjudged), FolderKind::Unjudged);
    }

    #[test]
    fn every_claimant_has_its_folder() {
        let known: HashSet<&str> = FOLDERS.iter().flat_map(|folder| folder.tables).copied().collect();
        let of_models = MAPPINGS.iter().filter_map(|mapping| mapping.tables.first().copied());
        // Of these it is not known where all of their files are.
        let placed =
            files::parts().map(|part| part.table).filter(|table| !table.starts_with("sbom_vulnerability_"));
        for table in of_models.chain(placed) {
            assert!(known.contains(table), "{table} is in no folder");
        }
    }

    /// The name of a place in the page.
    fn place(at: At) -> String {
        match at {
            At::Both(of) => format!("`{of}`, folder and bucket"),
            At::Disk(of) => format!("`{of}`, folder"),
            At::Bucket(of) => format!("`{of}`, bucket"),
            At::Public => "folder `public`".to_owned(),
            At::Git => "Git storages".to_owned(),
            At::Replicas => "nodes of a Gitaly Cluster".to_owned(),
            At::Registry => "container registry".to_owned(),
        }
    }

    fn page() -> String {
        let mut page = include_str!("gitlab-storage.md").to_owned();
        page.push_str("\n## Folders and what claims them\n\n| place | paths | tables |\n|---|---|---|\n");
        for Folder { at, shape, tables } in FOLDERS {
            let tables: Vec<String> = tables.iter().map(|table| format!("`{table}`")).collect();
            let _ = writeln!(page, "| {} | `{shape}` | {} |", place(*at), tables.join(", "));
        }
        page.push_str("\n## GitLab's own files\n\n| place | paths |\n|---|---|\n");
        for (place, paths) in internal::described() {
            let _ = writeln!(page, "| {place} | {paths} |");
        }
        page
    }

    #[test]
    fn the_page_of_the_folders_is_current() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/gitlab-storage.md");
        let page = page();
        if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
            std::fs::write(file, &page).unwrap();
        }
        let written = std::fs::read_to_string(file).unwrap_or_default();
        assert_eq!(written, page, "run it with UPDATE_SNAPSHOTS=1 and read what changed");
    }
}
