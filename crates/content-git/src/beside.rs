//! Work on the hashing threads, beside the reading of what comes next.

use std::sync::mpsc;

use stocktake_domain::ContentError;

use crate::visit::{Buffer, Halt, Visit};

/// A state that hashing threads change, one piece of data after the other, while the next piece is read. There
/// are never more than two buffers: the one that is worked on, and the one that is filled.
pub(crate) struct Beside<S>(Where<S>);

enum Where<S> {
    Here(S, Option<Buffer>),
    Away(mpsc::Receiver<(S, Buffer)>),
}

impl<S: Send + 'static> Beside<S> {
    pub(crate) fn new(state: S) -> Self {
        Self(Where::Here(state, None))
    }

    /// Has a hashing thread work on the state with this piece, once the piece before is done; returns a buffer
    /// for the next one.
    pub(crate) fn push(
        self,
        visit: &Visit<'_>,
        piece: Buffer,
        work: impl FnOnce(&mut S, &[u8]) + Send + 'static,
    ) -> Result<(Self, Buffer), Halt> {
        let (mut state, spare) = self.come_back()?;
        let (sender, receiver) = mpsc::channel();
        visit.pool().run(Box::new(move || {
            work(&mut state, piece.filled());
            // Nobody waits any more if the reading was given up.
            let _unheard = sender.send((state, piece));
        }));
        let mut spare = spare.unwrap_or_else(|| visit.take_buffer());
        spare.truncate(0);
        Ok((Self(Where::Away(receiver)), spare))
    }

    /// Waits for the last piece and returns the state.
    pub(crate) fn finish(self, visit: &Visit<'_>) -> Result<S, Halt> {
        let (state, spare) = self.come_back()?;
        if let Some(spare) = spare {
            visit.keep_buffer(spare);
        }
        Ok(state)
    }

    fn come_back(self) -> Result<(S, Option<Buffer>), Halt> {
        match self.0 {
            Where::Here(state, spare) => Ok((state, spare)),
            // Only a panic on the hashing thread, which it has told, keeps the state from coming back.
            Where::Away(receiver) => receiver
                .recv()
                .map(|(state, buffer)| (state, Some(buffer)))
                .map_err(|_| Halt::Told(ContentError::Cancelled)),
        }
    }
}
