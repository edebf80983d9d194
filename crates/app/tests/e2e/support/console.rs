//! Somebody who has signed in to the console, as a browser without scripts does.

use std::time::Duration;

use reqwest::blocking::{Client, Response};
use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};

/// A session of the console.
pub(crate) struct Console {
    client: Client,
    base: String,
    cookie: String,
}

impl Console {
    /// Signs in at the service with this address.
    pub(crate) fn sign_in(base: &str, token: &str) -> Self {
        let client = stocktake_testbed::http_client_without_redirects(Duration::from_secs(30)).unwrap();
        let request = client.post(format!("{base}/console/login")).body(format!("token={token}"));
        let response = request.send().expect("an answer");
        assert_eq!(response.status(), 303);
        let cookie = response.headers()[SET_COOKIE].to_str().expect("text");
        let cookie = cookie.split(';').next().expect("a cookie").to_owned();
        Self { client, base: base.to_owned(), cookie }
    }

    /// A page.
    pub(crate) fn get(&self, path: &str) -> String {
        let request = self.client.get(format!("{}{path}", self.base)).header(COOKIE, &self.cookie);
        let response = request.send().expect("an answer");
        assert_eq!(response.status(), 200, "{path}");
        response.text().expect("a page")
    }

    /// Presses the button of a form on a page; where that leads.
    pub(crate) fn act(&self, page: &str, action: &str) -> String {
        let page = self.get(page);
        assert!(page.contains(&format!("action=\"{action}\"")), "{action} is not on the page: {page}");
        let (_, rest) = page.split_once("name=\"csrf\" value=\"").expect("a form");
        let value = rest.split('"').next().expect("a value");
        let request = self.client.post(format!("{}{action}", self.base)).header(COOKIE, &self.cookie);
        let response: Response = request.body(format!("csrf={value}")).send().expect("an answer");
        assert_eq!(response.status(), 303, "{action}");
        response.headers()[LOCATION].to_str().expect("text").to_owned()
    }
}
