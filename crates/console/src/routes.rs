//! Registering pages and actions. This is the only module that gives handlers to actix-web, and each of them gets a
//! [`Visit`], which there is for nobody who has not signed in; the pages for signing in are the one exception.

use std::panic::AssertUnwindSafe;
use std::rc::Rc;

use actix_web::http::header::{self, HeaderMap};
use actix_web::http::uri::PathAndQuery;
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Compress;
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, Resource, guard, web};
use futures_util::FutureExt as _;
use maud::{Markup, html};
use stocktake_domain::ports::{Outage, StoreError};
use stocktake_net::error::ErrorChain;
use stocktake_web::{LoggedCause, RequiredRole};

use crate::assets::{MARK, SCRIPT, STYLE};
use crate::error::ConsoleError;
use crate::icons::{Shape, icon};
use crate::query::{Address, Fields, own_path};
use crate::render::framed;
use crate::response::{Answer, Page, PageResult, redirect, secure};
use crate::visit::{Visit, request_id};
use crate::{
    Console, findings, jobs, login, orphans, overview, record, records, settings, sources, storages,
};

/// The largest form, in bytes.
const MAX_FORM: usize = 64 << 10;

/// After how many seconds the page of an outage asks again.
const TRY_AGAIN: &str = "10";

/// Adds the console to an application.
pub(crate) fn configure(console: &web::Data<Console>, config: &mut web::ServiceConfig) {
    let pages = web::scope("/console")
        .app_data(web::Data::clone(console))
        .app_data(web::PayloadConfig::new(MAX_FORM))
        .service(STYLE.resource())
        .service(SCRIPT.resource())
        .service(MARK.resource())
        .service(open("/login", login::page, login::sign_in))
        .service(action("/logout", RequiredRole::Reader, login::sign_out))
        .service(page("", overview::page))
        .service(page("/findings", findings::page))
        .service(page("/findings.csv", findings::csv))
        .service(page("/findings.json", findings::json))
        .service(page("/jobs", jobs::page))
        .service(action("/jobs/{id}/cancel", RequiredRole::Administrator, jobs::cancel))
        .service(page("/sync", sources::page))
        .service(page("/orphans", orphans::page))
        .service(action("/orphans/walk", RequiredRole::Administrator, orphans::walk))
        .service(action("/orphans/{id}/cancel", RequiredRole::Administrator, orphans::cancel))
        .service(page("/storages", storages::page))
        .service(page("/settings", settings::page))
        .service(page("/models/{model}", records::page))
        .service(action("/models/{model}/recalculate", RequiredRole::Administrator, records::recalculate))
        .service(page("/models/{model}/{identifier}", record::page))
        .service(action(
            "/models/{model}/{identifier}/recalculate",
            RequiredRole::Administrator,
            record::recalculate,
        ))
        .service(action("/models/{model}/{identifier}/accept", RequiredRole::Administrator, record::accept))
        .default_service(web::to(no_page))
        .wrap(Compress::default());
    let wants_page = |context: &guard::GuardContext<'_>| names_html(&context.head().headers);
    let home = web::resource("/")
        .guard(guard::Get())
        .guard(guard::fn_guard(wants_page))
        .to(async || redirect(&Address::console()));
    config.service(home).service(pages);
}

/// Whether a client says that it shows HTML.
fn names_html(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).filter_map(|value| value.to_str().ok());
    accepted
        .flat_map(|value| value.split(','))
        .any(|kind| kind.split(';').next().map(str::trim) == Some("text/html"))
}

/// A page for whoever may read.
fn page<F, Fut>(path: &str, handler: F) -> Resource
where
    F: Fn(Rc<Visit>) -> Fut + Clone + 'static,
    Fut: Future<Output = PageResult> + 'static,
{
    let get = move |console: web::Data<Console>, request: HttpRequest| {
        let handler = handler.clone();
        async move {
            let visit = Visit::admit(console.clone(), request.clone(), RequiredRole::Reader).await;
            serve(&console, &request, visit, &handler).await
        }
    };
    web::resource(path)
        .route(web::get().to(get.clone()))
        .route(web::head().to(get))
        .default_service(web::to(other_method))
}

/// An action, whose form must be of a page of the same session.
fn action<F, Fut>(path: &str, role: RequiredRole, handler: F) -> Resource
where
    F: Fn(Rc<Visit>, Fields) -> Fut + Clone + 'static,
    Fut: Future<Output = PageResult> + 'static,
{
    let post = move |console: web::Data<Console>,
                     request: HttpRequest,
                     body: Result<web::Bytes, actix_web::Error>| {
        let handler = handler.clone();
        async move {
            let visit = Visit::admit(console.clone(), request.clone(), role).await;
            serve(&console, &request, visit, |visit| async move {
                let form = form(&visit.request, body)?;
                visit.check_form(&form)?;
                handler(visit, form).await
            })
            .await
        }
    };
    web::resource(path).route(web::post().to(post)).default_service(web::to(other_method))
}

