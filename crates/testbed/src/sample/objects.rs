//! Objects in a bucket.

use std::path::Path;

use super::special::{pipeline_variables, sha256};
use super::{BUCKET, Key, Outcome, SampleRecord, Stored, seed};
use crate::s3::S3Server;

const STORAGE: &str = "objects";

/// Puts the objects into a bucket whose server keeps its files below `folder`.
pub(super) fn write(folder: &Path) -> anyhow::Result<Vec<SampleRecord>> {
    let server = S3Server::start(folder)?;
    server.create_bucket(BUCKET)?;
    let bucket = Bucket { server };
    let mut records = Vec::new();
    for (model, file) in [
        ("dependency_proxy_blobs", "layer.gz"),
        ("dependency_proxy_manifests", "image:latest.json"),
        ("packages_debian_project_component_files", "Packages"),
        ("pages_deployments", "artifacts.zip"),
        ("supply_chain_attestations", "attestation 1.json"),
    ] {
        for number in 1..=8 {
            let key = Key::Integer(number);
            let content = seed(model, key).to_string().repeat(usize::try_from(number * number)? * 100);
            let (path, digest) = (format!("{model}/{number:02}/{file}"), sha256(content.as_bytes()));
            let size = Some(u64::try_from(content.len())?);
            let stored = Stored { size, digest: Some(&digest), ..Stored::at(STORAGE, &path) };
            records.push(bucket.record(model, number, &stored, content.as_bytes())?);
        }
    }
    for number in 1..=8 {
        let path = format!("pipelines/{number}/variables.json");
        let (content, size, rule) = pipeline_variables(number)?;
        let stored = Stored { size: Some(size), rule: Some(&rule), ..Stored::at(STORAGE, &path) };
        records.push(bucket.record("ci_pipeline_artifacts", number, &stored, &content)?);
    }
    Ok(records)
}

struct Bucket {
    server: S3Server,
}

impl Bucket {
    fn record(
        &self,
        model: &'static str,
        number: u64,
        stored: &Stored<'_>,
        content: &[u8],
    ) -> anyhow::Result<SampleRecord> {
        self.server.put(BUCKET, stored.path, content)?;
        Ok(SampleRecord::new(model, Key::Integer(number), stored, Outcome::Succeeded(sha256(content))))
    }
}
