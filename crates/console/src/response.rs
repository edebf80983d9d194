//! What pages and actions answer with, and the headers that all answers have.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use maud::Markup;

use crate::error::ConsoleError;
use crate::frame::Section;
use crate::query::Address;
use crate::shown::visible;

/// Nothing from another host, nothing inline, in nobody's frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const HEADERS: [(HeaderName, &str); 5] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::REFERRER_POLICY, "same-origin"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    // Who signs out leaves nothing behind.
    (header::CACHE_CONTROL, "no-store"),
];

/// The content of a page, around which the frame comes.
pub(crate) struct Page {
    pub(crate) title: String,
    pub(crate) section: Option<Section>,
    pub(crate) status: StatusCode,
    pub(crate) main: Markup,
}

impl Page {
    /// A page of this part of the navigation.
    pub(crate) fn new(title: impl Into<String>, section: Section, main: Markup) -> Self {
        Self { title: title.into(), section: Some(section), status: StatusCode::OK, main }
    }
}

/// What a page or an action answers with.
pub(crate) enum Answer {
    Page(Page),
    /// To another page of ours.
    Redirect(Address),
    /// Something to save.
    File(HttpResponse),
}

/// The answer, or the error that becomes a page.
pub(crate) type PageResult = Result<Answer, ConsoleError>;

impl From<Page> for Answer {
    fn from(page: Page) -> Self {
        Self::Page(page)
    }
}

/// A page as it is sent. There is no other way to send one.
pub(crate) fn html(status: StatusCode, document: Markup) -> HttpResponse {
    HttpResponse::build(status).content_type("text/html; charset=utf-8").body(visible(document))
}

/// To another page of ours, which is then asked for with `GET`.
pub(crate) fn redirect(address: &Address) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((header::LOCATION, address.to_string())).finish()
}

/// Sets what all answers have.
pub(crate) fn secure(response: &mut HttpResponse) {
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
}
