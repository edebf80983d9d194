//! A small client for the HTTP API.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use reqwest::Method;
use reqwest::blocking::Client;
use serde_json::Value;

use crate::process::{POLL_INTERVAL, Process};

/// How long a new service may take to become ready.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// How long the records may show no progress.
pub(crate) const STALL_TIMEOUT: Duration = Duration::from_secs(60);

/// One service and a token for it.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    /// `http://address:port`.
    pub(crate) base: String,
    /// An administrator's token.
    pub(crate) token: String,
    client: Client,
}

impl Api {
    pub(crate) fn new(base: &str, token: &str) -> anyhow::Result<Self> {
        let client = stocktake_testbed::http_client(Duration::from_secs(60))?;
        Ok(Self { base: base.to_owned(), token: token.to_owned(), client })
    }

    /// Sends a request and returns the status and the body, which is `null` if it is not JSON.
    pub(crate) fn request(&self, method: Method, path: &str) -> anyhow::Result<(u16, Value)> {
        let url = format!("{}{path}", self.base);
        let request = self.client.request(method, &url).header("PRIVATE-TOKEN", &self.token);
        let answer = request.send().with_context(|| url.clone())?;
        let status = answer.status().as_u16();
        let body = answer.bytes().with_context(|| url)?;
        Ok((status, serde_json::from_slice(&body).unwrap_or(Value::Null)))
    }

    /// The body of a GET request that must succeed.
    pub(crate) fn get(&self, path: &str) -> anyhow::Result<Value> {
        match self.request(Method::GET, path)? {
            (200, body) => Ok(body),
            (status, body) => bail!("GET {path}: {status} {body}"),
        }
    }

    /// A page of a list, and the cursor of the next page if there is one.
    pub(crate) fn page(&self, path: &str) -> anyhow::Result<(Vec<Value>, Option<String>)> {
        let url = format!("{}{path}", self.base);
        let answer = self.client.get(&url).header("PRIVATE-TOKEN", &self.token).send()?.error_for_status()?;
        let cursor =
            answer.headers().get("X-Next-Cursor").map(|cursor| cursor.to_str().map(ToOwned::to_owned));
        let cursor = cursor.transpose().context("the cursor is not text")?;
        Ok((answer.json().with_context(|| url)?, cursor))
    }

    /// Waits until the service is ready.
    pub(crate) fn wait_until_ready(&self, service: &mut Process) -> anyhow::Result<()> {
        let begin = Instant::now();
        loop {
            service.check_runs()?;
            let url = format!("{}/-/readiness", self.base);
            if self.client.get(url).send().is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            if begin.elapsed() > START_TIMEOUT {
                bail!("not ready after {} s; the log ends:\n{}", START_TIMEOUT.as_secs(), service.log_end());
            }
            sleep(POLL_INTERVAL);
        }
    }

    /// Waits until no record of these models is pending or started. Fails if nothing changes for [`STALL_TIMEOUT`].
    pub(crate) fn wait_until_done(&self, models: &[&str], service: &mut Process) -> anyhow::Result<()> {
        let mut last = (Instant::now(), Value::Null);
        loop {
            service.check_runs()?;
            if self.is_done(models)? {
                return Ok(());
            }
            let summary = self.get("/api/v1/summary")?;
            if summary != last.1 {
                last = (Instant::now(), summary);
            } else if last.0.elapsed() > STALL_TIMEOUT {
                let seconds = STALL_TIMEOUT.as_secs();
                bail!("nothing has changed for {seconds} s: {}\n{}", last.1, service.log_end());
            }
            sleep(POLL_INTERVAL);
        }
    }

    fn is_done(&self, models: &[&str]) -> anyhow::Result<bool> {
        for model in models {
            for state in ["pending", "started"] {
                let query = format!("{}?per_page=1&checksum_state={state}", list_path(model));
                if self.get(&query)?.as_array().is_none_or(|records| !records.is_empty()) {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }
}

/// The path of a model's list.
pub(crate) fn list_path(model: &str) -> String {
    format!("/api/v4/admin/data_management/{model}")
}
