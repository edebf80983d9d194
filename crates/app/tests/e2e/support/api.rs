//! A small client of the API.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::Method;
use reqwest::blocking::Client;
use serde_json::Value;

use super::eventually;

/// A client with or without a token.
pub(crate) struct Api {
    client: Client,
    address: String,
    token: Option<String>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) text: String,
}

impl Answer {
    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The body as JSON, if the status is 200.
    pub(crate) fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{self:?}");
        self.json()
    }

    /// The URL that the `Link` header has for this relation.
    pub(crate) fn link(&self, relation: &str) -> Option<String> {
        let wanted = format!("rel=\"{relation}\"");
        let links = self.headers.get("link")?;
        let link = links.split(", ").find(|link| link.ends_with(&wanted))?;
        Some(link.trim_start_matches('<').split_once('>')?.0.to_owned())
    }
}

impl Api {
    /// A client of the service at this address.
    pub(crate) fn new(address: &str, token: Option<&str>) -> Self {
        let client = stocktake_testbed::http_client(Duration::from_secs(30)).unwrap();
        Self { client, address: address.to_owned(), token: token.map(str::to_owned) }
    }

    /// The same with another token, or none.
    pub(crate) fn with(&self, token: Option<&str>) -> Self {
        Self { client: self.client.clone(), address: self.address.clone(), token: token.map(str::to_owned) }
    }

    /// Sends a request to a path, or to a whole URL.
    pub(crate) fn send(&self, method: Method, path: &str) -> Answer {
        let url = if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.address) };
        let mut request = self.client.request(method, url);
        if let Some(token) = &self.token {
            request = request.header("PRIVATE-TOKEN", token);
        }
        let response = request.send().expect("an answer");
        let headers = response.headers().iter();
        let headers =
            headers.map(|(name, value)| (name.to_string(), value.to_str().expect("text").to_owned()));
        let (headers, status) = (headers.collect(), response.status().as_u16());
        Answer { status, headers, text: response.text().expect("a body") }
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path)
    }

    pub(crate) fn put(&self, path: &str) -> Answer {
        self.send(Method::PUT, path)
    }

    pub(crate) fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path)
    }

    /// One record.
    pub(crate) fn record(&self, model: &str, key: impl std::fmt::Display) -> Value {
        self.get(&format!("/api/v4/admin/data_management/{model}/{key}")).ok()
    }

    /// How many records a model has in a state.
    pub(crate) fn count(&self, model: &str, state: &str) -> u64 {
        let path = format!("/api/v4/admin/data_management/{model}?checksum_state={state}&per_page=1");
        let answer = self.get(&path);
        answer.ok();
        answer.headers["x-total"].parse().expect("a number")
    }

    /// Waits until a model has no record left that is pending or started.
    pub(crate) fn settled(&self, model: &str) {
        eventually("all records are checked", || {
            (self.count(model, "pending") == 0 && self.count(model, "started") == 0).then_some(())
        });
    }
}
