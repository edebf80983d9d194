//! A real radosgw, which is too heavy for the gate, with faults of every kind: none may be missed, and nothing else may be
//! told.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use md5::{Digest as _, Md5};
use serde_json::Value;
use sha2::Sha256;
use stocktake_testbed::{Fault, FaultProxy};

use self::cluster::{ACCESS_KEY, BUCKET, Cluster, SECRET_KEY};
use super::Row;
use super::measure::{number, run_any};
use crate::installation::{Database, Installation};
use crate::machine;
use crate::project::{Profile, Project};

mod cluster;

/// How many objects there are in one piece; more than two full pages of a listing.
const SMALL: usize = 2_400;

/// Of so many objects, one is faulty.
const ONE_IN: usize = 12;

/// How many objects are put in parts, and the size of these; the last part is small.
const IN_PARTS: usize = 12;
const PART: usize = 5 << 20;

/// Keys that others have trouble with.
const ODD: [&str; 10] =
    ["a//b", "/lead", "a b+c", "%", "%2F", "ä/日本", "?a=b&c#d", "<&>\"'", "~", "a:b@c,d;e=f!g$h*i(j)"];

/// The models of the records that are read, and of those that are compared by lists.
const READ: &str = "uploads";
const LISTED: &str = "lfs_objects";

/// What was done to an object after it was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Planted {
    Nothing,
    /// By the gateway, as a client would.
    Missing,
    SameSize,
    Longer,
    Truncated,
    Emptied,
    /// Behind the gateway's back, in the pool.
    Rotten,
    CutOff,
    Lost,
}

impl Planted {
    const BY_CLIENT: [Self; 5] =
        [Self::Missing, Self::SameSize, Self::Longer, Self::Truncated, Self::Emptied];
    const AT_REST: [Self; 3] = [Self::Rotten, Self::CutOff, Self::Lost];

    /// The kinds of finding that say it.
    fn kinds(self) -> &'static [&'static str] {
        match self {
            Self::Nothing => &[],
            Self::Missing => &["missing"],
            Self::SameSize | Self::Longer | Self::Truncated | Self::Emptied | Self::Rotten => &["altered"],
            // What comes of an object of which a piece is gone, is the gateway's decision.
            Self::CutOff | Self::Lost => &["altered", "unreadable", "missing"],
        }
    }

    /// What a client puts in the place of the content; `None` if nothing.
    fn put(self, content: &[u8]) -> Option<Vec<u8>> {
        let mut put = content.to_vec();
        match self {
            Self::SameSize => flip(&mut put),
            Self::Longer => put.push(b'!'),
            Self::Truncated => put.truncate(content.len().saturating_sub(1)),
            Self::Emptied => put.clear(),
            Self::Nothing | Self::Missing | Self::Rotten | Self::CutOff | Self::Lost => return None,
        }
        Some(put)
    }
}

fn flip(content: &mut [u8]) {
    if let Some(byte) = content.last_mut() {
        *byte ^= 1;
    }
}

/// An object as it was recorded, and its fault.
struct Recorded {
    key: String,
    content: Vec<u8>,
    in_parts: bool,
    planted: Planted,
}

/// Finds all faults, and measures the check of metadata.
pub(super) fn measure(project: &Project) -> anyhow::Result<Row> {
    machine::rados_gateway()?;
    // What counts is what is found, and how many requests that takes.
    let binary = project.build(Profile::Dev)?;
    let folder = tempfile::Builder::new().prefix("stocktake-bench-").tempdir()?;
    let folder = folder.path();
    let cluster = Cluster::start(&folder.join("ceph"))?;
    let objects = catalogue();
    println!("Putting {} objects into radosgw …", objects.len());
    for object in &objects {
        plant(&cluster, folder, object).with_context(|| object.key.clone())?;
    }
    let proxy = FaultProxy::start(cluster.gateway(), |_| Fault::None)?;
    let storages = [("far", "read"), ("listed", "metadata")];
    let storages = storages.map(|(name, content)| storage(name, content, &proxy.url())).concat();
    let installation = Installation::new(&binary, &folder.join("read"), Database::Sqlite, &[], &storages)?;
    installation.run(&["migrate"])?;
    let listed: Vec<&Recorded> =
        objects.iter().filter(|object| !Planted::AT_REST.contains(&object.planted)).collect();
    let all: Vec<&Recorded> = objects.iter().collect();
    installation.import(
        READ,
        &lines(&all, "far", |content| format!("sha256:{}", hex::encode(Sha256::digest(content))))?,
    )?;
    judge(&installation, READ, &all)?;
    // An `ETag` of parts is no MD5 of the object: of it, lists compare the size.
    let in_one: Vec<&Recorded> = listed.into_iter().filter(|object| !object.in_parts).collect();
    installation.import(
        LISTED,
        &lines(&in_one, "listed", |content| format!("md5:{}", hex::encode(Md5::digest(content))))?,
    )?;
    let before = proxy.asked().len();
    judge(&installation, LISTED, &in_one)?;
    let requests = proxy.asked().len().saturating_sub(before);
    Ok(Row {
        what: "requests of a metadata check, radosgw, vs. one for each object".to_owned(),
        figures: format!("{requests} to {}", in_one.len()),
        ratio: number(in_one.len()) / number(requests),
        target: None,
    })
}

