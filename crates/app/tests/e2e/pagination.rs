//! Walking through all pages.

use serde_json::Value;

use crate::support::{Answer, Api, Installation, line};

const LIST: &str = "/api/v4/admin/data_management/uploads";

fn walk(api: &Api, first: &str) -> (Vec<Value>, Vec<Answer>) {
    let mut next = Some(first.to_owned());
    let (mut identifiers, mut answers) = (Vec::new(), Vec::new());
    while let Some(url) = next {
        let answer = api.get(&url);
        let records = answer.ok();
        identifiers
            .extend(records.as_array().unwrap().iter().map(|record| record["record_identifier"].clone()));
        next = answer.link("next");
        answers.push(answer);
    }
    (identifiers, answers)
}

fn installation_with_records(database: crate::support::Database) -> (Installation, Vec<Value>) {
    let installation = Installation::new(database);
    // Imported in the wrong order, and with a composite key between the integers.
    let mut lines: Vec<String> = (1..=45).rev().map(|key| line(key * 3, &format!("{key}"), "")).collect();
    lines.push(line(0, "composite", "").replace("\"record_identifier\":0", "\"record_identifier\":\"OSAx\""));
    installation.import("uploads", &lines).success();
    let mut expected: Vec<Value> = (1..=45).map(|key| Value::from(key * 3)).collect();
    // "9 1" comes after 9 and before 12.
    expected.insert(3, Value::from("OSAx"));
    (installation, expected)
}

on_both_databases! {
    fn offset_pages_are_complete_in_both_directions(database) {
        let (installation, expected) = installation_with_records(database);
        let (service, api) = installation.serve_with(&["--no-worker"]);
        let (seen, answers) = walk(&api, &format!("{LIST}?per_page=7"));
        assert_eq!(seen, expected);
        assert_eq!(answers.len(), 7);
        let header = |page: usize, name: &str| answers[page].headers[name].clone();
        assert_eq!((header(0, "x-total"), header(0, "x-total-pages")), ("46".to_owned(), "7".to_owned()));
        assert_eq!((header(0, "x-prev-page"), header(0, "x-next-page")), (String::new(), "2".to_owned()));
        assert_eq!((header(6, "x-prev-page"), header(6, "x-next-page")), ("6".to_owned(), String::new()));
        let (seen, _) = walk(&api, &format!("{LIST}?per_page=20&sort=desc"));
        assert_eq!(seen, expected.iter().rev().cloned().collect::<Vec<_>>());
        assert_eq!(api.get(&format!("{LIST}?page=501&per_page=100")).status, 405);
        service.stop();
    }

    fn keyset_pages_are_complete_and_lead_back(database) {
        let (installation, expected) = installation_with_records(database);
        let (service, api) = installation.serve_with(&["--no-worker"]);
        for sort in ["asc", "desc"] {
            let (seen, answers) = walk(&api, &format!("{LIST}?pagination=keyset&per_page=6&sort={sort}"));
            let mut expected = expected.clone();
            if sort == "desc" {
                expected.reverse();
            }
            assert_eq!(seen, expected);
            assert!(answers.iter().all(|answer| !answer.headers.contains_key("x-total")));
            assert!(!answers.last().unwrap().headers.contains_key("x-next-cursor"));
            assert!(!answers[0].headers.contains_key("x-prev-cursor"));
            // The way back from the third page is the second.
            let cursor = &answers[2].headers["x-prev-cursor"];
            let back = api.get(&format!("{LIST}?pagination=keyset&per_page=6&sort={sort}&cursor={cursor}"));
            assert_eq!(back.ok(), answers[1].json());
        }
        assert_eq!(api.get(&format!("{LIST}?pagination=keyset&cursor=nonsense")).status, 400);
        service.stop();
    }

    fn links_use_the_external_url_where_one_is_set(database) {
        let installation = Installation::with(database, "");
        installation.import("uploads", &[line(1, "a", ""), line(2, "b", "")]).success();
        let mut command = installation.command(&["config"]);
        let shown = command.env("STOCKTAKE__HTTP__EXTERNAL_URL", "https://stock.example/").output().unwrap();
        assert!(String::from_utf8_lossy(&shown.stdout).contains("variable STOCKTAKE__HTTP__EXTERNAL_URL"));
        installation.configure_http("external_url = \"https://stock.example/\"");
        let (service, api) = installation.serve_with(&["--no-worker"]);
        let next = api.get(&format!("{LIST}?per_page=1")).link("next").unwrap();
        assert!(next.starts_with("https://stock.example/api/v4/admin/data_management/uploads?"), "{next}");
        service.stop();
    }
}
