//! What will be read from where, as the schema and the configuration say.

use stocktake_domain::ports::{ModelCheck, Readable, SourceCheck};
use stocktake_domain::{Model, ObjectType};

use crate::layout::{Layout, ModelTable};
use crate::mapping::DbKind;
use crate::settings::{LOCAL, Storages};

/// The places of a model's content.
enum Places {
    Files(ObjectType),
    /// Locally, attestations are in the folder `public`.
    Attestations,
    Git,
    Registry,
}

/// All models, as this layout and these storages have them.
pub(crate) fn check(layout: &Layout, storages: &Storages) -> SourceCheck {
    let models = Model::ALL.into_iter().map(|model| {
        let (storages, unknown) = places(model).found(storages);
        let readable = layout.readable(model);
        let rows = match (&readable, layout.table(model)) {
            (Readable::Yes { .. }, Ok(found)) => Some(rows(found)),
            _ => None,
        };
        ModelCheck { model, readable, rows, storages, unknown }
    });
    SourceCheck {
        models: models.collect(),
        not_understood: layout.not_understood(),
        missing_rights: layout.missing_rights(),
    }
}

fn rows(ModelTable { db, table }: ModelTable) -> String {
    match db {
        DbKind::Main => table.to_owned(),
        DbKind::Ci => format!("{table} in the database of CI"),
        DbKind::Sec => format!("{table} in the database of security"),
    }
}

fn places(model: Model) -> Places {
    match model {
        Model::CiJobArtifacts | Model::CiPipelineArtifacts => Places::Files(ObjectType::Artifacts),
        Model::CiSecureFiles => Places::Files(ObjectType::CiSecureFiles),
        Model::ContainerRepositories => Places::Registry,
        Model::DependencyProxyBlobs | Model::DependencyProxyManifests => {
            Places::Files(ObjectType::DependencyProxy)
        }
        Model::DesignManagementRepositories
        | Model::GroupWikiRepositories
        | Model::Projects
        | Model::ProjectsWikiRepositories
        | Model::SnippetRepositories => Places::Git,
        Model::LfsObjects => Places::Files(ObjectType::Lfs),
        Model::MergeRequestDiffs => Places::Files(ObjectType::ExternalDiffs),
        Model::PackagesDebianProjectComponentFiles
        | Model::PackagesNugetSymbols
        | Model::PackagesPackageFiles => Places::Files(ObjectType::Packages),
        Model::PagesDeployments => Places::Files(ObjectType::Pages),
        Model::SupplyChainAttestations => Places::Attestations,
        Model::TerraformStateVersions => Places::Files(ObjectType::TerraformState),
        Model::Uploads => Places::Files(ObjectType::Uploads),
    }
}

impl Places {
    /// The storages, and why others are not known. A bucket that is not configured is in order, as few have them.
    fn found(&self, storages: &Storages) -> (Vec<String>, Vec<String>) {
        let bucket = |of: &ObjectType| {
            let name = storages.files.get(of).and_then(|stores| stores.object.clone());
            name.map(Ok).or_else(|| storages.unknown.object.get(of).cloned().map(Err))
        };
        let places: Vec<Result<String, String>> = match self {
            Self::Files(of) => {
                let local = storages.file(*of, Some(LOCAL), "");
                std::iter::once(local).chain(bucket(of)).collect()
            }
            Self::Attestations => {
                std::iter::once(storages.public()).chain(bucket(&ObjectType::Uploads)).collect()
            }
            Self::Git => {
                // What is configured is known, whatever GitLab's own configuration says of it.
                let unknown =
                    storages.unknown.git.iter().filter(|(name, _)| !storages.git.contains_key(*name));
                let unknown = unknown.map(|(_, why)| why).chain(&storages.unknown.other_git);
                storages.git.values().cloned().map(Ok).chain(unknown.cloned().map(Err)).collect()
            }
            Self::Registry => vec![storages.registry()],
        };
        let known = places.iter().filter_map(|place| place.as_ref().ok().cloned()).collect();
        (known, places.into_iter().filter_map(Result::err).collect())
    }
}
