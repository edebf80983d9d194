//! A page as it is sent: its content in the frame of whoever looks at it.

use actix_web::{HttpRequest, HttpResponse};

use crate::Console;
use crate::frame::{Frame, Visitor};
use crate::response::{Page, html};
use crate::visit::{Visit, request_id};

/// The page, for a visitor or for anybody.
pub(crate) fn framed(
    console: &Console,
    request: &HttpRequest,
    visit: Option<&Visit>,
    page: &Page,
) -> HttpResponse {
    let frame = Frame {
        title: &page.title,
        section: page.section,
        visitor: visit
            .map(|visit| Visitor { name: &visit.identity.username, form_value: visit.form_value() }),
        request_id: &request_id(request),
        settings: &console.settings,
    };
    html(page.status, frame.around(&page.main))
}
