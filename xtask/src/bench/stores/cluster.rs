//! A cluster of Ceph with one monitor, one OSD that keeps its objects in memory, and a radosgw, all on loopback.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Method;
use reqwest::blocking::{Client, Response};
use sha1::Sha1;
use stocktake_testbed::{free_port, http_client};

use crate::process::{POLL_INTERVAL, Process};
use crate::project::capture;

/// The one bucket.
pub(super) const BUCKET: &str = "content";
pub(super) const ACCESS_KEY: &str = "stocktake";
pub(super) const SECRET_KEY: &str = "made-up-words-for-the-bench";

/// How long the gateway may take to make its pools and to answer.
const START_TIMEOUT: Duration = Duration::from_secs(120);

/// How long a request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// The pool in which the gateway keeps the bytes of objects.
const POOL: &str = "default.rgw.buckets.data";

/// The key of all: nothing outside this machine reaches the cluster.
const KEY: &str = "AQBSvFhnAAAAABAAnTPc0gk4nZ0zhJxR0QmJNw==";

/// A time far away, in seconds since 1970.
const EXPIRES: &str = "4102444800";

const IN_QUERY: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const IN_PATH: AsciiSet = IN_QUERY.remove(b'/');

/// A running cluster. It ends when this is dropped.
pub(super) struct Cluster {
    config: PathBuf,
    gateway: String,
    client: Client,
    /// What the names of the bucket's objects begin with in the pool.
    marker: String,
    // The gateway ends first.
    processes: [Process; 3],
}

impl Cluster {
    /// Starts it in the folder, with an empty bucket.
    pub(super) fn start(folder: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(folder.join("osd"))?;
        fs::create_dir_all(folder.join("run"))?;
        let (config, keyring) = (folder.join("ceph.conf"), folder.join("keyring"));
        let (monitor, gateway) = (free_address()?, free_address()?);
        let id = "7b0d52a1-6c3f-4f0c-9a55-0d2f0f6f3c11";
        fs::write(&config, configuration(folder, id, &monitor, &gateway))?;
        fs::write(&keyring, keys())?;
        let [map, log] = ["monmap", "processes.log"].map(|name| folder.join(name));
        let addresses = format!("[v2:{monitor}]");
        let mut make = Command::new("monmaptool");
        capture(make.args(["--create", "--addv", "a", &addresses, "--fsid", id]).arg(&map))?;
        let program = |name: &str| {
            let mut command = Command::new(name);
            command.arg("--conf").arg(&config);
            command
        };
        let mut make = program("ceph-mon");
        capture(make.args(["--mkfs", "--id", "a", "--monmap"]).arg(&map).arg("--keyring").arg(&keyring))?;
        let start = |name: &str, of: &[&str]| Process::start(name, program(name).args(of).arg("-f"), &log);
        let mon = start("ceph-mon", &["--id", "a"])?;
        let number = capture(program("ceph").args(["--connect-timeout", "60", "osd", "create"]))?;
        ensure!(number.trim() == "0", "the first OSD has the number {number}");
        capture(program("ceph-osd").args(["--id", "0", "--mkfs"]))?;
        let osd = start("ceph-osd", &["--id", "0"])?;
        let user = ["user", "create", "--uid", "bench", "--display-name", "bench"];
        let pair = ["--access-key", ACCESS_KEY, "--secret-key", SECRET_KEY];
        capture(program("radosgw-admin").args(user).args(pair))?;
        let rgw = start("radosgw", &["--name", "client.admin"])?;
        let client = http_client(REQUEST_TIMEOUT)?;
        let mut cluster = Self { config, gateway, client, marker: String::new(), processes: [rgw, osd, mon] };
        cluster.wait()?;
        cluster.send(&Method::PUT, "", &[], Vec::new())?;
        cluster.marker = cluster.marker()?;
        Ok(cluster)
    }

    /// Waits until the gateway answers.
    fn wait(&mut self) -> anyhow::Result<()> {
        let begin = Instant::now();
        loop {
            self.processes.iter_mut().try_for_each(Process::check_runs)?;
            if self.client.get(format!("http://{}/", self.gateway)).send().is_ok() {
                return Ok(());
            }
            ensure!(begin.elapsed() < START_TIMEOUT, "radosgw does not answer");
            sleep(POLL_INTERVAL);
        }
    }

    /// Host and port of the gateway.
    pub(super) fn gateway(&self) -> &str {
        &self.gateway
    }

    pub(super) fn put(&self, key: &str, content: &[u8]) -> anyhow::Result<()> {
        self.send(&Method::PUT, key, &[], content.to_vec()).map(drop)
    }

    pub(super) fn delete(&self, key: &str) -> anyhow::Result<()> {
        self.send(&Method::DELETE, key, &[], Vec::new()).map(drop)
    }

    /// Puts an object in parts of this size.
    pub(super) fn put_in_parts(&self, key: &str, content: &[u8], size: usize) -> anyhow::Result<()> {
        let begun = self.send(&Method::POST, key, &[("uploads", "")], Vec::new())?.text()?;
        let id = begun.split_once("<UploadId>").and_then(|(_, rest)| rest.split_once("</UploadId>"));
        let (id, _) = id.context("no upload was begun")?;
        let mut listed = String::new();
        for (number, part) in (1..).zip(content.chunks(size)) {
            let number = format!("{number}");
            let answer =
                self.send(&Method::PUT, key, &[("partNumber", &number), ("uploadId", id)], part.to_vec())?;
            let etag = answer.headers().get("etag").context("a part has no ETag")?.to_str()?;
            write!(listed, "<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>")?;
        }
        let body = format!("<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>");
        self.send(&Method::POST, key, &[("uploadId", id)], body.into_bytes()).map(drop)
    }

