//! How long somebody stays signed in to the console, by the clock of a service. The database's clock is the same host's on SQLite,
//! so that both can be set ahead.

use crate::support::{Console, Database, Installation, line};

const PAGE: &str = "/console/models/uploads?state=pending";

#[test]
fn a_session_ends_when_it_is_unused_or_old_and_who_signs_in_again_is_where_he_was() {
    let expiries = "[console]\nidle_expiry = \"2h\"\nabsolute_expiry = \"5h\"\n";
    let installation = Installation::with(Database::Sqlite, expiries);
    installation.import("uploads", &[line(1, "a", "")]).success();
    let token = installation.token(&["somebody", "--admin"]);
    let service = installation.start(&["serve"]);
    let mut console = Console::sign_in(&service.address(), &token);
    assert_eq!(console.leads_to(PAGE), None);
    service.stop();

    let mut look = |offset: &str| {
        let service = installation.start_at(offset, &["serve"]);
        let login = console.at(&service.address()).leads_to(PAGE);
        if let Some(login) = &login {
            assert!(login.starts_with("/console/login?to="), "{offset}: {login}");
            assert_eq!(console.sign_in_again(login, &token), PAGE, "{offset}");
            assert!(console.get(PAGE).contains("1 record"), "{offset}");
        }
        service.stop();
        login.is_some()
    };
    // Each use is less than two hours after the one before.
    for (offset, has_ended) in [("+110m", false), ("+220m", false), ("+310m", true)] {
        assert_eq!(look(offset), has_ended, "{offset}");
    }
    // The new one is young, and at last unused.
    for (offset, has_ended) in [("+420m", false), ("+550m", true)] {
        assert_eq!(look(offset), has_ended, "{offset}");
    }
}
