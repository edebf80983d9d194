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
        let mut console = Self { client, base: base.to_owned(), cookie: String::new() };
        console.sign_in_again("/console/login", token);
        console
    }

    /// Signs in on this page, which was led to; where that leads.
    pub(crate) fn sign_in_again(&mut self, login: &str, token: &str) -> String {
        let page = self.get(login);
        let wanted = page.split_once("name=\"to\" value=\"").and_then(|(_, rest)| rest.split('"').next());
        let wanted = wanted.map(|wanted| format!("&to={wanted}")).unwrap_or_default();
        let request = self.client.post(format!("{}/console/login", self.base));
        let response = request.body(format!("token={token}{wanted}")).send().expect("an answer");
        let cookie = response.headers()[SET_COOKIE].to_str().expect("text");
        cookie.split(';').next().expect("a cookie").clone_into(&mut self.cookie);
        led(&response).expect("signed in")
    }

    /// The same browser at the service with this address.
    pub(crate) fn at(&mut self, base: &str) -> &mut Self {
        base.clone_into(&mut self.base);
        self
    }

    /// Where this page leads instead of being shown, if it does.
    pub(crate) fn leads_to(&self, path: &str) -> Option<String> {
        led(&self.answer(path))
    }

    /// A page.
    pub(crate) fn get(&self, path: &str) -> String {
        let response = self.answer(path);
        assert_eq!(response.status(), 200, "{path}");
        response.text().expect("a page")
    }

    fn answer(&self, path: &str) -> Response {
        let request = self.client.get(format!("{}{path}", self.base)).header(COOKIE, &self.cookie);
        request.send().expect("an answer")
    }

    /// Presses the button of a form on a page; where that leads.
    pub(crate) fn act(&self, page: &str, action: &str) -> String {
        let page = self.get(page);
        assert!(page.contains(&format!("action=\"{action}\"")), "{action} is not on the page: {page}");
        let (_, rest) = page.split_once("name=\"csrf\" value=\"").expect("a form");
        let value = rest.split('"').next().expect("a value");
        let request = self.client.post(format!("{}{action}", self.base)).header(COOKIE, &self.cookie);
        let response: Response = request.body(format!("csrf={value}")).send().expect("an answer");
        led(&response).unwrap_or_else(|| panic!("{action}: {}", response.status()))
    }
}

fn led(response: &Response) -> Option<String> {
    let location = || response.headers()[LOCATION].to_str().expect("text").to_owned();
    (response.status() == 303).then(location)
}
