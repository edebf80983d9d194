//! A TCP connection that goes silent, as when a host loses its power or its network: no byte comes through any more, and
//! nobody hears that it ended.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;

/// Bytes passed on at a time.
const PIECE: usize = 64 * 1024;

/// Passes connections on to a server until it is cut. Then all that go through it are silent until it is dropped.
#[derive(Debug)]
pub struct Wire {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    upstream: SocketAddr,
    /// What a client sends that cuts the wire before it is passed on.
    cut_before: &'static [u8],
    is_cut: AtomicBool,
    dropped: Mutex<bool>,
    drop: Condvar,
}

impl Wire {
    /// A wire to this address, that is cut when a client first sends these bytes within one piece.
    pub fn start(upstream: SocketAddr, cut_before: &'static [u8]) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            upstream,
            cut_before,
            is_cut: AtomicBool::new(false),
            dropped: Mutex::default(),
            drop: Condvar::new(),
        });
        let serving = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(serving.upstream) else { continue };
                let _ = connect(&serving, &client, &server);
            }
        });
        Ok(Self { address, shared })
    }

    /// Where clients connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether it was cut.
    pub fn is_cut(&self) -> bool {
        self.shared.is_cut.load(Ordering::SeqCst)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        *self.shared.dropped.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.shared.drop.notify_all();
    }
}

fn connect(shared: &Arc<Shared>, client: &TcpStream, server: &TcpStream) -> io::Result<()> {
    let ways = [
        (client.try_clone()?, server.try_clone()?, shared.cut_before),
        (server.try_clone()?, client.try_clone()?, &[][..]),
    ];
    for (from, to, cut_before) in ways {
        let shared = Arc::clone(shared);
        thread::spawn(move || {
            // A side that hung up ends the other.
            let _ = shared.pass_on(&from, &to, cut_before);
            shared.keep_silent();
            let _ = to.shutdown(std::net::Shutdown::Both);
        });
    }
    Ok(())
}

impl Shared {
    fn pass_on(&self, mut from: &TcpStream, mut to: &TcpStream, cut_before: &[u8]) -> io::Result<()> {
        let mut piece = vec![0; PIECE];
        loop {
            let count = from.read(&mut piece)?;
            let read = piece.get(..count).unwrap_or_default();
            if !cut_before.is_empty() && read.windows(cut_before.len()).any(|part| part == cut_before) {
                self.is_cut.store(true, Ordering::SeqCst);
            }
            if read.is_empty() || self.is_cut.load(Ordering::SeqCst) {
                return Ok(());
            }
            to.write_all(read)?;
        }
    }

    /// Returns at once unless the wire is cut; then when it is dropped.
    fn keep_silent(&self) {
        let mut dropped = self.dropped.lock().unwrap_or_else(PoisonError::into_inner);
        while self.is_cut.load(Ordering::SeqCst) && !*dropped {
            dropped = self.drop.wait(dropped).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_cut_wire_is_silent_and_open() {
        let server = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let wire = Wire::start(server.local_addr().unwrap(), b"stop").unwrap();
        let mut client = TcpStream::connect(wire.address()).unwrap();
        let (mut upstream, _) = server.accept().unwrap();
        client.write_all(b"go on").unwrap();
        let mut read = [0; 5];
        upstream.read_exact(&mut read).unwrap();
        assert_eq!((&read, wire.is_cut()), (b"go on", false));
        client.write_all(b"now stop").unwrap();
        upstream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        assert_eq!(upstream.read(&mut read).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        assert!(wire.is_cut());
        drop(wire);
        assert_eq!(upstream.read(&mut read).unwrap(), 0);
    }
}
