//! The types of parameters and fields: enumerations, whose names come from the domain, and numbers.

use std::borrow::Cow;

use stocktake_domain::{EvidenceLevel, FailureKind, Model, State};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

/// Defines enumerations of texts, each with the name of its schema.
macro_rules! text_choices {
    ($($(#[$doc:meta])* $name:ident as $schema:literal: $choices:expr;)+) => {
        $(
            $(#[$doc])*
            pub(crate) struct $name;

            impl PartialSchema for $name {
                fn schema() -> RefOr<Schema> {
                    let choices = $choices;
                    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(choices)).into()
                }
            }

            impl ToSchema for $name {
                fn name() -> Cow<'static, str> {
                    $schema.into()
                }
            }
        )+
    };
}

text_choices! {
    /// The name of a model.
    ModelName as "ModelName": Model::ALL.map(Model::name);
    /// The name of a record's state.
    StateName as "ChecksumState": State::ALL.map(State::name);
    /// A kind of failure.
    FailureKindName as "FailureKind": FailureKind::ALL.map(FailureKind::name);
    /// What a good verdict rests on.
    EvidenceLevelName as "EvidenceLevel": EvidenceLevel::ALL.map(EvidenceLevel::name);
    /// The form of an answer.
    FormatName as "FormatName": ["json", "csv"];
    /// An order by primary key.
    SortName as "SortName": ["asc", "desc"];
    /// A kind of pagination.
    PaginationName as "PaginationName": ["offset", "keyset"];
}

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
