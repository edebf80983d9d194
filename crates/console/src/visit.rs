//! Who asks for a page: the session that the cookie names, and whom its token stands for now.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::Method;
use actix_web::{HttpMessage as _, HttpRequest, web};
use maud::{Markup, html};
use stocktake_domain::ports::{Credential, Identity};
use stocktake_domain::{Session, SessionToken, Timestamp};
use stocktake_web::{Caller, Client, Refusal, RequestId, RequiredRole, is_host, step};

use crate::Console;
use crate::error::ConsoleError;
use crate::query::Fields;
use crate::seal;
use crate::session::{SessionValue, is_over_https};

/// What the script sends when it looks for newer figures: nobody uses the session then.
const LIVE: &str = "x-stocktake-live";

/// How late a use of a session may be noted, at most; and a part of how long an unused one lasts.
const NOTED_LATE: Duration = Duration::from_secs(60);
const PART_OF_IDLE: u32 = 16;

/// Somebody who signed in and asks for a page.
pub(crate) struct Visit {
    pub(crate) console: web::Data<Console>,
    pub(crate) request: HttpRequest,
    pub(crate) identity: Arc<Identity>,
    pub(crate) now: Timestamp,
    value: SessionValue,
}

impl Visit {
    /// Lets the request in if its session's token has the role.
    pub(crate) async fn admit(
        console: web::Data<Console>,
        request: HttpRequest,
        role: RequiredRole,
    ) -> Result<Self, ConsoleError> {
        let value = SessionValue::of(&request).ok_or(ConsoleError::SignedOut)?;
        let terms = console.settings.session;
        let found = step("sessions.find", console.sessions.find(&value.digest(), terms)).await?;
        let session = found.ok_or(ConsoleError::SignedOut)?;
        let Some(identity) = identify(&console, &session, &value, address(&request)).await? else {
            step("sessions.end", console.sessions.end(&value.digest())).await?;
            return Err(ConsoleError::SignedOut);
        };
        request.extensions_mut().insert(Caller(Arc::clone(&identity)));
        check(role, &identity)?;
        let now = console.clock.now();
        note_use(&console, &session, &value, &request, now).await?;
        Ok(Self { console, request, identity, now, value })
    }

    /// Whether the visitor may change something.
    pub(crate) fn may_act(&self) -> bool {
        check(RequiredRole::Administrator, &self.identity).is_ok()
    }

    /// What the address says behind its question mark.
    pub(crate) fn query(&self) -> Fields {
        Fields::parse(self.request.query_string().as_bytes())
    }

    /// A part of the path.
    pub(crate) fn part(&self, name: &str) -> &str {
        self.request.match_info().get(name).unwrap_or_default()
    }

    /// What the URLs of this server begin with, as far as it is known.
    pub(crate) fn base_url(&self) -> String {
        if let Some(url) = &self.console.settings.external_url {
            return url.trim_end_matches('/').to_owned();
        }
        let scheme = if is_secure(&self.console, &self.request) { "https" } else { "http" };
        let host = self.request.headers().get("host").and_then(|host| host.to_str().ok());
        format!("{scheme}://{}", host.filter(|host| is_host(host)).unwrap_or("127.0.0.1:8080"))
    }

    /// The hidden field that every form of this visitor's has.
    pub(crate) fn form_value(&self) -> Markup {
        let salt = (self.console.secret)().unwrap_or_default();
        html! { input type="hidden" name="csrf" value=(self.value.form_value(&salt)); }
    }

    /// Refuses a form that is of no page of this session.
    pub(crate) fn check_form(&self, form: &Fields) -> Result<(), ConsoleError> {
        if form.get("csrf").is_some_and(|value| self.value.accepts(value)) {
            return Ok(());
        }
        let reason =
            "The form is not of a page of this session. Open the page again and repeat what you did.";
        Err(ConsoleError::Forbidden(reason.to_owned()))
    }

    /// Ends the session.
    pub(crate) async fn sign_out(&self) -> Result<(), ConsoleError> {
        Ok(step("sessions.end", self.console.sessions.end(&self.value.digest())).await?)
    }
}

/// Whom the session's token stands for now; `None` if it no longer counts.
async fn identify(
    console: &Console,
    session: &Session,
    value: &SessionValue,
    address: IpAddr,
) -> Result<Option<Arc<Identity>>, ConsoleError> {
    match &session.token {
        SessionToken::Own(digest) => Ok(console.authenticator.identify_kept(*digest).await?),
        SessionToken::Sealed(sealed) => match seal::open(sealed, &value.0) {
            Some(token) => {
                let credential = Credential::PrivateToken(token);
                Ok(console.authenticator.identify_kept_external(&credential, address).await?)
            }
            None => Ok(None),
        },
    }
}

/// Refuses a token that does not suffice, with a sentence. Only what an administrator alone may do changes something: to end
/// one's own session is everybody's, though a form is sent for it.
pub(crate) fn check(role: RequiredRole, identity: &Identity) -> Result<(), ConsoleError> {
    let method = if role == RequiredRole::Administrator { Method::POST } else { Method::GET };
    let reason = match role.check(identity, &method) {
        Ok(()) => return Ok(()),
        Err(Refusal::Rank) => {
            format!("{} is no administrator. The console is for administrators.", identity.username)
        }
        Err(Refusal::Scope) if identity.scope.is_some() => {
            "Your token may only read. To change something, sign in with a token that has the scope api."
                .to_owned()
        }
        Err(Refusal::Scope) => "The token has neither the scope api nor read_api.".to_owned(),
    };
    Err(ConsoleError::Forbidden(reason))
}

/// Keeps a used session from being idle. A use that was noted a moment ago is not noted again, so that most pages write
/// nothing.
async fn note_use(
    console: &Console,
    session: &Session,
    value: &SessionValue,
    request: &HttpRequest,
    now: Timestamp,
) -> Result<(), ConsoleError> {
    let noted_late = (console.settings.session.idle / PART_OF_IDLE).min(NOTED_LATE);
    if request.headers().contains_key(LIVE) || now.since(session.used_at) < noted_late {
        return Ok(());
    }
    Ok(step("sessions.touch", console.sessions.touch(&value.digest())).await?)
}

/// The client's address.
pub(crate) fn address(request: &HttpRequest) -> IpAddr {
    request.extensions().get::<Client>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |client| client.address)
}

/// Whether the browser asked over HTTPS.
pub(crate) fn is_secure(console: &Console, request: &HttpRequest) -> bool {
    is_over_https(console, request, request.extensions().get::<Client>())
}

/// The id of the request.
pub(crate) fn request_id(request: &HttpRequest) -> String {
    let extensions = request.extensions();
    let id = extensions.get::<RequestId>().and_then(|id| id.0.to_str().ok());
    id.unwrap_or_default().to_owned()
}
