//! The manifests: `manifest.json` of an inventory, and that of a job's report.

use serde::Deserialize;
use stocktake_domain::Timestamp;

use crate::columns::{Columns, format_of};
use crate::{Format, Kind};

/// A manifest, of either kind.
#[derive(Debug)]
pub(crate) struct Manifest {
    pub(crate) kind: Kind,
    pub(crate) format: Format,
    pub(crate) columns: Columns,
    pub(crate) made_at: Timestamp,
    pub(crate) bucket: Option<String>,
    pub(crate) files: Vec<Listed>,
}

/// A file of the report.
#[derive(Debug, Deserialize)]
pub(crate) struct Listed {
    #[serde(alias = "Key")]
    pub(crate) key: String,
    /// In bytes; the report of a job does not say it.
    pub(crate) size: Option<u64>,
    #[serde(rename = "MD5checksum", alias = "MD5Checksum")]
    pub(crate) md5: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OfInventory {
    source_bucket: String,
    creation_timestamp: String,
    file_format: String,
    file_schema: String,
    files: Vec<Listed>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct OfJob {
    report_creation_date: String,
    report_schema: String,
    results: Vec<Listed>,
}

impl Manifest {
    /// Reads the text of a manifest. An error says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let json: serde_json::Value =
            serde_json::from_str(text).map_err(|error| format!("this is no manifest: {error}"))?;
        if json.get("ReportSchema").is_some() { Self::of_job(json) } else { Self::of_inventory(json) }
    }

    fn of_inventory(json: serde_json::Value) -> Result<Self, String> {
        let manifest: OfInventory = serde_json::from_value(json)
            .map_err(|error| format!("this is no manifest of an inventory: {error}"))?;
        let format = match manifest.file_format.as_str() {
            "CSV" => Format::Csv,
            "Parquet" => Format::Parquet,
            other => return Err(format!("the files are {other}: only CSV and Parquet can be read")),
        };
        let columns = Columns::parse(&manifest.file_schema).map_err(|error| error.to_string())?;
        if columns.kind() != Kind::Inventory || format_of(&manifest.file_schema) != format {
            return Err("its fileSchema is not that of such an inventory".to_owned());
        }
        let made_at = manifest.creation_timestamp.parse().map(Timestamp::from_millis);
        let made_at = made_at.map_err(|_| "its creationTimestamp is no number of milliseconds".to_owned())?;
        Ok(Self {
            kind: Kind::Inventory,
            format,
            columns,
            made_at,
            bucket: Some(manifest.source_bucket),
            files: manifest.files,
        })
    }

    fn of_job(json: serde_json::Value) -> Result<Self, String> {
        let manifest: OfJob = serde_json::from_value(json)
            .map_err(|error| format!("this is no manifest of a job's report: {error}"))?;
        let columns = Columns::parse(&manifest.report_schema).map_err(|error| error.to_string())?;
        if columns.kind() != Kind::Checksums {
            return Err("its ReportSchema is not that of a job's report".to_owned());
        }
        let made_at = Timestamp::parse_rfc3339(&manifest.report_creation_date);
        let made_at = made_at.ok_or("its ReportCreationDate is no time")?;
        let (kind, format) = (Kind::Checksums, Format::Csv);
        Ok(Self { kind, format, columns, made_at, bucket: None, files: manifest.results })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inventorys_manifest_is_read() {
        let text = r#"{"sourceBucket": "lfs", "destinationBucket": "arn:aws:s3:::lists", "version": "2016-11-30",
            "creationTimestamp": "1514944800000", "fileFormat": "CSV", "fileSchema": "Bucket, Key, Size, ETag",
            "files": [{"key": "p/lfs/all/data/x.csv.gz", "size": 21, "MD5checksum": "f11166069f1990abeb9c97ace9cdfabc"}]}"#;
        let manifest = Manifest::parse(text).unwrap();
        assert_eq!((manifest.kind, manifest.format), (Kind::Inventory, Format::Csv));
        assert_eq!(manifest.bucket.as_deref(), Some("lfs"));
        assert_eq!(manifest.made_at.millis(), 1_514_944_800_000);
        let [file] = manifest.files.as_slice() else { panic!("{manifest:?}") };
        assert_eq!((file.size, file.md5.is_some()), (Some(21), true));
        for (from, to, told) in [
            ("\"CSV\"", "\"ORC\"", "the files are ORC: only CSV and Parquet can be read"),
            ("\"CSV\"", "\"Parquet\"", "its fileSchema is not that of such an inventory"),
            ("1514944800000", "yesterday", "its creationTimestamp is no number of milliseconds"),
            (
                "Size, ETag",
                "StorageClass",
                "the columns have neither Size nor ETag, so that nothing could be compared",
            ),
        ] {
            assert_eq!(Manifest::parse(&text.replace(from, to)).unwrap_err(), told);
        }
        assert!(Manifest::parse("{}").unwrap_err().starts_with("this is no manifest of an inventory: "));
        assert!(Manifest::parse("Bucket,Key").unwrap_err().starts_with("this is no manifest: "));
    }

    #[test]
    fn a_jobs_manifest_is_read() {
        let text = r#"{"Format": "Report_CSV_20180820", "ReportCreationDate": "2019-04-05T17:48:39.725Z", "Results": [
            {"TaskExecutionStatus": "succeeded", "Bucket": "reports", "MD5Checksum": "83b1c4cbe93fc893f54053697e10fd6e",
             "Key": "job-1/results/a.csv"},
            {"TaskExecutionStatus": "failed", "Bucket": "reports", "MD5Checksum": "22ee037f3515975f7719699e5c416eaa",
             "Key": "job-1/results/b.csv"}],
            "ReportSchema": "Bucket, Key, VersionId, TaskStatus, ErrorCode, HTTPStatusCode, ResultMessage"}"#;
        let manifest = Manifest::parse(text).unwrap();
        assert_eq!((manifest.kind, manifest.files.len(), manifest.bucket), (Kind::Checksums, 2, None));
        assert_eq!(manifest.made_at, Timestamp::parse_rfc3339("2019-04-05T17:48:39.725Z").unwrap());
        assert_eq!(
            Manifest::parse(&text.replace("TaskStatus, ", "")).unwrap_err(),
            "the columns have neither Size nor ETag, so that nothing could be compared"
        );
        assert_eq!(
            Manifest::parse(&text.replace("2019-04-05T", "")).unwrap_err(),
            "its ReportCreationDate is no time"
        );
    }
}
