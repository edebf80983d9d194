//! Files whose recorded digest or size is not that of the bytes as they are stored.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use sha2::{Digest as _, Sha256};

use super::{DB_KEY_BASE, Key, Outcome, SampleRecord, Stored, seed};
use crate::encryption::{self, derived_key, secure_file_key};

const STORAGE: &str = "main";

/// Writes the files below the root of the storage.
pub(super) fn write(root: &Path) -> anyhow::Result<Vec<SampleRecord>> {
    let mut records = Vec::new();
    for number in 1..=8 {
        records.push(secure_file(root, number)?);
    }
    for number in 1..=8 {
        records.push(terraform_state(root, number)?);
    }
    for number in 1..=6 {
        records.push(diff(root, number)?);
    }
    for number in 1..=6 {
        records.push(symbols(root, number)?);
    }
    Ok(records)
}

fn secure_file(root: &Path, number: u64) -> anyhow::Result<SampleRecord> {
    let key_data = hex(&[number.to_be_bytes(); 8].concat());
    let plain = format!("-----BEGIN MADE-UP KEY-----\n{number}\n-----END MADE-UP KEY-----\n");
    let encrypted = encrypt(secure_file_key(&key_data), number, plain.as_bytes())?;
    let path = format!("secure_files/{number}/signing.key");
    let (digest, rule) = (sha256(plain.as_bytes()), format!("secure_file:{key_data}"));
    let stored = Stored { digest: Some(&digest), rule: Some(&rule), ..Stored::at(STORAGE, &path) };
    record(root, "ci_secure_files", number, &stored, &encrypted)
}

fn terraform_state(root: &Path, number: u64) -> anyhow::Result<SampleRecord> {
    let project = number % 3 + 1;
    let key = derived_key(DB_KEY_BASE, &project.to_string())?;
    let plain = format!(r#"{{"version": 4, "serial": {number}, "resources": []}}"#);
    let encrypted = encrypt(key, number, plain.as_bytes())?;
    let (path, rule) = (format!("terraform_state/{number}.tfstate"), format!("terraform_state:{project}"));
    let stored = Stored { rule: Some(&rule), ..Stored::at(STORAGE, &path) };
    record(root, "terraform_state_versions", number, &stored, &encrypted)
}

fn diff(root: &Path, number: u64) -> anyhow::Result<SampleRecord> {
    let content = format!("@@ -1 +1 @@\n-{number}\n+{}\n", number + 1).repeat(40);
    let path = format!("merge_request_diffs/mr-{number}/diff-{number}");
    let rule = format!("length:{}", content.len());
    let stored = Stored { rule: Some(&rule), ..Stored::at(STORAGE, &path) };
    record(root, "merge_request_diffs", number, &stored, content.as_bytes())
}

/// A portable PDB as far as its checksum goes: an id behind the heading `Blob`.
fn symbols(root: &Path, number: u64) -> anyhow::Result<SampleRecord> {
    let head = b"BSJB\x01\x00\x01\x00#Pdb\0\0\0\0Blob\0\0\0";
    let id: Vec<u8> = number.to_be_bytes().iter().cycle().copied().take(20).collect();
    let rest = b"symbols of a made-up library ".repeat(2_000);
    let path = format!("symbols/{number}/library.pdb");
    let digest = sha256(&[&head[..], &[0; 20], &rest].concat());
    let content = [&head[..], &id, &rest].concat();
    let size = u64::try_from(content.len())?;
    let stored = Stored {
        size: Some(size),
        digest: Some(&digest),
        rule: Some("portable_pdb"),
        ..Stored::at(STORAGE, &path)
    };
    record(root, "packages_nuget_symbols", number, &stored, &content)
}

/// A pipeline artifact that holds variables: the bytes as they are stored, their plaintext's length, the rule.
pub(super) fn pipeline_variables(number: u64) -> anyhow::Result<(Vec<u8>, u64, String)> {
    let plain = format!(r#"[{{"key": "NUMBER", "value": "{number}"}}]"#);
    let key = derived_key(DB_KEY_BASE, &format!("pipeline_artifact:{number}"))?;
    let encrypted = encrypt(key, number, plain.as_bytes())?;
    Ok((encrypted, u64::try_from(plain.len())?, format!("pipeline_artifact:{number}")))
}

fn record(
    root: &Path,
    model: &'static str,
    number: u64,
    stored: &Stored<'_>,
    content: &[u8],
) -> anyhow::Result<SampleRecord> {
    let file = root.join(stored.path);
    fs::create_dir_all(file.parent().context("a file lies in a folder")?)?;
    fs::write(file, content)?;
    Ok(SampleRecord::new(model, Key::Integer(number), stored, Outcome::Succeeded(sha256(content))))
}

/// Encrypted, with a nonce that follows from the number.
fn encrypt(key: [u8; 32], number: u64, plain: &[u8]) -> anyhow::Result<Vec<u8>> {
    encryption::encrypt(key, seed("nonce", Key::Integer(number)), plain)
}

pub(super) fn sha256(content: &[u8]) -> String {
    hex(&Sha256::digest(content))
}

fn hex(bytes: &[u8]) -> String {
    hex::encode(bytes)
}
