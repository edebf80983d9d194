//! Rules for what the code of a crate imports and names: no circles, one place for some items, no retired names.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use proc_macro2::{TokenStream, TokenTree};

use super::Finding;
use crate::code::{Circle, Crate, Sources, Target, circles, imports};

/// An item that only some crates may name.
struct Placed {
    /// The crate that defines it, as code names it.
    library: &'static str,
    /// The last segments of its path.
    item: &'static [&'static str],
    /// The folders of the crates that may name it.
    allowed: &'static [&'static str],
    reason: &'static str,
}

const TLS: &str = "every connection has the same trusted certificates and reads `sslmode` the same way";
const CLIENTS: &str = "every HTTP client has the same certificates, time-outs and proxies";
const RETRIES: &str = "there is one backoff, whose randomness a test can replace";
const RATES: &str = "there is one rate limiter";

const fn only_in_net(library: &'static str, item: &'static [&'static str], reason: &'static str) -> Placed {
    Placed { library, item, allowed: &["crates/net"], reason }
}

/// The items and the crates that may name them.
const PLACED: [Placed; 15] = [
    only_in_net("backon", &["ConstantBuilder"], RETRIES),
    only_in_net("backon", &["ExponentialBuilder"], RETRIES),
    only_in_net("backon", &["FibonacciBuilder"], RETRIES),
    only_in_net("governor", &["RateLimiter"], RATES),
    only_in_net("reqwest", &["Client", "builder"], CLIENTS),
    only_in_net("reqwest", &["Client", "default"], CLIENTS),
    only_in_net("reqwest", &["Client", "new"], CLIENTS),
    only_in_net("reqwest", &["ClientBuilder"], CLIENTS),
    only_in_net("reqwest", &["get"], CLIENTS),
    only_in_net("rustls", &["ClientConfig"], TLS),
    only_in_net("rustls", &["RootCertStore"], TLS),
    only_in_net("rustls", &["ServerCertVerifier"], TLS),
    only_in_net("rustls", &["WebPkiServerVerifier"], TLS),
    only_in_net("rustls_native_certs", &["load_native_certs"], TLS),
    only_in_net("webpki_roots", &["TLS_SERVER_ROOTS"], TLS),
];

/// Crates that are not deployed, to which the table does not apply.
const NOT_DEPLOYED: [&str; 2] = ["crates/testbed", "xtask"];

/// Names that an engineer new to this project would not understand, and what to use instead.
const RETIRED: [(&str, &str); 8] = [
    ("Aim", "`DrainScope`"),
    ("Desk", "`ReaderContext`"),
    ("Dice", "`Rng`"),
    ("Halt", "`ReadError`, or the name of another error"),
    ("Manners", "`PageCacheAdvice`"),
    ("Shelf", "`ObjectType`, or what it holds"),
    ("Syncs", "`SyncState`"),
    ("touched_at", "`content_changed_at`"),
];

/// Finds the circles of files that import each other.
pub(super) fn check_circles(crates: &[Crate]) -> Vec<Finding> {
    crates.iter().flat_map(|krate| circles(&imports(krate))).map(|circle| circle_finding(&circle)).collect()
}

fn circle_finding(circle: &Circle) -> Finding {
    let mut message = format!("is in a circle of {} files that import each other:", circle.files.len());
    let next = circle.shortest.iter().skip(1).chain(&circle.shortest);
    for ((file, site), (imported, _)) in circle.shortest.iter().zip(next) {
        let (file, imported) = (file.display(), imported.display());
        let _ = write!(message, "\n        {file}:{} uses `{}` from {imported}", site.line, site.path);
    }
    message += "\n    Move what they share into a file of its own, so that each can be understood without the others.";
    let first = circle.shortest.first().map(|(file, _)| file.display().to_string());
    Finding::new("no-import-circles", first.unwrap_or_default(), message)
}

/// Finds items that a crate names without permission, each once per file. Aliases are resolved; test code is exempt.
pub(super) fn check_places(crates: &[Crate]) -> Vec<Finding> {
    let deployed =
        crates.iter().filter(|krate| !NOT_DEPLOYED.iter().any(|folder| krate.folder() == Path::new(folder)));
    deployed.flat_map(misplaced).collect()
}

fn misplaced(krate: &Crate) -> Vec<Finding> {
    let is_allowed =
        |placed: &Placed| placed.allowed.iter().any(|folder| krate.folder() == Path::new(folder));
    let placed: Vec<&Placed> = PLACED.iter().filter(|placed| !is_allowed(placed)).collect();
    let mut findings = Vec::new();
    let mut known = BTreeSet::new();
    for (path, module) in &krate.modules {
        for reference in &module.references {
            for target in krate.resolve(path, &reference.path) {
                let Target::Outside(outside) = target else { continue };
                let named = placed.iter().filter(|placed| placed.is_named_by(&outside));
                for Placed { library, item, allowed, reason } in named {
                    if known.insert((&module.file, library, item)) {
                        let item = format!("{library}::{}", item.join("::"));
                        let message = format!(
                            "line {} names `{item}`, which only {} may, so that {reason}",
                            reference.line,
                            allowed.join(", "),
                        );
                        findings.push(Finding::new("one-place", module.file.display().to_string(), message));
                    }
                }
            }
        }
    }
    findings
}

impl Placed {
    /// Whether the path leads to the item, or through it to a part of it.
    fn is_named_by(&self, path: &[String]) -> bool {
        let is_of_library = path.first().is_some_and(|first| first == self.library);
        is_of_library && path.windows(self.item.len()).any(|window| window == self.item)
    }
}

/// Finds retired names among the identifiers, each once per file.
pub(super) fn check_names(sources: &Sources) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, file) in &sources.files {
        let mut found = BTreeMap::new();
        find_retired(file.tokens.clone(), &mut found);
        findings.extend(found.into_iter().map(|((retired, instead), line)| {
            let message = format!("line {line} has the name `{retired}`: use {instead}");
            Finding::new("usual-names", path.display().to_string(), message)
        }));
    }
    findings
}

