//! Sends requests: one client, a bounded number at once, retries, and pauses that the registry requests.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::{Client, RequestBuilder, Response, StatusCode};
use stocktake_net::error::root_cause;
use stocktake_net::http::{HttpClientBuilder, retry_after};
use stocktake_net::retry::Schedule;
use stocktake_net::tls;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::settings::SettingsError;
use crate::source::RegistryError;

/// The number of attempts without progress.
pub(super) const TRIES: u32 = 5;

/// The longest pause, including those that a registry requests.
const MAX_PAUSE: Duration = Duration::from_secs(60);

/// The pauses between attempts.
pub(super) const PAUSES: Schedule = Schedule::new(Duration::from_millis(250), MAX_PAUSE);

/// For how long a registry may refuse requests because there are too many.
const THROTTLED_FOR: Duration = Duration::from_secs(300);

/// Sends the requests of one store.
pub(super) struct Transport {
    client: Client,
    /// Bounds the requests under way.
    slots: Arc<Semaphore>,
    /// No request is sent before this time, because the registry has requested a pause.
    not_before: Mutex<Instant>,
}

impl Transport {
    /// A transport that trusts these certificates in addition to those of the system. `plain_http`: the registry
    /// is reached without TLS.
    pub(super) fn new(
        requests: NonZeroUsize,
        certificates: Option<&Path>,
        plain_http: bool,
    ) -> Result<Self, SettingsError> {
        let client = HttpClientBuilder::new(certificates.map(Path::to_owned), plain_http)?
            .build()
            .map_err(|error| SettingsError::Client(root_cause(&error).to_string()))?;
        let slots = Arc::new(Semaphore::new(requests.get().min(Semaphore::MAX_PERMITS)));
        Ok(Self { client, slots, not_before: Mutex::new(Instant::now()) })
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// The permit for one request.
    pub(super) async fn slot(&self) -> Result<OwnedSemaphorePermit, RegistryError> {
        let closed = |_| RegistryError::Unavailable("the storage is closed".to_owned());
        Arc::clone(&self.slots).acquire_owned().await.map_err(closed)
    }

    /// Sends the request that `make` builds, and retries it after temporary errors. Returns the last response, with any
    /// status.
    pub(super) async fn send(
        &self,
        mut make: impl FnMut() -> RequestBuilder,
    ) -> Result<Response, RegistryError> {
        let mut failed = 0;
        // A request for a pause is not a failure, so it is counted separately.
        let mut throttled = 0;
        let mut throttled_since = None;
        loop {
            self.wait_for_turn().await;
            let sent = make().send().await;
            if let Ok(response) = &sent
                && is_throttled(response.status())
            {
                throttled += 1;
                let since = *throttled_since.get_or_insert_with(Instant::now);
                if since.elapsed() < THROTTLED_FOR {
                    let asked_for = retry_after(response.headers()).map(|pause| pause.min(MAX_PAUSE));
                    self.slow_down(asked_for.unwrap_or_else(|| PAUSES.delay(throttled)));
                    continue;
                }
                return sent.map_err(|error| unreachable(&error));
            }
            failed += 1;
            match sent {
                Ok(response) if !response.status().is_server_error() || failed >= TRIES => {
                    return Ok(response);
                }
                Err(error) if tls::is_untrusted(&error) || failed >= TRIES => {
                    return Err(unreachable(&error));
                }
                _ => tokio::time::sleep(PAUSES.delay(failed)).await,
            }
        }
    }

    async fn wait_for_turn(&self) {
        loop {
            let until = *self.not_before.lock().unwrap_or_else(PoisonError::into_inner);
            if until <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(until).await;
        }
    }

    /// Holds back all requests of the store.
    fn slow_down(&self, pause: Duration) {
        let until = Instant::now() + pause;
        let mut not_before = self.not_before.lock().unwrap_or_else(PoisonError::into_inner);
        *not_before = until.max(*not_before);
    }
}

fn is_throttled(status: StatusCode) -> bool {
    matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE)
}

/// Why there is no response from the registry or the target of its redirect, with the host but without the rest of the
/// URL, which may contain a signature.
pub(super) fn unreachable(error: &reqwest::Error) -> RegistryError {
    let host = error.url().map(|url| url.origin().ascii_serialization()).unwrap_or_default();
    let what = if tls::failure(error).is_some() {
        "TLS fails"
    } else if error.is_connect() {
        "cannot be reached"
    } else if error.is_timeout() {
        "does not answer in time"
    } else {
        "the connection broke"
    };
    RegistryError::Unavailable(format!("{host}: {what}: {}", root_cause(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that sends these responses to its connections, one after the other; for an empty one it closes the
    /// connection.
    fn server(answers: Vec<String>) -> std::net::SocketAddr {
        use std::io::{BufRead as _, BufReader, Write as _};
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let lines = BufReader::new(&stream).lines();
                lines.map(Result::unwrap).find(String::is_empty).unwrap();
                stream.write_all(answer.as_bytes()).unwrap();
            }
        });
        address
    }

    #[tokio::test]
    async fn to_be_asked_later_is_no_failure() {
        let answer = |status: &str| {
            format!("HTTP/1.1 {status}\r\nRetry-After: 0\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        };
        let mut answers = vec![answer("429 Too Many Requests"); 5];
        answers.extend([
            String::new(),
            answer("503 Service Unavailable"),
            answer("500 Broken"),
            answer("200 OK"),
        ]);
        let url = format!("http://{}/", server(answers));
        let transport = Transport::new(NonZeroUsize::MIN, None, true).unwrap();
        let response = transport.send(|| transport.client().get(&url)).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
    }
}