    /// Sends a request that is signed in its query, which needs no clock. The parameters are in the order of their names.
    /// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/RESTAuthentication.html>
    fn send(
        &self,
        method: &Method,
        key: &str,
        parameters: &[(&str, &str)],
        body: Vec<u8>,
    ) -> anyhow::Result<Response> {
        let path = format!("/{BUCKET}/{}", utf8_percent_encode(key, &IN_PATH));
        let path = path.trim_end_matches(|c| key.is_empty() && c == '/');
        let joined = |encoded: bool| {
            let pair = |(name, value): &(&str, &str)| match (*value, encoded) {
                ("", _) => (*name).to_owned(),
                (value, false) => format!("{name}={value}"),
                (value, true) => format!("{name}={}", utf8_percent_encode(value, &IN_QUERY)),
            };
            parameters.iter().map(pair).collect::<Vec<_>>().join("&")
        };
        let subresource = if parameters.is_empty() { String::new() } else { format!("?{}", joined(false)) };
        let text = format!("{method}\n\n\n{EXPIRES}\n{path}{subresource}");
        let mut mac = Hmac::<Sha1>::new_from_slice(SECRET_KEY.as_bytes())?;
        mac.update(text.as_bytes());
        let signature = BASE64_STANDARD.encode(mac.finalize().into_bytes());
        let signature = utf8_percent_encode(&signature, &IN_QUERY);
        let query = joined(true);
        let url = format!(
            "http://{}{path}?{query}&AWSAccessKeyId={ACCESS_KEY}&Expires={EXPIRES}&Signature={signature}",
            self.gateway
        );
        let answer = self.client.request(method.clone(), url).body(body).send()?;
        if !answer.status().is_success() {
            bail!("{method} {key:?}: {} {}", answer.status(), answer.text().unwrap_or_default());
        }
        Ok(answer)
    }

    fn marker(&self) -> anyhow::Result<String> {
        let mut command = Command::new("radosgw-admin");
        let words = ["metadata", "get", &format!("bucket:{BUCKET}")].map(str::to_owned);
        let told = capture(command.arg("--conf").arg(&self.config).args(words))?;
        let told: serde_json::Value = serde_json::from_str(&told)?;
        let marker = told.pointer("/data/bucket/marker").and_then(serde_json::Value::as_str);
        Ok(marker.context("the bucket has no marker")?.to_owned())
    }

    /// The name in the pool of what holds the first bytes of an object that was put in one piece.
    pub(super) fn head_of(&self, key: &str) -> String {
        format!("{}_{key}", self.marker)
    }

    /// The names in the pool of what holds the parts of an object, all but their heads.
    pub(super) fn shadows_of(&self, key: &str) -> anyhow::Result<Vec<String>> {
        let start = format!("{}__shadow_{key}.", self.marker);
        let listed = self.rados(&["ls"])?;
        Ok(listed.lines().filter(|name| name.starts_with(&start)).map(str::to_owned).collect())
    }

    /// Does something in the pool behind the gateway's back.
    pub(super) fn rados(&self, words: &[&str]) -> anyhow::Result<String> {
        let mut command = Command::new("rados");
        capture(command.arg("--conf").arg(&self.config).args(["--pool", POOL]).args(words))
    }
}

fn free_address() -> anyhow::Result<String> {
    Ok(format!("127.0.0.1:{}", free_port()?))
}

fn keys() -> String {
    format!(
        "[mon.]\nkey = {KEY}\ncaps mon = \"allow *\"\n\
         [client.admin]\nkey = {KEY}\ncaps mon = \"allow *\"\ncaps osd = \"allow *\"\n\
         [osd.0]\nkey = {KEY}\ncaps mon = \"allow profile osd\"\ncaps osd = \"allow *\"\n"
    )
}

/// The configuration of all programs. One copy of each object is enough; a disk that is nearly full is none of its business,
/// for the objects lie in memory.
fn configuration(folder: &Path, id: &str, monitor: &str, gateway: &str) -> String {
    let folder = folder.display();
    format!(
        "[global]\n\
         fsid = {id}\n\
         mon host = [v2:{monitor}/0]\n\
         public addr = 127.0.0.1\n\
         cluster addr = 127.0.0.1\n\
         auth cluster required = cephx\n\
         auth service required = cephx\n\
         auth client required = cephx\n\
         keyring = {folder}/keyring\n\
         admin socket = \n\
         run dir = {folder}/run\n\
         pid file = \n\
         log file = {folder}/$name.log\n\
         crash dir = {folder}\n\
         mon data = {folder}/mon\n\
         mon data avail warn = 0\n\
         mon data avail crit = 0\n\
         mon allow pool size one = true\n\
         osd data = {folder}/osd\n\
         osd objectstore = memstore\n\
         memstore device bytes = 2147483648\n\
         osd crush chooseleaf type = 0\n\
         osd pool default size = 1\n\
         osd pool default min size = 1\n\
         osd pool default pg num = 8\n\
         osd pool default pgp num = 8\n\
         rgw frontends = beast endpoint={gateway}\n"
    )
}
