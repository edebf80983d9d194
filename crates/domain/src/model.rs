//! The 20 data types ("models") of the Data management API, as data in one place, and the types of objects for whose
//! files GitLab configures a storage each.

use std::fmt;
use std::str::FromStr;

use crate::named::named;

/// What a model's records hold, and so how their checksum is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ModelKind {
    /// One file, on disk or in object storage.
    Blob,
    /// A bare git repository.
    GitRepository,
    /// A repository of a container registry.
    ContainerRepository,
}

macro_rules! models {
    ($($variant:ident $name:literal $class:literal $kind:ident $mutable:literal),+ $(,)?) => {
        /// One of the 20 data types, named as the API names them.
        ///
        /// The order of the variants is the alphabetical order of the names.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Model {
            $(#[doc = concat!("`", $name, "`, GitLab's `", $class, "`.")] $variant),+
        }

        impl Model {
            /// Every model, in alphabetical order of its name.
            pub const ALL: [Self; 20] = [$(Self::$variant),+];

            /// The name in paths and parameters, for example `lfs_objects`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// The `model_class` shown in answers, for example `LfsObject`.
            pub const fn class(self) -> &'static str {
                match self { $(Self::$variant => $class),+ }
            }

            /// What the records hold.
            pub const fn kind(self) -> ModelKind {
                match self { $(Self::$variant => ModelKind::$kind),+ }
            }

            /// Whether the content may rightly change after it was first stored, so that a new checksum is
            /// recorded instead of being compared with the last good one.
            pub const fn is_mutable(self) -> bool {
                match self { $(Self::$variant => $mutable),+ }
            }
        }
    };
}

models! {
    CiJobArtifacts "ci_job_artifacts" "Ci::JobArtifact" Blob false,
    CiPipelineArtifacts "ci_pipeline_artifacts" "Ci::PipelineArtifact" Blob false,
    CiSecureFiles "ci_secure_files" "Ci::SecureFile" Blob false,
    ContainerRepositories "container_repositories" "ContainerRepository" ContainerRepository true,
    DependencyProxyBlobs "dependency_proxy_blobs" "DependencyProxy::Blob" Blob false,
    DependencyProxyManifests "dependency_proxy_manifests" "DependencyProxy::Manifest" Blob true,
    DesignManagementRepositories "design_management_repositories" "DesignManagement::Repository" GitRepository true,
    GroupWikiRepositories "group_wiki_repositories" "GroupWikiRepository" GitRepository true,
    LfsObjects "lfs_objects" "LfsObject" Blob false,
    MergeRequestDiffs "merge_request_diffs" "MergeRequestDiff" Blob false,
    PackagesDebianProjectComponentFiles "packages_debian_project_component_files" "Packages::Debian::ProjectComponentFile" Blob false,
    PackagesNugetSymbols "packages_nuget_symbols" "Packages::Nuget::Symbol" Blob false,
    PackagesPackageFiles "packages_package_files" "Packages::PackageFile" Blob false,
    PagesDeployments "pages_deployments" "PagesDeployment" Blob false,
    Projects "projects" "Project" GitRepository true,
    ProjectsWikiRepositories "projects_wiki_repositories" "Projects::WikiRepository" GitRepository true,
    SnippetRepositories "snippet_repositories" "SnippetRepository" GitRepository true,
    SupplyChainAttestations "supply_chain_attestations" "SupplyChain::Attestation" Blob false,
    TerraformStateVersions "terraform_state_versions" "Terraform::StateVersion" Blob false,
    Uploads "uploads" "Upload" Blob false,
}

impl Model {
    /// Whether a repository that was never created counts as empty, not as missing: GitLab has a row for each
    /// project and group, and creates these repositories when they are first written to.
    pub const fn may_be_absent(self) -> bool {
        matches!(
            self,
            Self::DesignManagementRepositories | Self::GroupWikiRepositories | Self::ProjectsWikiRepositories
        )
    }
}

impl fmt::Display for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The text names none of the 20 models.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not the name of a model")]
pub struct UnknownModel(pub String);

impl FromStr for Model {
    type Err = UnknownModel;

    fn from_str(name: &str) -> Result<Self, UnknownModel> {
        Self::ALL.into_iter().find(|model| model.name() == name).ok_or_else(|| UnknownModel(name.to_owned()))
    }
}

named! {
    /// A type of objects, as GitLab's configuration names it: a local folder and a bucket are configured for each. The
    /// files of several [models](Model) can be objects of one type.
    pub enum ObjectType {
        /// `artifacts`: artifacts of jobs and of pipelines.
        Artifacts = "artifacts",
        /// `lfs`.
        Lfs = "lfs",
        /// `uploads`. The local folder is `uploads_directory`, to which `public/uploads` of the installation is a link.
        Uploads = "uploads",
        /// `packages`: package files, `NuGet` symbols and indexes of `Debian` distributions.
        Packages = "packages",
        /// `dependency_proxy`.
        DependencyProxy = "dependency_proxy",
        /// `terraform_state`.
        TerraformState = "terraform_state",
        /// `ci_secure_files`.
        CiSecureFiles = "ci_secure_files",
        /// `external_diffs`.
        ExternalDiffs = "external_diffs",
        /// `pages`.
        Pages = "pages",
    }
    /// The name in GitLab's configuration.
    fn name;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_unique_and_parse_back() {
        assert!(Model::ALL.windows(2).all(|pair| pair[0].name() < pair[1].name()));
        for model in Model::ALL {
            assert_eq!(model.name().parse(), Ok(model));
        }
        assert!("LFS_OBJECTS".parse::<Model>().is_err());
        assert!("".parse::<Model>().is_err());
    }

    #[test]
    fn repositories_are_mutable() {
        for model in Model::ALL {
            if model.kind() != ModelKind::Blob {
                assert!(model.is_mutable(), "{model}");
            }
        }
    }
}
