//! Tokens of GitLab, asked about over real connections.

use std::error::Error as _;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;

use stocktake_domain::Scope;
use stocktake_domain::ports::{Authority as _, AuthorityError, Credential, Identity};
use stocktake_net::error::ErrorChain;
use stocktake_net::tls::TlsError;
use stocktake_source_gitlab::{AuthoritySettingsError, GitlabAuthority, GitlabAuthoritySettings};
use stocktake_testbed::{Asked, Certificate, Fault, FaultProxy};

const USER: &str = "/api/v4/user";
const SELF: &str = "/api/v4/personal_access_tokens/self";
const OAUTH: &str = "/oauth/token/info";

/// As GitLab tells it to an administrator, with a part of what else is in it.
const ADA: &str = r#"{"id":42,"username":"ada","name":"Ada Lovelace","state":"active","locked":false,"is_admin":true,"email":"ada@example.com","note":null}"#;

const API: &str = r#"{"id":1,"name":"t","revoked":false,"scopes":["read_user","api"],"user_id":42,"active":true,"expires_at":null}"#;

/// What is answered at one path.
type Page<'a> = (&'a str, u16, &'a str);

/// A GitLab that answers so, and 404 everywhere else.
fn gitlab(pages: &[Page<'_>]) -> FaultProxy {
    let pages: Vec<_> =
        pages.iter().map(|(path, status, body)| ((*path).to_owned(), *status, (*body).to_owned())).collect();
    let answer = move |asked: &Asked| {
        let page = pages.iter().find(|(path, ..)| *path == asked.target).cloned();
        let (_, status, body) =
            page.unwrap_or((String::new(), 404, r#"{"error":"404 Not Found"}"#.to_owned()));
        Fault::Answer { status, headers: vec![], body }
    };
    FaultProxy::start("127.0.0.1:1", answer).unwrap()
}

fn settings(url: &str) -> GitlabAuthoritySettings {
    GitlabAuthoritySettings { url: url.to_owned(), ca_certificates: None }
}

fn authority(url: &str) -> GitlabAuthority {
    GitlabAuthority::new(&settings(url)).unwrap()
}

async fn identify(gitlab: &FaultProxy, credential: &Credential) -> Result<Option<Identity>, AuthorityError> {
    authority(&gitlab.url()).identify(credential).await
}

fn private() -> Credential {
    Credential::PrivateToken("glpat-secret".to_owned())
}

fn bearer() -> Credential {
    Credential::Bearer("glpat-secret".to_owned())
}

fn ada(scope: Option<Scope>) -> Identity {
    Identity { id: 42, username: "ada".to_owned(), name: "Ada Lovelace".to_owned(), admin: true, scope }
}

#[tokio::test]
async fn a_user_is_known_by_number_name_and_rank() {
    let not_told = ADA.replace(r#""is_admin":true,"#, "");
    let no = ADA.replace(r#""is_admin":true"#, r#""is_admin":false"#);
    for (body, admin) in [(ADA, true), (&not_told, false), (&no, false)] {
        let gitlab = gitlab(&[(USER, 200, body), (SELF, 200, API)]);
        let found = identify(&gitlab, &private()).await.unwrap();
        assert_eq!(found, Some(Identity { admin, ..ada(Some(Scope::Api)) }), "{body}");
    }
}

#[tokio::test]
async fn unknown_tokens_and_inactive_users_are_nobody() {
    let blocked = ADA.replace("active", "blocked");
    let refused = r#"{"message":"401 Unauthorized"}"#;
    let (inactive, revoked) = (
        API.replace(r#""active":true"#, r#""active":false"#),
        API.replace(r#""revoked":false"#, r#""revoked":true"#),
    );
    for pages in [
        [(USER, 401, refused), (SELF, 200, API)],
        [(USER, 403, refused), (SELF, 200, API)],
        [(USER, 200, blocked.as_str()), (SELF, 200, API)],
        [(USER, 200, ADA), (SELF, 401, refused)],
        [(USER, 200, ADA), (SELF, 200, inactive.as_str())],
        [(USER, 200, ADA), (SELF, 200, revoked.as_str())],
    ] {
        let gitlab = gitlab(&pages);
        for credential in [private(), bearer()] {
            assert_eq!(identify(&gitlab, &credential).await.unwrap(), None, "{pages:?}");
        }
    }
}

#[tokio::test]
async fn a_personal_access_token_tells_its_scopes() {
    for (scopes, scope) in [
        (r#"["api"]"#, Some(Scope::Api)),
        (r#"["read_api","api"]"#, Some(Scope::Api)),
        (r#"["read_user","read_api"]"#, Some(Scope::ReadApi)),
        (r#"["read_user","sudo","admin_mode"]"#, None),
        ("[]", None),
    ] {
        let token = API.replace(r#"["read_user","api"]"#, scopes);
        let gitlab = gitlab(&[(USER, 200, ADA), (SELF, 200, &token)]);
        for credential in [private(), bearer()] {
            assert_eq!(identify(&gitlab, &credential).await.unwrap(), Some(ada(scope)), "{scopes}");
        }
        assert!(gitlab.asked().iter().all(|asked| asked.target != OAUTH));
    }
}

#[tokio::test]
async fn tokens_of_another_kind_are_for_what_gitlab_says_or_for_reading() {
    let of = |scope: &str| format!(r#"{{"resource_owner_id":42,"scope":[{scope}],"expires_in":7200}}"#);
    let (api, read, other) = (of(r#""openid","api""#), of(r#""read_api""#), of(r#""read_user""#));
    let kind =
        r#"{"message":"400 Bad request - This endpoint requires token type to be a personal access token"}"#;
    let (all, reading) = (Some(Scope::Api), Some(Scope::ReadApi));
    let rows = [
        (bearer(), 400, (200, api.as_str()), all),
        (bearer(), 400, (200, &read), reading),
        (bearer(), 400, (200, &other), None),
        (bearer(), 400, (401, "{}"), reading),
        (bearer(), 400, (404, "{}"), reading),
        (bearer(), 400, (403, "{}"), reading),
        (bearer(), 404, (200, &api), all),
        (bearer(), 404, (200, &read), reading),
        (bearer(), 404, (401, "{}"), all),
        (bearer(), 404, (404, "{}"), all),
        (bearer(), 404, (403, "{}"), reading),
        (bearer(), 403, (200, &api), reading),
        (private(), 404, (200, &read), all),
        (private(), 400, (200, &api), reading),
        (private(), 403, (200, &api), reading),
    ];
    for (credential, status, (oauth, info), scope) in rows {
        let own = if status == 404 { r#"{"error":"404 Not Found"}"# } else { kind };
        let gitlab = gitlab(&[(USER, 200, ADA), (SELF, status, own), (OAUTH, oauth, info)]);
        let found = identify(&gitlab, &credential).await.unwrap();
        assert_eq!(found, Some(ada(scope)), "{status} {oauth} {info}");
    }
}

#[tokio::test]
async fn only_gitlab_itself_can_say_that_it_does_not_know_the_question() {
    let (all, reading) = (Some(Scope::Api), Some(Scope::ReadApi));
    for (body, scope) in [
        (r#"{"error":"404 Not Found"}"#, all),
        (r#"{"message":"404 Not found"}"#, all),
        (r#"{"message":{"id":["404"]}}"#, reading),
        (r#"{"message":"Not Found"}"#, reading),
        (r#"{"status":"404"}"#, reading),
        ("404 page not found", reading),
        ("<html>404 Not Found</html>", reading),
        ("", reading),
    ] {
        let gitlab = gitlab(&[(USER, 200, ADA), (SELF, 404, body)]);
        for credential in [private(), bearer()] {
            assert_eq!(identify(&gitlab, &credential).await.unwrap(), Some(ada(scope)), "{body}");
        }
    }
}

#[tokio::test]
async fn the_token_is_sent_in_the_header_it_came_in() {
    let below = [USER, SELF, OAUTH].map(|path| format!("/gitlab{path}"));
    let [user, own, oauth] = below.each_ref().map(String::as_str);
    let pages = [(user, 200, ADA), (own, 400, "{}"), (oauth, 200, r#"{"scope":["api"]}"#)];
    for url in ["/gitlab", "/gitlab/"] {
        let gitlab = gitlab(&pages);
        let authority = authority(&format!("{}{url}", gitlab.url()));
        assert!(authority.identify(&bearer()).await.unwrap().is_some());
        assert!(authority.identify(&private()).await.unwrap().is_some());
        let asked = gitlab.asked();
        let targets: Vec<_> = asked.iter().map(|asked| asked.target.as_str()).collect();
        assert_eq!(targets, [user, own, oauth, user, own]);
        for (number, asked) in asked.iter().enumerate() {
            let headers = (asked.header("Authorization"), asked.header("PRIVATE-TOKEN"));
            let bearer = (Some("Bearer glpat-secret"), None);
            assert_eq!(headers, if number < 3 { bearer } else { (None, Some("glpat-secret")) });
        }
    }
}

#[tokio::test]
async fn texts_that_are_no_tokens_are_not_sent() {
    let gitlab = gitlab(&[(USER, 200, ADA), (SELF, 200, API)]);
    let long = "a".repeat(1025);
    for text in ["", " ", "a b", "a\r\nHost: b", "a\tb", "\u{7f}", "é", &long] {
        for credential in [Credential::PrivateToken(text.to_owned()), Credential::Bearer(text.to_owned())] {
            assert_eq!(identify(&gitlab, &credential).await.unwrap(), None, "{text:?}");
        }
    }
    assert!(gitlab.asked().is_empty());
    let longest = Credential::PrivateToken("~".repeat(1024));
    assert!(identify(&gitlab, &longest).await.unwrap().is_some());
}

/// The error with all its causes, which must not show the token.
fn causes(error: &AuthorityError) -> String {
    let text = error.source().map(|cause| ErrorChain(cause).to_string()).unwrap_or_default();
    assert!(!format!("{error:?} {text}").contains("secret"), "{error:?} {text}");
    text
}

#[tokio::test]
async fn whatever_else_is_answered_says_nothing_of_the_token() {
    let large = format!("{ADA}{}", " ".repeat(64 * 1024));
    let fits = format!("{ADA}{}", " ".repeat(64 * 1024 - ADA.len()));
    let html = "<html>Sign in</html>";
    let rows = [
        ([(USER, 500, ""), (SELF, 200, API)], "answers 500 Internal Server Error"),
        ([(USER, 404, ""), (SELF, 200, API)], "answers 404 Not Found"),
        ([(USER, 429, ""), (SELF, 200, API)], "answers 429 Too Many Requests"),
        ([(USER, 204, ""), (SELF, 200, API)], "answers 204 No Content"),
        ([(USER, 301, ""), (SELF, 200, API)], "redirects to another address, to which no token is sent"),
        ([(USER, 200, html), (SELF, 200, API)], "is not GitLab's"),
        ([(USER, 200, r#"{"id":42}"#), (SELF, 200, API)], "is not GitLab's"),
        ([(USER, 200, &large), (SELF, 200, API)], "has more than 65536 bytes"),
        ([(USER, 200, &fits), (SELF, 502, "")], "answers 502 Bad Gateway"),
        ([(USER, 200, ADA), (SELF, 302, "")], "redirects to another address, to which no token is sent"),
        ([(USER, 200, ADA), (SELF, 200, html)], "is not GitLab's"),
    ];
    for (pages, text) in rows {
        let gitlab = gitlab(&pages);
        for credential in [private(), bearer()] {
            let error = identify(&gitlab, &credential).await.unwrap_err();
            assert!(causes(&error).contains(text), "{text}: {}", causes(&error));
        }
    }
    let broken = gitlab(&[(USER, 200, ADA), (SELF, 400, ""), (OAUTH, 503, "")]);
    let error = identify(&broken, &bearer()).await.unwrap_err();
    assert!(causes(&error).contains("/oauth/token/info answers 503"), "{}", causes(&error));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let other = Arc::new(gitlab(&[(USER, 200, ADA), (SELF, 200, API)]));
    let to = other.url();
    let gitlab = FaultProxy::start("127.0.0.1:1", move |asked| Fault::Answer {
        status: 307,
        headers: vec![("Location".to_owned(), format!("{to}{}", asked.target))],
        body: String::new(),
    })
    .unwrap();
    for credential in [private(), bearer()] {
        assert!(identify(&gitlab, &credential).await.is_err());
    }
    assert!(other.asked().is_empty());
}

#[tokio::test]
async fn a_gitlab_that_is_away_is_an_error() {
    let hangs_up = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = hangs_up.local_addr().unwrap();
    std::thread::spawn(move || hangs_up.incoming().for_each(drop));
    let error = authority(&format!("http://{address}")).identify(&private()).await.unwrap_err();
    assert!(causes(&error).starts_with(&format!("http://{address}/ broke off: ")), "{}", causes(&error));

    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = authority(&format!("http://{nobody}")).identify(&private()).await.unwrap_err();
    assert!(
        causes(&error).starts_with(&format!("http://{nobody}/ cannot be reached: ")),
        "{}",
        causes(&error)
    );
}

#[test]
fn an_address_must_be_one_that_can_be_asked() {
    for (url, why) in [
        ("", "is no URL"),
        ("gitlab.example.com", "is no URL"),
        ("ftp://gitlab.example.com", "does not begin with http:// or https://"),
        ("https://ada:secret@gitlab.example.com", "has a user name or a password in it"),
        ("https://gitlab.example.com/?a=b", "has a query or a fragment"),
        ("https://gitlab.example.com/#a", "has a query or a fragment"),
    ] {
        let error = GitlabAuthority::new(&settings(url)).unwrap_err();
        assert_eq!(error.to_string(), format!("the URL of GitLab {why}"), "{url}");
    }
    assert!(GitlabAuthority::new(&settings("HTTPS://gitlab.example.com:8443/a/b/")).is_ok());
}

#[tokio::test]
async fn a_certificate_is_trusted_only_if_the_configuration_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = Certificate::issue(folder.path(), "IP:127.0.0.1").unwrap();
    let gitlab = gitlab(&[(USER, 200, ADA), (SELF, 200, API)]);
    let url = format!("https://{}", certificate.serve(gitlab.address()).unwrap());
    let trusting = |path: &Path| {
        GitlabAuthority::new(&GitlabAuthoritySettings {
            ca_certificates: Some(path.to_owned()),
            ..settings(&url)
        })
    };
    let error = authority(&url).identify(&private()).await.unwrap_err();
    assert!(causes(&error).contains("invalid peer certificate"), "{}", causes(&error));
    let found = trusting(&certificate.authority).unwrap().identify(&private()).await.unwrap();
    assert_eq!(found, Some(ada(Some(Scope::Api))));
    for path in [certificate.key, folder.path().join("nothing.pem")] {
        let error = trusting(&path).unwrap_err();
        assert!(matches!(error, AuthoritySettingsError::Certificates(TlsError::File { .. })), "{error}");
    }
}
