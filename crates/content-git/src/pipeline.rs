//! Work on the hashing threads while the next chunk is read.

use std::sync::mpsc;

use stocktake_domain::ContentError;

use crate::context::Buffer;
use crate::error::ReadError;
use crate::reader::RepoReader;

/// A state to which hashing threads add one chunk after the other, while the next chunk is read. There are never
/// more than two buffers: one that is worked on, and one that is filled.
pub(crate) struct Pipeline<S>(Stage<S>);

enum Stage<S> {
    Idle(S, Option<Buffer>),
    Running(mpsc::Receiver<(S, Buffer)>),
}

impl<S: Send + 'static> Pipeline<S> {
    pub(crate) fn new(state: S) -> Self {
        Self(Stage::Idle(state, None))
    }

    /// Waits for the previous chunk, and has a hashing thread call `work` with the state and this one. Returns an
    /// empty buffer for the next chunk.
    pub(crate) fn push(
        self,
        reader: &RepoReader<'_>,
        chunk: Buffer,
        work: impl FnOnce(&mut S, &[u8]) + Send + 'static,
    ) -> Result<(Self, Buffer), ReadError> {
        let (mut state, spare) = self.join()?;
        let (sender, receiver) = mpsc::channel();
        reader.pool().run(move || {
            work(&mut state, chunk.filled());
            // Nobody receives it if the reading has ended early.
            let _sent = sender.send((state, chunk));
        });
        let mut spare = spare.unwrap_or_else(|| reader.take_buffer());
        spare.clear();
        Ok((Self(Stage::Running(receiver)), spare))
    }

    /// Waits for the last chunk and returns the state.
    pub(crate) fn finish(self, reader: &RepoReader<'_>) -> Result<S, ReadError> {
        let (state, spare) = self.join()?;
        if let Some(spare) = spare {
            reader.keep_buffer(spare);
        }
        Ok(state)
    }

    fn join(self) -> Result<(S, Option<Buffer>), ReadError> {
        match self.0 {
            Stage::Idle(state, spare) => Ok((state, spare)),
            // The state is lost only if the hashing thread panicked, which has been logged.
            Stage::Running(receiver) => receiver
                .recv()
                .map(|(state, buffer)| (state, Some(buffer)))
                .map_err(|_| ReadError::Final(ContentError::CANCELLED)),
        }
    }
}
