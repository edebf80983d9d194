//! The rows of the 19 models: how each is read, and which record it becomes.

mod ci;
mod files;
mod packages;
mod repositories;
mod uploads;
mod versioned;

pub(crate) use ci::{JobArtifact, PipelineArtifact, SecureFile};
pub(crate) use files::{Attestation, LfsObject, MergeRequestDiff, PagesDeployment};
pub(crate) use packages::{DependencyProxyBlob, DependencyProxyManifest, NugetSymbol, PackageFile};
pub(crate) use repositories::{ContainerRepository, DesignRepository, GroupWiki, ProjectRow, ProjectWiki};
pub(crate) use uploads::Upload;
pub(crate) use versioned::{SnippetRepository, TerraformVersion};

use crate::mapping::{ModelMapping, ModelRow as _};

/// How each model is read, in the order of their names.
pub(crate) const MAPPINGS: [ModelMapping; 19] = [
    JobArtifact::MAPPING,
    PipelineArtifact::MAPPING,
    SecureFile::MAPPING,
    ContainerRepository::MAPPING,
    DependencyProxyBlob::MAPPING,
    DependencyProxyManifest::MAPPING,
    DesignRepository::MAPPING,
    GroupWiki::MAPPING,
    LfsObject::MAPPING,
    MergeRequestDiff::MAPPING,
    NugetSymbol::MAPPING,
    PackageFile::MAPPING,
    PagesDeployment::MAPPING,
    ProjectRow::MAPPING,
    ProjectWiki::MAPPING,
    SnippetRepository::MAPPING,
    Attestation::MAPPING,
    TerraformVersion::MAPPING,
    Upload::MAPPING,
];

/// The parts of a [`crate::mapping::ModelRow`] that are the same for all rows.
macro_rules! model_row {
    ($mapping:expr) => {
        const MAPPING: $crate::mapping::ModelMapping = $mapping;

        fn read(row: &tokio_postgres::Row) -> Result<Self, tokio_postgres::Error> {
            Self::read(row)
        }

        fn key(&self) -> i64 {
            self.id
        }
    };
}

use model_row;

#[cfg(test)]
mod tests {
    use super::*;
    use stocktake_domain::Model;

    #[test]
    fn every_model_has_its_mapping() {
        assert_eq!(MAPPINGS.map(|mapping| mapping.model), Model::ALL);
    }
}
