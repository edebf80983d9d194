//! The key data of CI secure files in the catalogue, encrypted and not.

use std::fs;

use stocktake_testbed::{Sample, postgres};

use crate::support::{Database, Installation};

const ONE: &str = "0101010101010101010101010101010101010101010101010101010101010101";
/// The same kind of key in base64.
const TWO: &str = "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=";

/// The CI secure files of the sample, imported, and the key data of each.
struct SecureFiles {
    installation: Installation,
    lines: Vec<String>,
    key_data: Vec<String>,
    config: String,
    _sample: tempfile::TempDir,
}

impl SecureFiles {
    fn new(database: Database) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sample = Sample::write(folder.path()).unwrap();
        let root = sample.root("main").display().to_string();
        let installation = Installation::with(database, &format!("[storages.main]\nroot = {root:?}"));
        let lines: Vec<String> = sample.of("ci_secure_files").map(|record| record.line.clone()).collect();
        let key_data = lines.iter().map(|line| {
            let (_, rest) = line.split_once("secure_file:").unwrap();
            rest.split_once('"').unwrap().0.to_owned()
        });
        let (key_data, config) =
            (key_data.collect(), fs::read_to_string(installation.config_file()).unwrap());
        Self { installation, lines, key_data, config, _sample: folder }
    }

    /// Sets the keys from now on.
    fn encrypt(&self, key: &str, old: &str) {
        let section = format!("[database]\nencryption_key = {key:?}\nencryption_keys_old = {old:?}");
        fs::write(self.installation.config_file(), self.config.replace("[database]", &section)).unwrap();
    }

    /// What the next import says.
    fn import(&self) -> String {
        self.installation.import("ci_secure_files", &self.lines).success()
    }

    /// How much of the key data lies in the database: in the bytes of the SQLite file, or in the rules on PostgreSQL.
    fn in_plain_text(&self) -> usize {
        let url = self.installation.database_url();
        let content = match url.strip_prefix("sqlite://") {
            Some(path) => fs::read(path).unwrap(),
            None => postgres().sql(url, "SELECT string_agg(rule, ' ') FROM records").unwrap().into_bytes(),
        };
        let holds = |text: &String| content.windows(text.len()).any(|window| window == text.as_bytes());
        self.key_data.iter().filter(|text| holds(text)).count()
    }

    fn verify_all(&self) {
        self.installation.run(&["verify", "--all"]).success();
    }
}

on_both_databases! {
    fn key_data_is_encrypted_with_the_key_that_is_configured(database) {
        let files = SecureFiles::new(database);
        files.import();
        files.verify_all();
        assert_eq!(files.in_plain_text(), files.key_data.len());

        // The next command that writes encrypts what is there, and the same lines change nothing.
        files.encrypt(ONE, "");
        files.installation.run(&["export"]).success();
        assert_eq!(files.in_plain_text(), files.key_data.len());
        files.installation.run(&["verify"]).success();
        assert_eq!(files.in_plain_text(), 0);
        let count = files.lines.len();
        let imported = files.import();
        assert!(imported.contains(&format!("unchanged {count}")), "{imported}");
        files.verify_all();

        // Another key comes in the place of the first, which is then not needed any more.
        files.encrypt(TWO, ONE);
        files.verify_all();
        files.encrypt(TWO, "");
        files.verify_all();
        assert!(files.import().contains(&format!("unchanged {count}")));
        assert_eq!(files.in_plain_text(), 0);

        // And back.
        files.encrypt("", TWO);
        files.verify_all();
        assert_eq!(files.in_plain_text(), count);
    }

    fn key_data_that_no_key_fits_is_invalid_until_it_is_imported_again(database) {
        let files = SecureFiles::new(database);
        files.encrypt(ONE, "");
        files.import();
        assert_eq!(files.in_plain_text(), 0);
        files.verify_all();
        for key in ["", TWO] {
            files.encrypt(key, "");
            let found = files.installation.run(&["verify", "--all"]);
            assert_eq!(found.code, 1, "{found:?}");
            assert!(found.stdout.contains("INVALID") && !found.stdout.contains("ALTERED"), "{found:?}");
            let export = files.installation.run(&["export", "--format", "json"]).success();
            assert!(export.contains("neither database.encryption_key nor one of"), "{export}");
            assert!(!found.stderr.contains("panicked"), "{found:?}");
        }
        files.import();
        files.installation.run(&["verify"]).success();
        assert_eq!(files.in_plain_text(), 0);
    }
}

#[test]
fn a_key_that_is_none_is_refused_and_not_shown() {
    let files = SecureFiles::new(Database::Sqlite);
    files.encrypt("hush-hush", "");
    let refusal = files.installation.run(&["status"]).refusal();
    assert!(refusal.contains("database.encryption_key: must be 32 random bytes"), "{refusal}");
    assert!(!refusal.contains("hush"), "{refusal}");
    files.encrypt(ONE, &format!("{TWO}, {ONE}"));
    let shown = files.installation.run(&["config"]).success();
    assert!(shown.contains("database.encryption_key = \"***\""), "{shown}");
    assert!(!shown.contains(ONE) && !shown.contains(TWO), "{shown}");
}
