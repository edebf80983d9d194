//! The rows of the 20 models: how each is read, and which record it becomes.

mod ci;
mod debian;
mod files;
mod packages;
mod repositories;
mod uploads;
mod versioned;

pub(crate) use ci::{JobArtifact, PipelineArtifact, SecureFile};
pub(crate) use debian::DebianComponentFile;
pub(crate) use files::{Attestation, LfsObject, MergeRequestDiff, PagesDeployment};
pub(crate) use packages::{DependencyProxyBlob, DependencyProxyManifest, NugetSymbol, PackageFile};
pub(crate) use repositories::{ContainerRepository, DesignRepository, GroupWiki, ProjectRow, ProjectWiki};
pub(crate) use uploads::Upload;
pub(crate) use versioned::{SnippetRepository, TerraformVersion};

use crate::mapping::{ModelMapping, ModelRow as _};

/// How each model is read, in the order of their names.
pub(crate) const MAPPINGS: [ModelMapping; 20] = [
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
    DebianComponentFile::MAPPING,
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

/// The parts of a [`crate::mapping::ModelRow`] that are the same for all rows: the mapping, from the model, the names of
/// its table (the newest first), the table of states with its key, and the fields that differ from
/// [`ModelMapping::new`]. With `or in the row`, older versions have the state in columns of the row itself.
macro_rules! model_row {
    (
        $model:ident from $($table:literal)or+,
        states: $states:literal by $key:literal $(or in the $row:ident)?,
        $($field:ident: $value:expr,)*
    ) => {
        const MAPPING: $crate::mapping::ModelMapping = $crate::mapping::ModelMapping {
            $($field: $value,)*
            ..$crate::mapping::ModelMapping::new(
                stocktake_domain::Model::$model,
                &[$($table),+],
                Self::COLUMNS,
                $crate::mapping::StateTable {
                    table: $states,
                    columns: &[
                        $crate::column::required($key, $crate::column::ColumnType::Integer),
                        $crate::column::required("verification_state", $crate::column::ColumnType::Integer),
                        $crate::column::required("verification_checksum", $crate::column::ColumnType::Bytes),
                    ],
                },
            )
        };

        fn read(row: &tokio_postgres::Row) -> Result<Self, tokio_postgres::Error> {
            Self::read(row)
        }

        fn key(&self) -> i64 {
            self.id
        }

        $($crate::rows::model_row!(@own_state $row);)?
    };
    (@own_state $row:ident) => {
        fn own_state(&self) -> Option<(i64, &[u8])> {
            self.verification_state.zip(self.verification_checksum.as_deref())
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
