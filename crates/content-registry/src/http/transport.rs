//! Sending requests: one client, a bounded number at once, retries, and pauses that the registry asks for.

use std::error::Error;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::settings::SettingsError;
use crate::source::Fault;

/// How long a connection, and the next bytes on it, are waited for.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// How often is tried what fails without progress, and the pause after the first time, which doubles.
pub(super) const TRIES: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// How long a registry may go on saying that it is asked too much, and the longest pause it may ask for.
const THROTTLED_FOR: Duration = Duration::from_secs(300);
const MAX_PAUSE: Duration = Duration::from_secs(60);

/// What sends the requests of one store.
pub(super) struct Transport {
    client: Client,
    /// Bounds the requests under way.
    slots: Arc<Semaphore>,
    /// Nothing is sent before this: the registry has asked for a pause.
    not_before: Mutex<Instant>,
}

impl Transport {
    /// A transport that trusts these certificates besides those of the system.
    pub(super) fn new(requests: NonZeroUsize, certificates: Option<&Path>) -> Result<Self, SettingsError> {
        let client = Client::builder()
            .tls_backend_preconfigured(tls(certificates)?)
            // Redirects are followed by hand: credentials stay here.
            .redirect(Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .user_agent(concat!("stocktake/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| SettingsError::Client(reason(&error)))?;
        let slots = Arc::new(Semaphore::new(requests.get().min(Semaphore::MAX_PERMITS)));
        Ok(Self { client, slots, not_before: Mutex::new(Instant::now()) })
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// The right to have one request under way.
    pub(super) async fn slot(&self) -> Result<OwnedSemaphorePermit, Fault> {
        let closed = |_| Fault::Whole("the storage is closed".to_owned());
        Arc::clone(&self.slots).acquire_owned().await.map_err(closed)
    }

    /// Sends what `make` gives, again and again while it fails in ways that pass. The answer is the last one
    /// there was, whatever its status.
    pub(super) async fn send(&self, mut make: impl FnMut() -> RequestBuilder) -> Result<Response, Fault> {
        let mut failed = 0;
        // That the registry wants to be asked later is no failure, so it is counted for itself.
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
                    self.slow_down(pause_asked_for(response.headers()).unwrap_or_else(|| pause(throttled)));
                    continue;
                }
                return sent.map_err(|error| unreachable(&error));
            }
            failed += 1;
            match sent {
                Ok(response) if !response.status().is_server_error() || failed >= TRIES => {
                    return Ok(response);
                }
                Err(error) if is_untrusted(&error) || failed >= TRIES => return Err(unreachable(&error)),
                _ => tokio::time::sleep(pause(failed)).await,
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

/// The pause after the `tried`-th try.
pub(super) fn pause(tried: u32) -> Duration {
    let factor = 1_u32.checked_shl(tried.saturating_sub(1)).unwrap_or(u32::MAX);
    FIRST_PAUSE.saturating_mul(factor).min(MAX_PAUSE)
}

fn is_throttled(status: StatusCode) -> bool {
    matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE)
}

/// The pause asked for in seconds; a date is not worth a calendar.
fn pause_asked_for(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(MAX_PAUSE))
}

fn tls(certificates: Option<&Path>) -> Result<ClientConfig, SettingsError> {
    let mut roots = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(system.certs);
    if let Some(path) = certificates {
        let wrong = |reason: String| SettingsError::Certificates { path: path.to_owned(), reason };
        let own = CertificateDer::pem_file_iter(path).map_err(|error| wrong(error.to_string()))?;
        let own: Vec<_> = own.collect::<Result<_, _>>().map_err(|error| wrong(error.to_string()))?;
        if own.is_empty() {
            return Err(wrong("no certificate in it".to_owned()));
        }
        for certificate in own {
            roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|error| SettingsError::Client(error.to_string()))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// Why no answer came from the registry or where it sent us, with the host but without the rest of the URL, which may hold a signature.
pub(super) fn unreachable(error: &reqwest::Error) -> Fault {
    let host = error.url().map(|url| url.origin().ascii_serialization()).unwrap_or_default();
    let what = if is_tls(error) {
        "TLS fails"
    } else if error.is_connect() {
        "cannot be reached"
    } else if error.is_timeout() {
        "does not answer in time"
    } else {
        "the connection broke"
    };
    Fault::Whole(format!("{host}: {what}: {}", reason(error)))
}

/// The innermost reason, which is the one that says something.
fn reason(error: &reqwest::Error) -> String {
    causes(error).last().map_or_else(|| error.to_string(), ToString::to_string)
}

fn is_tls(error: &reqwest::Error) -> bool {
    tls_error(error).is_some()
}

/// Whether the certificate is refused, which trying again does not help.
fn is_untrusted(error: &reqwest::Error) -> bool {
    matches!(tls_error(error), Some(rustls::Error::InvalidCertificate(_)))
}

fn tls_error(error: &reqwest::Error) -> Option<&rustls::Error> {
    causes(error).find_map(tls_error_in)
}

/// The TLS error that this is, or that it wraps: an I/O error's source is not what it wraps.
fn tls_error_in<'a>(cause: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    match cause.downcast_ref::<std::io::Error>() {
        Some(io) => tls_error_in(io.get_ref()?),
        None => cause.downcast_ref(),
    }
}

fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    std::iter::successors(error.source(), |cause| (*cause).source())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_bound() {
        assert_eq!([pause(1), pause(2), pause(3)], [250, 500, 1000].map(Duration::from_millis));
        assert_eq!([pause(20), pause(99)], [MAX_PAUSE; 2]);
    }

    /// A server that gives these answers to whoever comes, one after the other; to an empty one it hangs up.
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
        let transport = Transport::new(NonZeroUsize::MIN, None).unwrap();
        let response = transport.send(|| transport.client().get(&url)).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
    }

    #[test]
    fn the_registry_may_ask_for_a_pause() {
        let asked = |value: &'static str| {
            pause_asked_for(&HeaderMap::from_iter([(RETRY_AFTER, value.parse().unwrap())]))
        };
        assert_eq!(asked("7"), Some(Duration::from_secs(7)));
        assert_eq!(asked("99999"), Some(MAX_PAUSE));
        assert_eq!(asked("Fri, 31 Dec 1999 23:59:59 GMT"), None);
    }
}
