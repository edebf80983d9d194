//! A port for a server that cannot choose one itself.

use std::net::TcpListener;

/// A port of the loopback interface on which nobody listens at this moment.
pub fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
