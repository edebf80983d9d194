//! Tokens: made and revoked on the command line, checked by the API.

use std::process::Command;

use crate::support::{Installation, eventually, line};

const UPLOADS: &str = "/api/v4/admin/data_management/uploads";

#[test]
fn a_token_that_nobody_was_told_is_revoked_again() {
    let installation = Installation::new(crate::support::Database::Sqlite);
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let mut command = installation.command(&["token", "create", "lost"]);
    let output = command.stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let sentence = String::from_utf8(output.stderr).unwrap();
    assert!(sentence.starts_with("stocktake: the token \"lost\" was revoked again: "), "{sentence}");
    let list = installation.run(&["token", "list"]).success();
    assert!(list.contains("lost ") && list.trim_end().ends_with(" revoked"), "{list}");
    installation.run(&["token", "create", "brief", "--expires-in", "1ms"]).success();
    let list = installation.run(&["token", "list"]).success();
    assert!(list.lines().any(|line| line.starts_with("brief ") && line.ends_with(" expired")), "{list}");
}

/// Whoever pastes the line sees that the token works.
#[test]
fn a_new_token_is_tried_with_the_line_that_is_said() {
    let installation = Installation::new(crate::support::Database::Sqlite);
    installation.run(&["migrate"]).success();
    let service = installation.start(&["serve"]);
    // Nobody knows where a service on any free port is.
    assert_eq!(installation.run(&["token", "create", "unknown"]).stderr, "");
    for (name, options, part) in [("plain", &[][..], "\"username\""), ("admin", &["--admin"], "\"models\"")] {
        let mut command = installation.command(&[&["token", "create", name], options].concat());
        let url = format!("{}/", service.address());
        let created = command.env("STOCKTAKE__HTTP__EXTERNAL_URL", url).output().unwrap();
        let said = String::from_utf8(created.stderr).unwrap();
        let line = said.find("curl ").map(|at| said[at..].trim()).unwrap();
        let token = String::from_utf8(created.stdout).unwrap();
        let mut shell = Command::new("sh");
        let answer = shell.args(["-c", line]).env("TOKEN", token.trim()).output().unwrap();
        let answer = String::from_utf8(answer.stdout).unwrap();
        assert!(answer.contains(part), "{line}: {answer}");
    }
    service.stop();
}

on_both_databases! {
    fn only_a_valid_administrators_token_opens_the_door(database) {
        let installation = Installation::new(database);
        installation.import("uploads", &[line(1, "a", "")]).success();
        let (service, api) = installation.serve_with(&["--no-worker"]);
        let status = |token: Option<&str>| api.with(token).get(UPLOADS).status;
        assert_eq!(status(None), 401);
        assert_eq!(status(Some("stk-wrong")), 401);
        assert_eq!(api.with(None).get(UPLOADS).text, r#"{"message":"401 Unauthorized"}"#);

        let plain = installation.token(&["plain"]);
        assert_eq!(status(Some(&plain)), 403);
        assert_eq!(api.with(Some(&plain)).get("/api/v4/version").status, 200);

        let reader = installation.token(&["reader", "--admin", "--scope", "read_api", "--owner", "rita"]);
        assert_eq!(status(Some(&reader)), 200);
        let refused = api.with(Some(&reader)).put(&format!("{UPLOADS}/1/checksum"));
        assert_eq!(refused.status, 403);
        assert_eq!(refused.json()["error"], "insufficient_scope");
        let user = api.with(Some(&reader)).get("/api/v4/user").ok();
        assert_eq!((user["username"].as_str(), user["is_admin"].as_bool()), (Some("rita"), Some(true)));

        let short = installation.token(&["short", "--admin", "--expires-in", "1ms"]);
        assert_eq!(status(Some(&short)), 401);

        let listed = installation.run(&["token", "list"]).success();
        for (name, token) in [("plain", &plain), ("reader", &reader), ("short", &short)] {
            assert!(listed.lines().any(|line| line.starts_with(&format!("{name} "))), "{listed}");
            assert!(!listed.contains(token.as_str()), "{listed}");
        }
        assert_eq!(installation.run(&["token", "revoke", "reader"]).success(), "revoked reader\n");
        // A service may remember a token for a moment.
        eventually("the revoked token counts no more", || (status(Some(&reader)) == 401).then_some(()));
        let again = installation.run(&["token", "revoke", "reader"]).refusal();
        assert!(again.starts_with("there is no unrevoked token \"reader\"; there are: "), "{again}");
        let taken = installation.run(&["token", "create", "plain"]).refusal();
        assert!(taken.starts_with("a token named \"plain\" exists already"), "{taken}");
        installation.token(&["reader", "--admin"]);
        service.stop();
    }

    fn guessing_tokens_is_slowed_down(database) {
        let installation = Installation::new(database);
        installation.configure_http("wrong_tokens_per_minute = 3");
        let (service, api) = installation.serve_with(&["--no-worker"]);
        for guess in 0..3 {
            assert_eq!(api.with(Some(&format!("stk-{guess}"))).get(UPLOADS).status, 401);
        }
        let refused = api.with(Some("stk-3")).get(UPLOADS);
        assert_eq!((refused.status, refused.text.as_str()), (429, r#"{"message":"429 Too Many Requests"}"#));
        assert!(refused.headers["retry-after"].parse::<u64>().unwrap() > 0);
        assert_eq!(api.get(UPLOADS).status, 200, "a valid token is always answered");
        service.stop();
    }
}
