//! The contracts of `Source` and `Authority`.

use std::sync::Arc;

use stocktake_domain::Model;
use stocktake_domain::contract::{AuthorityFixture, SourceFixture};
use stocktake_domain::ports::Credential;
use stocktake_source_gitlab::{GitlabAuthority, GitlabAuthoritySettings};
use stocktake_testbed::{Asked, Fault, FaultProxy};

use crate::support::{loaded, source};

/// Runs a case to its end.
fn run(case: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(case);
}

async fn gitlab() -> SourceFixture {
    let (url, _) = loaded();
    SourceFixture { source: Arc::new(source(&url)), model: Model::Projects, keep: Box::new(()) }
}

async fn api() -> AuthorityFixture {
    let answer = |asked: &Asked| {
        let known = asked.header("private-token") == Some("glpat-right");
        let (status, body) = match asked.target.as_str() {
            _ if !known => (401, r#"{"message":"401 Unauthorized"}"#),
            "/api/v4/user" => {
                (200, r#"{"id":42,"username":"ada","name":"Ada","state":"active","is_admin":true}"#)
            }
            "/api/v4/personal_access_tokens/self" => {
                (200, r#"{"scopes":["api"],"active":true,"revoked":false}"#)
            }
            _ => (404, r#"{"error":"404 Not Found"}"#),
        };
        Fault::Answer { status, headers: vec![], body: body.to_owned() }
    };
    let server = FaultProxy::start("127.0.0.1:1", answer).unwrap();
    let settings = GitlabAuthoritySettings { url: server.url(), ca_certificates: None };
    AuthorityFixture {
        authority: Arc::new(GitlabAuthority::new(&settings).unwrap()),
        administrator: Credential::PrivateToken("glpat-right".to_owned()),
        unknown: Credential::PrivateToken("glpat-wrong".to_owned()),
        keep: Box::new(server),
    }
}

stocktake_domain::source_contract!(crate::contract::run, crate::contract::gitlab);
stocktake_domain::authority_contract!(crate::contract::run, crate::contract::api);