fn catalogue() -> Vec<Recorded> {
    let faults: Vec<Planted> = Planted::BY_CLIENT.into_iter().chain(Planted::AT_REST).collect();
    let fault_of = |index: usize| faults.get(index % faults.len()).copied().unwrap_or(Planted::Nothing);
    let small = (0..SMALL).map(|index| Recorded {
        key: format!("small/{index:05}"),
        content: format!("content of number {index}").into_bytes(),
        in_parts: false,
        planted: if index % ONE_IN == 5 { fault_of(index / ONE_IN) } else { Planted::Nothing },
    });
    let odd = [Planted::Nothing].into_iter().chain(Planted::BY_CLIENT).flat_map(|planted| {
        ODD.map(|key| Recorded {
            key: format!("{planted:?}{key}"),
            content: format!("content of {key}").into_bytes(),
            in_parts: false,
            planted,
        })
    });
    let in_parts = (0..IN_PARTS).map(|index| Recorded {
        key: format!("parts/{index:05}"),
        content: [vec![b'a'; PART], vec![b'b'; PART], format!("end of {index}").into_bytes()].concat(),
        in_parts: true,
        planted: if index < faults.len() { fault_of(index) } else { Planted::Nothing },
    });
    small.chain(odd).chain(in_parts).collect()
}

/// Puts an object, and does to it what is to be found.
fn plant(cluster: &Cluster, folder: &Path, object: &Recorded) -> anyhow::Result<()> {
    let Recorded { key, content, in_parts, planted } = object;
    let stored = planted.put(content);
    let stored = stored.as_deref().unwrap_or(content);
    if *in_parts && !stored.is_empty() {
        cluster.put_in_parts(key, stored, PART)?;
    } else {
        cluster.put(key, stored)?;
    }
    if *planted == Planted::Missing {
        return cluster.delete(key);
    }
    if !Planted::AT_REST.contains(planted) {
        return Ok(());
    }
    let name = if *in_parts {
        cluster.shadows_of(key)?.into_iter().next().context("the object has no shadows")?
    } else {
        cluster.head_of(key)
    };
    match planted {
        Planted::Rotten => {
            let file = folder.join("piece");
            let file = file.to_str().context("the folder's name is not UTF-8")?;
            cluster.rados(&["get", &name, file])?;
            let mut piece = fs::read(file)?;
            flip(&mut piece);
            fs::write(file, piece)?;
            cluster.rados(&["put", &name, file])
        }
        Planted::CutOff => cluster.rados(&["truncate", &name, "7"]),
        Planted::Lost => cluster.rados(&["rm", &name]),
        other => bail!("{other:?} is no fault at rest"),
    }
    .map(drop)
}

/// A storage of the bucket, in TOML.
fn storage(name: &str, content: &str, endpoint: &str) -> String {
    format!(
        "[storages.{name}]\nkind = \"s3\"\nbucket = \"{BUCKET}\"\nendpoint = \"{endpoint}\"\nplain_http = true\n\
         access_key_id = \"{ACCESS_KEY}\"\nsecret_access_key = \"{SECRET_KEY}\"\ncontent = \"{content}\"\n"
    )
}

/// The lines that make the objects records, numbered from 1.
fn lines(objects: &[&Recorded], storage: &str, digest: impl Fn(&[u8]) -> String) -> anyhow::Result<String> {
    let mut lines = String::new();
    for (number, Recorded { key, content, .. }) in (1_u64..).zip(objects) {
        let line = serde_json::json!({
            "record_identifier": number,
            "storage": storage,
            "path": key,
            "file_size": content.len(),
            "expected_checksum": digest(content),
        });
        writeln!(lines, "{line}")?;
    }
    Ok(lines)
}

/// Verifies the model, and compares what is found with what was planted.
fn judge(installation: &Installation, model: &str, objects: &[&Recorded]) -> anyhow::Result<()> {
    let (run, status) = run_any(&mut installation.command(&["verify", model, "--quiet"]))?;
    ensure!(status.code() == Some(1), "verify exited with {status}: {}", run.output);
    let findings: Value = serde_json::from_str(&installation.run(&["export", model, "--format", "json"])?)?;
    let text = |finding: &Value, name: &str| finding.get(name).and_then(Value::as_str).map(str::to_owned);
    let findings: Vec<Value> = serde_json::from_value(findings)?;
    let told: BTreeMap<String, (String, String)> = findings
        .iter()
        .filter_map(|of| {
            let failure = text(of, "checksum_failure").unwrap_or_default();
            Some((text(of, "path")?, (text(of, "kind")?, failure)))
        })
        .collect();
    ensure!(told.len() == findings.len(), "findings without a path or a kind: {findings:?}");
    let (mut faults, mut missed, mut false_alarms) = (0_usize, 0, 0);
    for Recorded { key, planted, .. } in objects {
        faults += usize::from(*planted != Planted::Nothing);
        let said = told.get(key);
        match (*planted, said) {
            (Planted::Nothing, None) => {}
            (Planted::Nothing, Some(said)) => {
                println!("{key:?} is good and was told as {said:?}");
                false_alarms += 1;
            }
            (planted, said) => {
                if !said.is_some_and(|(kind, _)| planted.kinds().contains(&kind.as_str())) {
                    println!("{planted:?} {key:?} was told as {said:?}");
                    missed += 1;
                }
            }
        }
    }
    println!(
        "radosgw, {model}: {} objects, {faults} faults, {missed} missed, {false_alarms} false alarms, {:.1} s, {:.0} MiB",
        objects.len(),
        run.seconds,
        run.mib
    );
    ensure!((missed, false_alarms) == (0, 0), "not all faults of radosgw were found as they are");
    Ok(())
}
