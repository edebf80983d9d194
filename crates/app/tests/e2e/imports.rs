//! Imports: all or nothing, and what they change.

use crate::support::{Database, Installation, line};

on_both_databases! {
    fn an_import_counts_what_it_does(database) {
        let installation = Installation::new(database);
        let files = installation.files(5);
        installation.import_files("uploads", &files);
        installation.run(&["verify"]).success();
        let lines: Vec<String> = (1..).zip(&files).map(|(key, file)| file.line(key)).collect();
        let knew = "The catalogue knew all 5 records of uploads as they are.";
        let expected = format!("added 0, changed 0, unchanged 5\n{knew}\n");
        assert_eq!(installation.import("uploads", &lines).success(), expected);
        assert!(installation.run(&["status"]).success().contains(" 5 "));

        let mut changed = lines.clone();
        changed[0] = files[1].line(1);
        changed[1] = lines[1].replacen('{', "{\"created_at\":\"2025-02-05T12:27:10.1735+01:00\",", 1);
        changed[2] = lines[2].replacen('{', "{\"disabled\":true,", 1);
        changed.push(line(-7, "new", ""));
        let file = installation.folder().join("uploads.ndjson");
        std::fs::write(&file, changed.join("\r\n")).unwrap();
        let output = installation.run(&["import", "uploads", &file.display().to_string()]).success();
        let next = "The catalogue knows all 6 records of uploads now. Read what is due: stocktake verify uploads";
        assert_eq!(output, format!("added 1, changed 3, unchanged 2\n{next}\n"));

        let (service, api) = installation.serve_with(&["--no-worker"]);
        let state = |key: i64| api.record("uploads", key)["checksum_information"]["checksum_state"].clone();
        assert_eq!([state(1), state(2), state(3), state(4), state(-7)], ["pending", "succeeded", "disabled", "succeeded", "pending"]);
        assert_eq!(api.record("uploads", 2)["created_at"], "2025-02-05T11:27:10.173Z");
        service.stop();
    }

    fn a_bad_line_is_named_and_nothing_is_written(database) {
        let installation = Installation::new(database);
        let good: Vec<String> = (1..=2_500).map(|key| line(key, &format!("file-{key}"), "")).collect();
        for (bad, reason) in [
            ("{", "no JSON object: EOF while parsing an object at column 1"),
            (r#"{"record_identifier":1,"storage":"main"}"#, "missing field `path`"),
            (r#"{"record_identifier":1,"storage":"main","path":"x","size":1}"#, "unknown field `size`"),
            (r#"{"record_identifier":"!","storage":"main","path":"x"}"#, "record_identifier \"!\" is neither"),
            (r#"{"record_identifier":1,"storage":"main","path":"x","file_size":-1}"#, "file_size -1 is no number of bytes"),
        ] {
            let mut lines = good.clone();
            lines.push(bad.to_owned());
            lines.push(line(2, "behind", ""));
            let sentence = installation.import("uploads", &lines).refusal();
            assert!(sentence.starts_with("nothing was imported from -: line 2501: "), "{sentence}");
            assert!(sentence.contains(reason), "{sentence}");
        }
        let status = installation.run(&["status"]).ended(2);
        assert!(status.starts_with("There are no records: "), "{status}");
    }
}

#[test]
fn two_lines_of_one_record_must_say_the_same() {
    let installation = Installation::new(Database::Sqlite);
    let lines = [line(1, "a", ""), String::new(), line(1, "b", "")];
    let sentence = installation.import("uploads", &lines).refusal();
    let expected =
        "nothing was imported from -: line 3 and line 1 both have the record_identifier 1, and differ";
    assert_eq!(sentence, expected);
    let far: Vec<String> = (1..=3_000).chain([7]).map(|key| line(key, "a", "")).collect();
    assert!(
        installation.import("uploads", &far).success().starts_with("added 3000, changed 0, unchanged 0\n")
    );
    let far: Vec<String> = far.into_iter().chain([line(7, "b", "")]).collect();
    let sentence = installation.import("uploads", &far).refusal();
    assert!(
        sentence.contains("line 3002 and line ") && sentence.contains("the record_identifier 7, and differ")
    );
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_first_line() {
    let installation = Installation::new(Database::Sqlite);
    let marked = format!("\u{feff}{}", line(1, "a", ""));
    assert!(
        installation.import("uploads", &[marked]).success().starts_with("added 1, changed 0, unchanged 0\n")
    );
}

#[test]
fn a_line_without_an_end_is_refused() {
    let installation = Installation::new(Database::Sqlite);
    let endless = format!("{{\"path\":\"{}", "x".repeat(1 << 20));
    let sentence = installation.import("uploads", &[endless]).refusal();
    assert_eq!(sentence, "nothing was imported from -: line 1: longer than 65536 bytes");
}

#[test]
fn an_empty_import_does_nothing_and_says_so() {
    let installation = Installation::new(Database::Sqlite);
    let refusal = installation.import("uploads", &[]).refusal();
    assert_eq!(refusal, "nothing was imported from -: there was no line");
    let one = installation.import("uploads", &[line(1, "a", "")]).success();
    assert!(one.ends_with(
        "\nThe catalogue knows this record of uploads now. Read what is due: stocktake verify uploads\n"
    ));
    let one = installation.import("uploads", &[line(1, "a", "")]).success();
    assert!(one.ends_with("\nThe catalogue knew this record of uploads as it is.\n"), "{one}");
}
