//! Signing in and out.

use std::rc::Rc;

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, web};
use maud::{Markup, html};
use stocktake_domain::{NewSession, SessionToken};
use stocktake_web::{Credentials, RequiredRole, step};

use crate::Console;
use crate::command::command;
use crate::error::ConsoleError;
use crate::icons::{Shape, icon};
use crate::query::{Address, Fields, own_path};
use crate::render::framed;
use crate::response::{Answer, Page, PageResult, redirect};
use crate::seal;
use crate::session::{SessionValue, removal};
use crate::visit::{Visit, address, check, is_secure};

/// `GET /console/login`.
pub(crate) async fn page(
    console: web::Data<Console>,
    request: HttpRequest,
) -> Result<HttpResponse, ConsoleError> {
    let query = Fields::parse(request.query_string().as_bytes());
    let back = query.get("to").and_then(own_path);
    Ok(shown(&console, &request, StatusCode::OK, back, None))
}

/// `POST /console/login`: begins a session with a token.
pub(crate) async fn sign_in(
    console: web::Data<Console>,
    request: HttpRequest,
    form: Fields,
) -> Result<HttpResponse, ConsoleError> {
    let back = form.get("to").and_then(own_path);
    let refused = |status, why: &str| Ok(shown(&console, &request, status, back, Some(why)));
    let token = form.get("token").unwrap_or_default();
    let credentials = Credentials::PrivateToken(token.as_bytes().into());
    let own = credentials.local();
    let identity = match console.authenticator.identify(credentials, address(&request)).await {
        Ok(identity) => identity,
        Err(error) => match ConsoleError::from(error) {
            ConsoleError::SignedOut => return refused(StatusCode::UNAUTHORIZED, "Invalid token"),
            error => return Err(error),
        },
    };
    if let Err(ConsoleError::Forbidden(reason)) = check(RequiredRole::Reader, &identity) {
        return refused(StatusCode::FORBIDDEN, &reason);
    }
    let value =
        (console.secret)().map(SessionValue).ok_or_else(|| ConsoleError::internal("no random value"))?;
    let token = match own {
        Some(digest) => SessionToken::Own(digest),
        None => SessionToken::Sealed(sealed(token, &value)?),
    };
    step("sessions.delete_ended", console.sessions.delete_ended(console.settings.session)).await?;
    let session = NewSession { digest: value.digest(), token };
    step("sessions.begin", console.sessions.begin(&session)).await?;
    tracing::info!(token.owner = identity.username, "{} signed in to the console", identity.username);
    let mut response = redirect(&Address::console());
    if let Some(back) = back.and_then(|back| back.parse().ok()) {
        response.headers_mut().insert(header::LOCATION, back);
    }
    let added = response.add_cookie(&value.cookie(is_secure(&console, &request)));
    added.map_err(|error| ConsoleError::Internal(error.into()))?;
    Ok(response)
}

/// `POST /console/logout`: ends the session.
pub(crate) async fn sign_out(visit: Rc<Visit>, _: Fields) -> PageResult {
    visit.sign_out().await?;
    let mut response = redirect(&Address::console().below("login"));
    let removed = response.add_cookie(&removal(is_secure(&visit.console, &visit.request)));
    removed.map_err(|error| ConsoleError::Internal(error.into()))?;
    Ok(Answer::File(response))
}

fn sealed(token: &str, value: &SessionValue) -> Result<Vec<u8>, ConsoleError> {
    let sealed = seal::seal(token, &value.0).filter(|sealed| sealed.len() <= SessionToken::MAX_SEALED);
    sealed.ok_or_else(|| ConsoleError::BadRequest("The token is too long.".to_owned()))
}

fn shown(
    console: &Console,
    request: &HttpRequest,
    status: StatusCode,
    back: Option<&str>,
    refused: Option<&str>,
) -> HttpResponse {
    let main = form(console, back, refused);
    framed(console, request, None, &Page { title: "Sign in".to_owned(), section: None, status, main })
}

fn form(console: &Console, back: Option<&str>, refused: Option<&str>) -> Markup {
    let gitlab = console.settings.gitlab.as_deref();
    html! {
        form class="door stack" method="post" action="/console/login" {
            @if let Some(back) = back { input type="hidden" name="to" value=(back); }
            input type="text" name="user" value="token" autocomplete="username" hidden;
            h1 { "Sign in" }
            p class="soft" {
                "With an access token of an administrator: one of Stocktake’s own"
                @if let Some(gitlab) = gitlab { ", or a personal access token of " (gitlab) }
                "."
            }
            @if let Some(why) = refused {
                div class="note wrong" role="alert" { (icon(Shape::Failed, "bad")) p { (why) } }
            }
            div class="fields" {
                div class="broad" {
                    label for="token" { "Access token" }
                    input id="token" name="token" type="password" autocomplete="current-password" required
                        aria-describedby="help" spellcheck="false";
                }
            }
            p { button type="submit" class="primary" { "Sign in" } }
            details id="help" {
                summary { "No token yet?" }
                p { "On the host where Stocktake runs:" }
                (command("stocktake token create NAME --admin", "the command"))
                p class="soft" { "A token with " code { "--scope read_api" } " sees everything and can change nothing." }
            }
        }
    }
}
