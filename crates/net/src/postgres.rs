//! Connections to PostgreSQL, with `sslmode` and `sslrootcert` as `libpq` has them, with four exceptions.
//!
//! | `sslmode` | TLS | verified of the server's certificate |
//! |---|---|---|
//! | `disable` | never | |
//! | `allow` | only if the server refuses a connection without it | nothing |
//! | `prefer`, the default | if the server offers it | nothing |
//! | `require` | always | as under `verify-full` |
//! | `verify-ca` | always | that a trusted authority issued it |
//! | `verify-full`, the default with `sslrootcert=system` | always | the same, and that it is for this host |
//!
//! `sslrootcert` names a PEM file of the authorities that are trusted. `sslrootcert=system` are those of the
//! operating system, and allows no mode but `verify-full`, since anybody can get a certificate of theirs for
//! some host. An empty `sslrootcert=` is refused. Over Unix sockets there is no TLS, whatever the mode.
//!
//! Four things differ from `libpq`:
//!
//! * `require` verifies the certificate and the host, where `libpq` verifies nothing, or only the authority. TLS without
//!   verification stops nobody who can read the connection from also changing it, and an administrator who writes
//!   `require` expects protection.
//! * Without `sslrootcert`, `verify-ca` and `verify-full` trust the system's authorities; `libpq` looks for
//!   `~/.postgresql/root.crt`, and a service may have no home directory.
//! * With `sslrootcert`, a certificate that is not trusted ends the connection under `allow` and `prefer` too,
//!   where `libpq` would go on without TLS: naming an authority means that it is wanted.
//! * `prefer` and `allow` try the other way only if the server refuses the connection by its rules, or TLS fails;
//!   `libpq` also does after a wrong password, which would then be sent once more, unencrypted.

mod reader;
mod sslmode;

use std::fmt;
use std::str::FromStr as _;
use std::time::Duration;

use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, Connection, Error, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::tls::{self, TlsError};
pub use reader::{NoAnswer, PostgresReader, Value};
use sslmode::{Mode, split};

/// The port of a server whose URL names none.
const USUAL_PORT: u16 = 5432;

/// How long a connection is idle before the other end is asked whether it is still there.
pub const KEEPALIVE_IDLE: Duration = Duration::from_secs(10);

/// How long until it is asked again.
pub const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);

/// How often it is asked in vain before the connection counts as lost.
pub const KEEPALIVE_RETRIES: u32 = 3;

/// How long what was sent may go unacknowledged before the connection counts as lost.
pub const UNACKNOWLEDGED: Duration = Duration::from_secs(20);

/// What moves a connection on.
pub type PostgresConnection =
    Connection<Socket, <MakeRustlsConnect as tokio_postgres::tls::MakeTlsConnect<Socket>>::Stream>;

/// Why a URL of a database cannot be used. No text holds any part of the URL that may be secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PostgresUrlError {
    /// It is no URL of a PostgreSQL database, or has an unknown parameter.
    #[error("the PostgreSQL URL cannot be read")]
    Unreadable,
    /// A mode that there is not.
    #[error("sslmode={0} is not known: disable, allow, prefer, require, verify-ca or verify-full")]
    UnknownMode(String),
    /// `sslrootcert=` without a value.
    #[error("sslrootcert= names no file: leave it out, or name a PEM file or system")]
    NoFile,
    /// `sslrootcert=system` with a mode that does not verify the host.
    #[error("sslmode={0} is too weak for sslrootcert=system: use verify-full")]
    TooWeak(String),
    /// The authorities cannot be used.
    #[error("sslrootcert: {0}")]
    Tls(#[from] TlsError),
}

/// Connects to one database.
pub struct Connector {
    config: Config,
    tls: MakeRustlsConnect,
    /// The ways to connect, to be tried one after the other.
    ways: Vec<SslMode>,
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts = self.config.get_hosts();
        f.debug_struct("Connector").field("hosts", &hosts).field("ways", &self.ways).finish_non_exhaustive()
    }
}

impl Connector {
    /// Reads a URL and the certificates that it names; connects to nothing yet.
    ///
    /// `application_name` is what the server calls the connections, unless the URL says otherwise;
    /// `connect_timeout` is for each address of the server. A server that vanishes without a word is noticed within half a
    /// minute, whether something was sent to it or not.
    pub fn new(
        url: &str,
        application_name: &str,
        connect_timeout: Duration,
    ) -> Result<Self, PostgresUrlError> {
        let (url, tls) = split(url)?;
        // The driver's error is not kept: it might quote the password.
        let mut config = Config::from_str(&url).map_err(|_| PostgresUrlError::Unreadable)?;
        config.connect_timeout(connect_timeout);
        config.keepalives_idle(KEEPALIVE_IDLE).keepalives_interval(KEEPALIVE_INTERVAL);
        config.keepalives_retries(KEEPALIVE_RETRIES).tcp_user_timeout(UNACKNOWLEDGED);
        if config.get_application_name().is_none() {
            config.application_name(application_name);
        }
        let ways = if has_only_sockets(&config) { vec![SslMode::Disable] } else { ways(tls.mode) };
        let tls = MakeRustlsConnect::new(tls.verification().client_config()?);
        Ok(Self { config, tls, ways })
    }

