//! The small numbers that stand for names in the tables. They never change, whatever becomes of the enums.

use stocktake_domain::{FailureKind, JobState, Model, Scope, State, UnreferencedKind, WalkState};

use crate::error::DbError;

/// The stored state of a record that waits for a worker.
pub(crate) const PENDING: i16 = 0;
/// The stored state of a record found good.
pub(crate) const SUCCEEDED: i16 = 2;
/// The stored state of a record found not good.
pub(crate) const FAILED: i16 = 3;
/// The stored state of a record that is switched off.
pub(crate) const DISABLED: i16 = 4;

const MODELS: [(Model, i16); 20] = [
    (Model::CiJobArtifacts, 1),
    (Model::CiPipelineArtifacts, 2),
    (Model::CiSecureFiles, 3),
    (Model::ContainerRepositories, 4),
    (Model::DependencyProxyBlobs, 5),
    (Model::DependencyProxyManifests, 6),
    (Model::DesignManagementRepositories, 7),
    (Model::GroupWikiRepositories, 8),
    (Model::LfsObjects, 9),
    (Model::MergeRequestDiffs, 10),
    (Model::PackagesNugetSymbols, 11),
    (Model::PackagesPackageFiles, 12),
    (Model::PagesDeployments, 13),
    (Model::Projects, 14),
    (Model::ProjectsWikiRepositories, 15),
    (Model::SnippetRepositories, 16),
    (Model::SupplyChainAttestations, 17),
    (Model::TerraformStateVersions, 18),
    (Model::Uploads, 19),
    (Model::PackagesDebianProjectComponentFiles, 20),
];

/// The number of a model.
pub(crate) fn model_code(model: Model) -> i16 {
    MODELS.into_iter().find(|(known, _)| *known == model).map_or(0, |(_, code)| code)
}

/// The model with this number.
pub(crate) fn model_of(code: i16) -> Result<Model, DbError> {
    let found = MODELS.into_iter().find(|(_, known)| *known == code);
    found.map(|(model, _)| model).ok_or_else(|| unknown("model", code))
}

/// The number of a state that is stored; none for `started`, which is not.
pub(crate) fn stored_state_code(state: State) -> Option<i16> {
    match state {
        State::Pending => Some(PENDING),
        State::Started => None,
        State::Succeeded => Some(SUCCEEDED),
        State::Failed => Some(FAILED),
        State::Disabled => Some(DISABLED),
    }
}

/// The stored state with this number.
pub(crate) fn state_of(code: i16) -> Result<State, DbError> {
    let found = State::ALL.into_iter().find(|state| stored_state_code(*state) == Some(code));
    found.ok_or_else(|| unknown("state", code))
}

/// The number of a kind of failure.
pub(crate) fn failure_kind_code(kind: FailureKind) -> i16 {
    match kind {
        FailureKind::Missing => 1,
        FailureKind::Altered => 2,
        FailureKind::Unreadable => 3,
        FailureKind::Invalid => 4,
        FailureKind::TimedOut => 5,
    }
}

/// The kind of failure with this number.
pub(crate) fn failure_kind_of(code: i16) -> Result<FailureKind, DbError> {
    let found = FailureKind::ALL.into_iter().find(|kind| failure_kind_code(*kind) == code);
    found.ok_or_else(|| unknown("kind of failure", code))
}

/// The number of a job's state.
pub(crate) fn job_state_code(state: JobState) -> i16 {
    match state {
        JobState::Queued => 0,
        JobState::Running => 1,
        JobState::Finished => 2,
        JobState::Cancelled => 3,
    }
}

/// The job state with this number.
pub(crate) fn job_state_of(code: i16) -> Result<JobState, DbError> {
    let found = JobState::ALL.into_iter().find(|state| job_state_code(*state) == code);
    found.ok_or_else(|| unknown("job state", code))
}

/// The number of a kind of what nothing in a registry refers to.
pub(crate) fn unreferenced_kind_code(kind: UnreferencedKind) -> i16 {
    match kind {
        UnreferencedKind::Blob => 0,
        UnreferencedKind::Manifest => 1,
        UnreferencedKind::BlobOfUntagged => 2,
        UnreferencedKind::Upload => 3,
    }
}

/// The kind of what nothing in a registry refers to with this number.
pub(crate) fn unreferenced_kind_of(code: i16) -> Result<UnreferencedKind, DbError> {
    let found = UnreferencedKind::ALL.into_iter().find(|kind| unreferenced_kind_code(*kind) == code);
    found.ok_or_else(|| unknown("kind of unreferenced data", code))
}

/// The number of the state of a walk in search of orphans.
pub(crate) fn walk_state_code(state: WalkState) -> i16 {
    match state {
        WalkState::Queued => 0,
        WalkState::Running => 1,
        WalkState::Finished => 2,
        WalkState::Cancelled => 3,
        WalkState::Failed => 4,
    }
}

/// The state of a walk with this number.
pub(crate) fn walk_state_of(code: i16) -> Result<WalkState, DbError> {
    let found = WalkState::ALL.into_iter().find(|state| walk_state_code(*state) == code);
    found.ok_or_else(|| unknown("state of a walk", code))
}

/// The number of a state that a job selects by; `started` has one here.
pub(crate) fn selected_state_code(state: State) -> i16 {
    stored_state_code(state).unwrap_or(1)
}

/// The state with this number that a job selects by.
pub(crate) fn selected_state_of(code: i16) -> Result<State, DbError> {
    let found = State::ALL.into_iter().find(|state| selected_state_code(*state) == code);
    found.ok_or_else(|| unknown("selected state", code))
}

/// The number of a token's scope.
pub(crate) fn scope_code(scope: Scope) -> i16 {
    match scope {
        Scope::Api => 0,
        Scope::ReadApi => 1,
    }
}

/// The scope with this number.
pub(crate) fn scope_of(code: i16) -> Result<Scope, DbError> {
    [Scope::Api, Scope::ReadApi]
        .into_iter()
        .find(|scope| scope_code(*scope) == code)
        .ok_or_else(|| unknown("scope", code))
}

fn unknown(what: &str, code: i16) -> DbError {
    DbError::data(format!("{what} {code} is unknown"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_a_number_of_its_own() {
        for model in Model::ALL {
            assert_eq!(model_of(model_code(model)).unwrap(), model);
        }
        for state in State::ALL {
            assert_eq!(selected_state_of(selected_state_code(state)).unwrap(), state);
            assert!(stored_state_code(state).is_none_or(|code| state_of(code).unwrap() == state));
        }
        for kind in FailureKind::ALL {
            assert_eq!(failure_kind_of(failure_kind_code(kind)).unwrap(), kind);
        }
        for state in JobState::ALL {
            assert_eq!(job_state_of(job_state_code(state)).unwrap(), state);
        }
        for state in WalkState::ALL {
            assert_eq!(walk_state_of(walk_state_code(state)).unwrap(), state);
        }
        for kind in UnreferencedKind::ALL {
            assert_eq!(unreferenced_kind_of(unreferenced_kind_code(kind)).unwrap(), kind);
        }
        for scope in [Scope::Api, Scope::ReadApi] {
            assert_eq!(scope_of(scope_code(scope)).unwrap(), scope);
        }
        assert!(model_of(0).is_err());
        assert!(state_of(1).is_err());
    }
}
