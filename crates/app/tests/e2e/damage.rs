//! A catalogue in which a bit has flipped: its row is told of, and content that is good is not called altered.

use std::fs;

use stocktake_testbed::postgres;

use crate::support::{Installation, StoredFile, line};

/// Turns over a bit of a file's digest where the catalogue keeps it: in the bytes of the SQLite file, or in the column on
/// PostgreSQL.
fn flip_a_bit(installation: &Installation, file: &StoredFile, column: &str) {
    let Some(path) = installation.database_url().strip_prefix("sqlite://") else {
        let statement =
            format!("UPDATE records SET {column} = set_byte({column}, 5, get_byte({column}, 5) # 4)");
        postgres().sql(installation.database_url(), &statement).unwrap();
        return;
    };
    let digest = hex::decode(&file.sha256).unwrap();
    let mut bytes = fs::read(path).unwrap();
    let found: Vec<usize> = (0..bytes.len()).filter(|place| bytes[*place..].starts_with(&digest)).collect();
    assert!(!found.is_empty(), "the digest is in the file");
    for place in found {
        bytes[place + 5] ^= 4;
    }
    fs::write(path, bytes).unwrap();
}

const RECORDED: &str = "the catalogue's row is damaged: what was recorded of the content does not match its check \
                        value; import or sync it again";
const BASELINE: &str = "the catalogue's row is damaged: its last good checksum does not match its check value; accept \
                        the content if it is good";

/// A verification finds the one record invalid, with this text, and nothing altered.
fn tells(installation: &Installation, text: &str) {
    let found = installation.run(&["verify", "--all"]);
    assert_eq!(found.code, 1, "{found:?}");
    assert!(found.stdout.starts_with("INVALID  main:doc  (uploads 1)  "), "{found:?}");
    assert!(!found.stdout.contains("ALTERED"), "{found:?}");
    let export = installation.run(&["export", "--format", "json"]).success();
    assert!(export.contains(&format!("Error during verification: {text}")), "{export}");
}

on_both_databases! {
    fn a_damaged_recorded_digest_is_mended_by_the_next_import(database) {
        let installation = Installation::new(database);
        let file = installation.file("doc", 1, 1_000);
        installation.import("uploads", &[file.line(1)]).success();
        flip_a_bit(&installation, &file, "expected");
        tells(&installation, RECORDED);
        tells(&installation, RECORDED);
        installation.import("uploads", &[file.line(1)]).success();
        installation.run(&["verify"]).success();
    }

    fn a_damaged_baseline_is_told_until_the_content_is_accepted(database) {
        let installation = Installation::new(database);
        let file = installation.file("doc", 1, 1_000);
        let line = line(1, "doc", "");
        installation.import("uploads", std::slice::from_ref(&line)).success();
        installation.run(&["verify"]).success();
        flip_a_bit(&installation, &file, "baseline");
        tells(&installation, BASELINE);
        installation.import("uploads", &[line]).success();
        tells(&installation, BASELINE);
        let shown = installation.run(&["show", "uploads", "1"]).success();
        assert!(shown.contains("if it is good: stocktake accept uploads 1"), "{shown}");
        installation.run(&["accept", "--yes", "uploads", "1"]).success();
        installation.run(&["verify", "--all"]).success();
        // It binds again.
        installation.file("doc", 2, 1_000);
        let found = installation.run(&["verify", "--all"]);
        assert!(found.stdout.starts_with("ALTERED  main:doc  (uploads 1)  "), "{found:?}");
    }
}
