//! The Data management API.

mod list;
mod recalculate_many;
mod recalculate_one;
mod show;

use actix_web::HttpRequest;
use percent_encoding::percent_decode_str;
use stocktake_domain::{Model, RecordKey};

use crate::error::ApiError;
use crate::parameters::Parameters;
use crate::routing::Endpoint;
use crate::validation::Checker;

pub(crate) use list::__path_list;
pub(crate) use recalculate_many::__path_recalculate_many;
pub(crate) use recalculate_one::__path_recalculate_one;
pub(crate) use show::__path_show;

/// The endpoints.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::at("/api/v4/admin/data_management/{model_name}").get(list::list),
        // `checksum` is also the text of an (impossible) record identifier, so that reading it gives the error of one.
        Endpoint::at("/api/v4/admin/data_management/{model_name}/checksum")
            .get(show::show)
            .put(recalculate_many::recalculate_many),
        Endpoint::at("/api/v4/admin/data_management/{model_name}/{record_identifier}").get(show::show),
        Endpoint::at("/api/v4/admin/data_management/{model_name}/{record_identifier}/checksum")
            .put(recalculate_one::recalculate_one),
    ]
}

/// The model and the record in the path, and the record's identifier as it was sent.
fn named_record(request: &HttpRequest) -> Result<(Model, RecordKey, String), ApiError> {
    let none = Parameters::default();
    let mut checker = Checker::new(&none);
    let model = checker.model(&segment(request, "model_name").unwrap_or_default());
    let model = checker.finish(model)?;
    let identifier = segment(request, "record_identifier").unwrap_or_else(|| "checksum".to_owned());
    let key = identifier.parse().map_err(|error| ApiError::identifier(error, &identifier))?;
    Ok((model, key, identifier))
}

/// A named part of the path, decoded; invalid UTF-8 becomes replacement characters.
fn segment(request: &HttpRequest, name: &str) -> Option<String> {
    let text = request.match_info().get(name)?;
    Some(percent_decode_str(text).decode_utf8_lossy().into_owned())
}
