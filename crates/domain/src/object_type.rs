//! The types of objects for whose files GitLab configures a storage each.

use std::fmt;

/// A type of objects, as GitLab's configuration names it: a local folder and a bucket are configured for each. The
/// files of several [models](crate::Model) can be objects of one type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ObjectType {
    /// `artifacts`: artifacts of jobs and of pipelines.
    Artifacts,
    /// `lfs`.
    Lfs,
    /// `uploads`. The local folder is `uploads_directory`, to which `public/uploads` of the installation is a link.
    Uploads,
    /// `packages`: package files and `NuGet` symbols.
    Packages,
    /// `dependency_proxy`.
    DependencyProxy,
    /// `terraform_state`.
    TerraformState,
    /// `ci_secure_files`.
    CiSecureFiles,
    /// `external_diffs`.
    ExternalDiffs,
    /// `pages`.
    Pages,
}

impl ObjectType {
    /// Every type.
    pub const ALL: [Self; 9] = [
        Self::Artifacts,
        Self::Lfs,
        Self::Uploads,
        Self::Packages,
        Self::DependencyProxy,
        Self::TerraformState,
        Self::CiSecureFiles,
        Self::ExternalDiffs,
        Self::Pages,
    ];

    /// The name in GitLab's configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Artifacts => "artifacts",
            Self::Lfs => "lfs",
            Self::Uploads => "uploads",
            Self::Packages => "packages",
            Self::DependencyProxy => "dependency_proxy",
            Self::TerraformState => "terraform_state",
            Self::CiSecureFiles => "ci_secure_files",
            Self::ExternalDiffs => "external_diffs",
            Self::Pages => "pages",
        }
    }
}

impl fmt::Display for ObjectType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
