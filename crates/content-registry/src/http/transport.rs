//! Sends requests: one client, a bounded number at once, retries, and pauses that the registry requests.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::{Client, RequestBuilder, Response, StatusCode};
use stocktake_domain::format_duration;
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

/// How long to wait for the next bytes of an answer.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// After how long without an answer the server is asked whether it answers at all, and how long that may take.
const SILENCE: Duration = Duration::from_secs(8);

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
            .read_timeout(READ_TIMEOUT)
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
            let sent = self.send_once(make()).await?;
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

    /// Sends a request once. Fails if the server does not answer anybody.
    async fn send_once(&self, request: RequestBuilder) -> Result<reqwest::Result<Response>, RegistryError> {
        let request = match request.build() {
            Ok(request) => request,
            Err(error) => return Ok(Err(error)),
        };
        let origin = request.url().origin().ascii_serialization();
        let mut sending = std::pin::pin!(self.client.execute(request));
        if let Ok(answer) = tokio::time::timeout(SILENCE, &mut sending).await {
            return Ok(answer);
        }
        // Any answer shows that it is only this request that takes long.
        let other = self.client.get(format!("{origin}/v2/")).send();
        match tokio::time::timeout(SILENCE, other).await {
            Ok(Ok(_)) => Ok(sending.await),
            Ok(Err(error)) => Err(unreachable(&error)),
            Err(_) => {
                let waited = format_duration(SILENCE);
                Err(RegistryError::storage(format!("{origin}: does not answer within {waited}")))
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
/// URL, which may contain a signature. A host that cannot be reached is at fault itself; a connection that breaks may do so
/// because of what it brings.
pub(super) fn unreachable(error: &reqwest::Error) -> RegistryError {
    let origin = error.url().map(|url| url.origin().ascii_serialization()).unwrap_or_default();
    let cause = root_cause(error);
    if tls::failure(error).is_some() {
        RegistryError::storage(format!("{origin}: TLS fails: {cause}"))
    } else if error.is_connect() {
        RegistryError::storage(format!("{origin}: cannot be reached: {cause}"))
    } else if error.is_timeout() {
        RegistryError::Unclear { reason: format!("{origin}: does not answer in time: {cause}"), origin }
    } else {
        RegistryError::Unclear { reason: format!("{origin}: the connection broke: {cause}"), origin }
    }
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
