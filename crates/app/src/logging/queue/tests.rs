//! The queue before destinations that fail and that are stuck.

use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};

use super::*;

const SOON: Duration = Duration::from_secs(10);

/// A destination that passes on what is written, as long as it is told how each write ends.
struct Destination {
    outcomes: Receiver<io::Result<()>>,
    written: Sender<String>,
}

impl Write for Destination {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Stuck until it is told, and for ever at the end of the test.
        let Ok(outcome) = self.outcomes.recv() else {
            loop {
                thread::park();
            }
        };
        outcome?;
        self.written.send(String::from_utf8(bytes.to_vec()).unwrap()).unwrap();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Fixture {
    lines: &'static LineQueue,
    outcomes: Sender<io::Result<()>>,
    written: Receiver<String>,
    told: Receiver<u64>,
}

fn fixture() -> Fixture {
    let lines: &'static LineQueue = Box::leak(Box::default());
    let (outcomes, outcome) = channel();
    let (write, written) = channel();
    let (tell, told) = channel();
    let destination = Destination { outcomes: outcome, written: write };
    thread::spawn(move || lines.write_to(destination, move |count| tell.send(count).unwrap()));
    Fixture { lines, outcomes, written, told }
}

#[test]
fn what_cannot_be_written_is_counted_and_told_when_it_works_again() {
    let Fixture { lines, outcomes, written, told } = fixture();
    lines.push(b"one\n");
    outcomes.send(Err(ErrorKind::StorageFull.into())).unwrap();
    lines.flush(SOON);
    lines.push(b"two\n");
    outcomes.send(Err(ErrorKind::BrokenPipe.into())).unwrap();
    lines.flush(SOON);
    assert_eq!(lines.dropped(), 2);
    for line in ["three\n", "four\n"] {
        lines.push(line.as_bytes());
        outcomes.send(Ok(())).unwrap();
        assert_eq!(written.recv_timeout(SOON).unwrap(), line);
    }
    lines.flush(SOON);
    assert_eq!(told.try_iter().collect::<Vec<_>>(), [2]);
}

#[test]
fn a_stuck_destination_holds_nobody_up_and_takes_bounded_memory() {
    let Fixture { lines, outcomes, written, told } = fixture();
    let line = [b'x'; 1023].iter().chain(b"\n").copied().collect::<Vec<u8>>();
    lines.push(b"first\n");
    while !lines.lock().is_writing {
        thread::yield_now();
    }
    for _ in 0..5 * 1024 {
        lines.push(&line);
    }
    lines.flush(Duration::from_millis(1));
    // Known to be stuck by now.
    lines.flush(Duration::from_secs(3600));
    assert_eq!(lines.dropped(), 1024);
    outcomes.send(Ok(())).unwrap();
    assert_eq!(written.recv_timeout(SOON).unwrap(), "first\n");
    outcomes.send(Ok(())).unwrap();
    assert_eq!(written.recv_timeout(SOON).unwrap().len(), 4 * 1024 * 1024);
    assert_eq!(told.recv_timeout(SOON), Ok(1024));
}
