//! What the API's description and the bodies share: the types of parameters and fields, the refusals and the
//! parameters that several paths have.

mod names;
mod shared;

pub(crate) use names::{FailureKindName, FormatName, Identifier, ModelName, Positive, StateName};
pub(crate) use shared::{
    AdministratorRefusals, FilterParameters, InternalRefusal, JobPath, ModelPath, PageParameters, RecordPath,
    TargetBody, TokenRefusals,
};