/// A page for anybody, and its form.
fn open<F, FutF, G, FutG>(path: &str, show: F, take: G) -> Resource
where
    F: Fn(web::Data<Console>, HttpRequest) -> FutF + Clone + 'static,
    FutF: Future<Output = Result<HttpResponse, ConsoleError>> + 'static,
    G: Fn(web::Data<Console>, HttpRequest, Fields) -> FutG + Clone + 'static,
    FutG: Future<Output = Result<HttpResponse, ConsoleError>> + 'static,
{
    let get = move |console: web::Data<Console>, request: HttpRequest| {
        let show = show.clone();
        async move { finish(&console, &request, None, show(console.clone(), request.clone()).await) }
    };
    let post = move |console: web::Data<Console>,
                     request: HttpRequest,
                     body: Result<web::Bytes, actix_web::Error>| {
        let take = take.clone();
        async move {
            let answer = match form(&request, body) {
                Ok(form) => take(console.clone(), request.clone(), form).await,
                Err(error) => Err(error),
            };
            finish(&console, &request, None, answer)
        }
    };
    web::resource(path)
        .route(web::get().to(get.clone()))
        .route(web::head().to(get))
        .route(web::post().to(post))
        .default_service(web::to(other_method))
}

/// The fields of a form. A browser says if another site's page sent it, which ours never needs.
fn form(request: &HttpRequest, body: Result<web::Bytes, actix_web::Error>) -> Result<Fields, ConsoleError> {
    let site = request.headers().get("sec-fetch-site").map(header::HeaderValue::as_bytes);
    if site.is_some_and(|site| site != b"same-origin" && site != b"none") {
        return Err(ConsoleError::Forbidden("The form was sent by a page of another site.".to_owned()));
    }
    let body =
        body.map_err(|error| ConsoleError::BadRequest(format!("The form cannot be read: {error}.")))?;
    Ok(Fields::parse(&body))
}

/// Whatever has no page; nobody learns which pages there are without signing in.
async fn no_page(console: web::Data<Console>, request: HttpRequest) -> HttpResponse {
    let visit = Visit::admit(console.clone(), request.clone(), RequiredRole::Reader).await;
    serve(&console, &request, visit, |_| async { Err(ConsoleError::NotFound) }).await
}

async fn other_method(console: web::Data<Console>, request: HttpRequest) -> HttpResponse {
    let visit = Visit::admit(console.clone(), request.clone(), RequiredRole::Reader).await;
    serve(&console, &request, visit, |_| async { Err(ConsoleError::MethodNotAllowed) }).await
}

/// Answers with the handler's page for a visitor who is let in.
async fn serve<F, Fut>(
    console: &Console,
    request: &HttpRequest,
    visit: Result<Visit, ConsoleError>,
    handler: F,
) -> HttpResponse
where
    F: FnOnce(Rc<Visit>) -> Fut,
    Fut: Future<Output = PageResult>,
{
    let visit = match visit {
        Ok(visit) => Rc::new(visit),
        Err(error) => return finish(console, request, None, Err(error)),
    };
    let answer = AssertUnwindSafe(handler(Rc::clone(&visit))).catch_unwind().await;
    let answer = answer.unwrap_or_else(|_| Err(ConsoleError::internal("the page panicked")));
    let response = answer.map(|answer| match answer {
        Answer::Page(page) => framed(console, request, Some(&visit), &page),
        Answer::Redirect(address) => redirect(&address),
        Answer::File(response) => response,
    });
    finish(console, request, Some(&visit), response)
}

/// The answer as it is sent, with the headers that all have.
fn finish(
    console: &Console,
    request: &HttpRequest,
    visit: Option<&Visit>,
    answer: Result<HttpResponse, ConsoleError>,
) -> HttpResponse {
    let mut response = answer.unwrap_or_else(|error| failed(console, request, visit, &error));
    secure(&mut response);
    response
}