    /// The server with its port and its database, for people, without anything that may be secret.
    pub fn place(&self) -> String {
        // One port may be that of all hosts.
        let ports = self.config.get_ports();
        let port = |at: usize| ports.get(at).or(ports.first()).copied().unwrap_or(USUAL_PORT);
        let hosts = self.config.get_hosts().iter().enumerate().map(|(at, host)| match host {
            Host::Tcp(name) => format!("{name}:{}", port(at)),
            Host::Unix(folder) => folder.display().to_string(),
        });
        let hosts = hosts.collect::<Vec<_>>().join(",");
        let name = self.config.get_dbname().or(self.config.get_user()).unwrap_or_default();
        format!("{hosts}/{name}")
    }

    /// Connects. The connection does nothing until it is polled.
    pub async fn connect(&self) -> Result<(Client, PostgresConnection), Error> {
        let mut ways = self.ways.iter().copied().peekable();
        loop {
            let way = ways.next().unwrap_or(SslMode::Require);
            let mut config = self.config.clone();
            config.ssl_mode(way);
            match config.connect(self.tls.clone()).await {
                Err(error) if ways.peek().is_some() && is_refusal_of_way(&error) => {}
                outcome => return outcome,
            }
        }
    }
}

fn ways(mode: Mode) -> Vec<SslMode> {
    match mode {
        Mode::Disable => vec![SslMode::Disable],
        Mode::Allow => vec![SslMode::Disable, SslMode::Require],
        Mode::Prefer => vec![SslMode::Prefer, SslMode::Disable],
        Mode::Require | Mode::VerifyCa | Mode::VerifyFull => vec![SslMode::Require],
    }
}

fn has_only_sockets(config: &Config) -> bool {
    let hosts = config.get_hosts();
    !hosts.is_empty() && hosts.iter().all(|host| matches!(host, Host::Unix(_)))
}

/// Whether to connect the other way may help: the server's rules (`pg_hba.conf`) allow only the other, or TLS
/// itself failed for another reason than a certificate that is not trusted.
fn is_refusal_of_way(error: &Error) -> bool {
    let by_rule = error.code() == Some(&SqlState::INVALID_AUTHORIZATION_SPECIFICATION);
    by_rule || (tls::failure(error).is_some() && !tls::is_untrusted(error))
}

/// Whether the server answers, but takes no connection for the time being: it has none free, starts or stops.
pub fn is_busy(error: &Error) -> bool {
    const BUSY: [SqlState; 3] =
        [SqlState::TOO_MANY_CONNECTIONS, SqlState::CANNOT_CONNECT_NOW, SqlState::ADMIN_SHUTDOWN];
    error.code().is_some_and(|code| BUSY.contains(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connector(url: &str) -> Result<Connector, PostgresUrlError> {
        Connector::new(url, "test", Duration::from_secs(1))
    }

    #[test]
    fn sockets_need_no_tls() {
        for (url, ways) in [
            ("postgres://u@/d?host=%2Ftmp&sslmode=require", &[SslMode::Disable][..]),
            ("postgres://u@h/d?sslmode=require", &[SslMode::Require]),
            ("postgres://u@h/d", &[SslMode::Prefer, SslMode::Disable]),
            ("postgres://u@h/d?sslmode=allow", &[SslMode::Disable, SslMode::Require]),
            ("postgres://u@h/d?sslmode=disable", &[SslMode::Disable]),
        ] {
            assert_eq!(connector(url).unwrap().ways, ways, "{url}");
        }
    }

    #[test]
    fn nothing_of_a_url_is_shown_that_may_be_secret() {
        let error = connector("postgres://u:secret@h/d?secret=1").unwrap_err();
        assert_eq!(error, PostgresUrlError::Unreadable);
        assert!(!error.to_string().contains("secret"));
        let shown = format!("{:?}", connector("postgres://u:secret@h/d").unwrap());
        assert!(shown.contains("\"h\"") && !shown.contains("secret"), "{shown}");
        assert_eq!(connector("postgres://u:secret@h:1/d?password=secret").unwrap().place(), "h:1/d");
    }
}