fn find_retired(tokens: TokenStream, found: &mut BTreeMap<(&'static str, &'static str), usize>) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => find_retired(group.stream(), found),
            TokenTree::Ident(ident) => {
                if let Some(retired) = RETIRED.iter().find(|(retired, _)| ident == retired) {
                    found.entry(*retired).or_insert_with(|| ident.span().start().line);
                }
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crates(files: &[(&str, &str)]) -> Vec<Crate> {
        Sources::parse(files).unwrap().crates().unwrap()
    }

    #[test]
    fn a_circle_is_shown_with_what_closes_it() {
        let crates = crates(&[
            ("crates/a/src/lib.rs", "mod b;\nmod c;"),
            ("crates/a/src/b.rs", "\nuse crate::c::C;\npub struct B;"),
            ("crates/a/src/c.rs", "pub struct C;\nfn f() -> super::b::B { super::b::B }"),
        ]);
        let [finding] = &check_circles(&crates)[..] else { panic!("not one finding") };
        assert_eq!((finding.rule, finding.subject.as_str()), ("no-import-circles", "crates/a/src/b.rs"));
        let lines: Vec<_> = finding.message.lines().collect();
        assert_eq!(lines[0], "is in a circle of 2 files that import each other:");
        assert_eq!(lines[1].trim(), "crates/a/src/b.rs:2 uses `crate::c::C` from crates/a/src/c.rs");
        assert_eq!(lines[2].trim(), "crates/a/src/c.rs:2 uses `super::b::B` from crates/a/src/b.rs");
    }

    fn places(folder: &str, text: &str) -> Vec<String> {
        let crates = crates(&[(&format!("{folder}/src/lib.rs"), text)]);
        check_places(&crates).into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn an_item_in_the_wrong_crate_is_found_under_any_name() {
        for text in [
            "use rustls::ClientConfig;",
            "use rustls::{self as tls}; fn f() { tls::ClientConfig::builder(); }",
            "fn f(config: &::rustls::client::ClientConfig) {}",
            "use reqwest::Client; fn f() { Client::builder(); Client::builder(); }",
            "use reqwest::blocking as http; fn f() { http::Client::new(); }",
            "use backon::ExponentialBuilder as Retry;",
            "fn f() { select! { _ = rustls_native_certs::load_native_certs() => {} } }",
            "impl rustls::client::danger::ServerCertVerifier for A {}",
        ] {
            let found = places("crates/http", text);
            assert!(found.len() == 1 && found[0].starts_with("line 1 names"), "{text}: {found:?}");
        }
    }

    #[test]
    fn an_item_in_its_place_or_of_the_same_name_is_allowed() {
        for (folder, text) in [
            ("crates/net", "use rustls::ClientConfig;"),
            ("crates/testbed", "use rustls::ClientConfig;"),
            ("xtask", "use reqwest::ClientBuilder;"),
            ("crates/http", "struct ClientConfig; fn f() { ClientConfig::builder(); }"),
            (
                "crates/http",
                "use tokio_postgres::Client; fn f() { Client::new(); reqwest::Client::execute(); }",
            ),
            ("crates/http", "#[cfg(test)] mod tests { use rustls::ClientConfig; }"),
        ] {
            assert_eq!(places(folder, text), [""; 0], "{text}");
        }
    }

    #[test]
    fn retired_names_are_found_wherever_code_has_them() {
        for (retired, _) in RETIRED {
            let text = format!(
                "// {retired}\nfn f() -> &'static str {{ \"{retired}\" }}\nm! {{ a({retired}, {retired}) }}"
            );
            let sources = Sources::parse(&[("crates/a/tests/b.rs", &text)]).unwrap();
            let found = check_names(&sources);
            assert_eq!(
                found.iter().map(|finding| finding.rule).collect::<Vec<_>>(),
                ["usual-names"],
                "{text}"
            );
            assert!(found[0].message.starts_with("line 3 has"), "{found:?}");
        }
        let sources = Sources::parse(&[("a.rs", "fn halt(aim: u8, Aiming: u8) {}")]).unwrap();
        assert_eq!(check_names(&sources), []);
    }
}