/// The page of an error; of who has not signed in, the way there.
fn failed(
    console: &Console,
    request: &HttpRequest,
    visit: Option<&Visit>,
    error: &ConsoleError,
) -> HttpResponse {
    if matches!(error, ConsoleError::SignedOut) {
        return sign_in_first(console, request);
    }
    let status = error.status();
    if status.is_server_error() {
        request.extensions_mut().insert(LoggedCause(ErrorChain(error).to_string()));
    }
    // A form is sent again by nobody but who sent it.
    let comes_back = status == StatusCode::SERVICE_UNAVAILABLE && *request.method() == Method::GET;
    let (title, sentence) = told(error, comes_back);
    let main = html! {
        div class="head" {
            div {
                h1 class="verdict" { (icon(Shape::Warn, "warn")) (title) }
                p class="lede" { (sentence) }
            }
        }
        section class="block" aria-labelledby="known" {
            h2 id="known" { "What is known" }
            dl class="facts" {
                div { dt { "Status" } dd { (status) } }
                div { dt { "Request" } dd { code { (request_id(request)) } } }
                @if status.is_server_error() {
                    div { dt { "Why" } dd { "The log of the service says it under the request." } }
                }
            }
        }
    };
    // Without a database nobody knows who asks for the next page.
    let visit = visit.filter(|_| status != StatusCode::SERVICE_UNAVAILABLE);
    let mut response =
        framed(console, request, visit, &Page { title: title.to_owned(), section: None, status, main });
    if comes_back {
        response.headers_mut().insert(header::REFRESH, header::HeaderValue::from_static(TRY_AGAIN));
    }
    if let ConsoleError::TooManyTokens { retry_after } = error {
        response.headers_mut().insert(header::RETRY_AFTER, retry_after.as_secs().max(1).into());
    }
    response
}

/// Where to sign in, and the page that was asked for in mind. A browser that comes from another site does not show the
/// cookie, which is strict: it is asked to come again, from a page of ours.
fn sign_in_first(console: &Console, request: &HttpRequest) -> HttpResponse {
    let from_elsewhere = request.headers().get("sec-fetch-site").is_some_and(|site| site == "cross-site");
    let is_get = *request.method() == Method::GET;
    if is_get && from_elsewhere {
        let main = html! { h1 { "One moment" } p { a href=(request.uri()) { "Go on" } } };
        let page = Page { title: "Stocktake".to_owned(), section: None, status: StatusCode::OK, main };
        let mut response = framed(console, request, None, &page);
        response.headers_mut().insert(header::REFRESH, header::HeaderValue::from_static("0"));
        return response;
    }
    let asked = request.uri().path_and_query().map(PathAndQuery::as_str).filter(|_| is_get);
    let back = asked.and_then(own_path).filter(|path| *path != "/console");
    redirect(&Address::console().below("login").with("to", back))
}

/// What keeps the database from being used, and what that means.
fn outage(error: &StoreError) -> (&'static str, &'static str) {
    let outage = match error {
        StoreError::Unavailable(unavailable) => unavailable.outage,
        StoreError::Schema(_) | StoreError::Internal(_) => {
            let what = "Its schema is not the one that this version of Stocktake needs: bring both to the same version.";
            return ("The database does not fit this program", what);
        }
    };
    match outage {
        Outage::Unreachable => ("The database does not answer", "Stocktake cannot reach it."),
        Outage::Silent => (
            "The database does not answer in time",
            "It can be reached, and takes too long: it has much to do, or something there is locked.",
        ),
        Outage::ReadOnly => (
            "The database takes no changes",
            "It is a standby, or was made read-only. Signing in needs a change.",
        ),
        Outage::Contended => ("The database is busy", "Others changed the same at the same time."),
        Outage::Disk => (
            "The database cannot be used",
            "Its file was moved or replaced, or its disk is full or broken. Somebody has to look at it.",
        ),
    }
}

/// What is said of an error; of an outage, whether the page comes back by itself.
fn told(error: &ConsoleError, comes_back: bool) -> (&'static str, Markup) {
    let again = || {
        html! {
            @if comes_back { " This page comes back by itself. " a href="" { "Try now" } }
            @else { " What you asked for was not done: go back, and ask again." }
        }
    };
    match error {
        ConsoleError::Forbidden(reason) => ("Not allowed", html! { (reason) }),
        ConsoleError::BadRequest(reason) => ("That cannot be understood", html! { (reason) }),
        ConsoleError::NotFound => {
            ("Not found", html! { "There is no such page, or what it was about is gone." })
        }
        ConsoleError::MethodNotAllowed => ("Not found", html! { "There is nothing to see at this address." }),
        ConsoleError::TooManyTokens { retry_after } => (
            "Too many wrong tokens",
            html! { "Too many wrong tokens came from your address. Try again in " (retry_after.as_secs().max(1)) " s." },
        ),
        ConsoleError::Unavailable(error) => {
            let (title, what) = outage(error);
            (
                title,
                html! { (what) " Nothing is lost: what could not be written is checked again." (again()) },
            )
        }
        ConsoleError::Authority(_) => (
            "GitLab does not answer",
            html! {
                "Whether your token still counts is asked there."
                (again())
            },
        ),
        ConsoleError::SignedOut | ConsoleError::Internal(_) => (
            "Something went wrong",
            html! { "This is a fault of Stocktake. Whoever runs it finds more in the log." },
        ),
    }
}
