//! The types of parameters and fields: enumerations, whose names come from the domain, and numbers.

use std::borrow::Cow;

use stocktake_domain::{FailureKind, Model, State};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Schema, Type};
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

/// A kind of failure.
pub(crate) struct FailureKindName;

impl PartialSchema for FailureKindName {
    fn schema() -> RefOr<Schema> {
        one_of(&FailureKind::ALL.map(FailureKind::name))
    }
}

impl ToSchema for FailureKindName {
    fn name() -> Cow<'static, str> {
        "FailureKind".into()
    }
}

/// The form of an answer.
pub(crate) struct FormatName;

impl PartialSchema for FormatName {
    fn schema() -> RefOr<Schema> {
        one_of(&["json", "csv"])
    }
}

impl ToSchema for FormatName {}

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

/// A record's primary key as a text: an integer in decimal, or a composite as URL-safe base64.
pub(crate) struct IdentifierText;

impl PartialSchema for IdentifierText {
    fn schema() -> RefOr<Schema> {
        let pattern = Some("^(-?[0-9]+|[A-Za-z0-9_-]+={0,2})$");
        ObjectBuilder::new().schema_type(Type::String).pattern(pattern).into()
    }
}

impl ToSchema for IdentifierText {}

/// A record's primary key as it is shown in JSON, and accepted as well as its text.
pub(crate) struct Identifier;

impl PartialSchema for Identifier {
    fn schema() -> RefOr<Schema> {
        let integer = ObjectBuilder::new().schema_type(Type::Integer);
        let text = "An integer, or a composite as URL-safe base64 of its parts joined by one space.";
        OneOfBuilder::new().item(integer).item(IdentifierText::schema()).description(Some(text)).into()
    }
}

impl ToSchema for Identifier {}

fn one_of(names: &[&str]) -> RefOr<Schema> {
    let names = names.iter().copied();
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names)).into()
}
