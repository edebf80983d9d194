//! The types of parameters and fields: one of several names, taken from where they are defined, or a number.

use std::borrow::Cow;

use stocktake_domain::{Model, State};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

/// The name of a model.
pub(crate) struct ModelName;

impl PartialSchema for ModelName {
    fn schema() -> RefOr<Schema> {
        one_of(&Model::ALL.map(Model::name))
    }
}

impl ToSchema for ModelName {
    fn name() -> Cow<'static, str> {
        "ModelName".into()
    }
}

/// The name of a record's state.
pub(crate) struct StateName;

impl PartialSchema for StateName {
    fn schema() -> RefOr<Schema> {
        one_of(&State::ALL.map(State::name))
    }
}

impl ToSchema for StateName {
    fn name() -> Cow<'static, str> {
        "ChecksumState".into()
    }
}

/// An order by primary key.
pub(crate) struct SortName;

impl PartialSchema for SortName {
    fn schema() -> RefOr<Schema> {
        one_of(&["asc", "desc"])
    }
}

impl ToSchema for SortName {}

/// A kind of pagination.
pub(crate) struct PaginationName;

impl PartialSchema for PaginationName {
    fn schema() -> RefOr<Schema> {
        one_of(&["offset", "keyset"])
    }
}

impl ToSchema for PaginationName {}

/// An integer of at least 1, however large.
pub(crate) struct Positive;

impl PartialSchema for Positive {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)).into()
    }
}

impl ToSchema for Positive {}

fn one_of(names: &[&str]) -> RefOr<Schema> {
    let names = names.iter().copied();
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names)).into()
}
