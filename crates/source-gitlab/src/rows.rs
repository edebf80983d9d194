//! The rows of the 19 models, and what each says of its record.

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

use crate::plan::{Plan, Table as _};

/// How each model is read, in the order of their names.
pub(crate) const PLANS: [Plan; 19] = [
    JobArtifact::PLAN,
    PipelineArtifact::PLAN,
    SecureFile::PLAN,
    ContainerRepository::PLAN,
    DependencyProxyBlob::PLAN,
    DependencyProxyManifest::PLAN,
    DesignRepository::PLAN,
    GroupWiki::PLAN,
    LfsObject::PLAN,
    MergeRequestDiff::PLAN,
    NugetSymbol::PLAN,
    PackageFile::PLAN,
    PagesDeployment::PLAN,
    ProjectRow::PLAN,
    ProjectWiki::PLAN,
    SnippetRepository::PLAN,
    Attestation::PLAN,
    TerraformVersion::PLAN,
    Upload::PLAN,
];

/// The parts of a [`crate::plan::Table`] that are the same for all rows.
macro_rules! table {
    ($plan:expr) => {
        const PLAN: $crate::plan::Plan = $plan;

        fn read(row: &tokio_postgres::Row) -> Result<Self, tokio_postgres::Error> {
            Self::read(row)
        }

        fn key(&self) -> i64 {
            self.id
        }
    };
}

use table;

#[cfg(test)]
mod tests {
    use super::*;
    use stocktake_domain::Model;

    #[test]
    fn every_model_has_its_plan() {
        assert_eq!(PLANS.map(|plan| plan.model), Model::ALL);
    }
}
