//! Which message is in which lane.

#![expect(clippy::indexing_slicing, reason = "the numbers of slots and lanes are made here")]

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::algorithm::Algorithm;
use crate::level::{Instructions, Unsupported};
use crate::message::{Message, Next, Place, Progress};
use crate::{LANES, Level};

/// What the schedulers of this process are told apart by.
static SCHEDULERS: AtomicU64 = AtomicU64::new(0);

/// Hashes many messages at once, `B` their chunks and `T` what the caller knows a message by.
///
/// A message is opened, gets its chunks in order and is finished; chunks of different messages may come in any order. A
/// chunk is dropped as soon as all of it has been hashed, so that a caller with a bounded number of buffers has a bounded
/// scheduler; besides its chunks, a message takes about 300 bytes. Nothing is hashed before [`advance`](Self::advance) or
/// [`drain`](Self::drain) is called, and nothing here blocks or starts a thread: on several cores, have a scheduler on each.
///
/// Messages that have something to hash get lanes in turn. One whose next chunk has not come gives its lane up, and one
/// that has more chunks gives it up after each if others wait, so that neither a slow message nor a long one holds up
/// the rest.
pub struct Lanes<A: Algorithm, B, T> {
    id: u64,
    level: Level,
    /// `None` if messages are hashed one after another.
    instructions: Option<Instructions>,
    break_even: usize,
    slots: Vec<Slot<A, B, T>>,
    /// The slots without a message.
    free: Vec<usize>,
    /// The slots whose messages wait for a lane.
    queue: VecDeque<usize>,
    /// For each lane, the slot whose message is in it.
    occupants: [Option<usize>; LANES],
    /// How many of them have one.
    filled: usize,
    states: A::States,
    usage: Usage,
}

struct Slot<A: Algorithm, B, T> {
    message: Message<A, B>,
    /// `None` if there is no message.
    tag: Option<T>,
}

/// An open message of a scheduler. [`Lanes::finish`] or [`Lanes::abandon`] must be called with it; otherwise the message is
/// kept as long as the scheduler.
#[derive(Debug)]
#[must_use = "a message ends with `finish` or `abandon`"]
pub struct MessageId {
    scheduler: u64,
    slot: usize,
}

/// How the blocks of 64 bytes were hashed so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// The blocks that were hashed in lanes.
    pub in_lanes: u64,
    /// How many blocks that could have been: lanes that had no message count too.
    pub room_in_lanes: u64,
    /// The blocks that were hashed one after another, because there were too few messages for lanes.
    pub serial: u64,
}

impl<A: Algorithm, B: AsRef<[u8]>, T> Lanes<A, B, T> {
    /// A scheduler at the [recommended](Level::recommended) level.
    pub fn new() -> Self {
        let level = Level::recommended::<A>();
        Self::build(level, level.instructions())
    }

    /// A scheduler at this level, or an error if the machine does not support it.
    pub fn with_level(level: Level) -> Result<Self, Unsupported> {
        match level.instructions() {
            None if level != Level::Serial => Err(Unsupported(level)),
            instructions => Ok(Self::build(level, instructions)),
        }
    }

    fn build(level: Level, instructions: Option<Instructions>) -> Self {
        Self {
            id: SCHEDULERS.fetch_add(1, Ordering::Relaxed),
            level,
            instructions,
            break_even: A::break_even(level),
            slots: Vec::new(),
            free: Vec::new(),
            queue: VecDeque::new(),
            occupants: [None; LANES],
            filled: 0,
            states: A::ZEROED,
            usage: Usage::default(),
        }
    }

    /// Sets from how many messages on lanes are used; fewer are hashed one after another. By default that is where it
    /// begins to pay, by what was measured.
    #[must_use]
    pub fn lanes_from(mut self, messages: usize) -> Self {
        self.break_even = messages;
        self
    }

    /// The level.
    pub fn level(&self) -> Level {
        self.level
    }

    /// How the blocks were hashed so far.
    pub fn usage(&self) -> Usage {
        self.usage
    }

    /// The number of messages that have been opened and neither reported nor abandoned.
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Whether there are no messages.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Begins a message. The tag is returned with its digest.
    pub fn open(&mut self, tag: T) -> MessageId {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { message: Message::new(), tag: None });
            self.slots.len() - 1
        });
        self.slots[slot].tag = Some(tag);
        MessageId { scheduler: self.id, slot }
    }

    /// Begins a message that goes on behind what was hashed of it.
    pub fn resume(&mut self, progress: &Progress<A>, tag: T) -> MessageId {
        let id = self.open(tag);
        self.slots[id.slot].message.go_on(progress);
        id
    }

    /// Takes a message out of the scheduler that goes on elsewhere, or later. What was pushed and has not been hashed is hashed
    /// now, without lanes: drain the scheduler before.
    ///
    /// # Panics
    ///
    /// If the message is another scheduler's.
    #[expect(clippy::needless_pass_by_value, reason = "so that nothing is pushed afterwards")]
    pub fn suspend(&mut self, id: MessageId) -> Progress<A> {
        let slot = self.withdraw(&id);
        let message = std::mem::replace(&mut self.slots[slot].message, Message::new());
        self.release(slot);
        message.into_progress()
    }

    /// Adds the next chunk of a message, of any length. Hashes nothing yet.
    ///
    /// # Panics
    ///
    /// If the message is another scheduler's.
    pub fn push(&mut self, id: &MessageId, chunk: B) {
        let slot = self.slot(id);
        self.slots[slot].message.push(chunk);
        self.enqueue(slot);
    }

    /// Ends a message. Its digest is reported when what was pushed has been hashed. Hashes nothing yet.
    ///
    /// # Panics
    ///
    /// If the message is another scheduler's.
    #[expect(clippy::needless_pass_by_value, reason = "so that nothing is pushed afterwards")]
    pub fn finish(&mut self, id: MessageId) {
        let slot = self.slot(&id);
        self.slots[slot].message.finish();
        self.enqueue(slot);
    }

    /// Forgets a message and its chunks. Returns its tag.
    ///
    /// # Panics
    ///
    /// If the message is another scheduler's.
    #[expect(clippy::needless_pass_by_value, reason = "so that nothing is pushed afterwards")]
    pub fn abandon(&mut self, id: MessageId) -> Option<T> {
        let slot = self.withdraw(&id);
        self.release(slot)
    }

    /// Hashes as long as all lanes are filled, and reports the messages that end. What is left waits for more messages:
    /// call this after each chunk, and [`drain`](Self::drain) when no chunk comes for the moment.
    pub fn advance(&mut self, mut done: impl FnMut(T, A::Digest)) {
        // One after another it gains nothing to wait.
        let enough = if self.instructions.is_some() { LANES } else { 1 };
        self.fill();
        while self.filled >= enough {
            self.step(&mut done);
            self.fill();
        }
    }

    /// Hashes everything that was pushed, and reports the messages that end.
    pub fn drain(&mut self, mut done: impl FnMut(T, A::Digest)) {
        self.fill();
        while self.filled > 0 {
            self.step(&mut done);
            self.fill();
        }
    }

    fn slot(&self, id: &MessageId) -> usize {
        assert_eq!(id.scheduler, self.id, "a message of another scheduler");
        id.slot
    }

    /// Takes a message out of the queue, or out of its lane.
    fn withdraw(&mut self, id: &MessageId) -> usize {
        let slot = self.slot(id);
        match self.slots[slot].message.place {
            Place::Waiting => {}
            Place::Queued => self.queue.retain(|queued| *queued != slot),
            Place::Lane(lane) => self.vacate(lane),
        }
        slot
    }

    /// Puts a message that waited for something to hash in the queue for a lane.
    fn enqueue(&mut self, slot: usize) {
        let place = &mut self.slots[slot].message.place;
        if *place == Place::Waiting {
            *place = Place::Queued;
            self.queue.push_back(slot);
        }
    }

    /// Gives the lanes that have no message to those in the queue.
    fn fill(&mut self) {
        if self.filled == LANES || self.queue.is_empty() {
            return;
        }
        for lane in 0..LANES {
            while self.occupants[lane].is_none()
                && let Some(slot) = self.queue.pop_front()
            {
                let message = &mut self.slots[slot].message;
                message.place = match message.advance() {
                    Next::Blocks => Place::Lane(lane),
                    // A message ends in a lane, with its padding.
                    Next::Waits | Next::Ended => Place::Waiting,
                };
                if message.place == Place::Lane(lane) {
                    for (words, word) in self.states.as_mut().iter_mut().zip(message.state.as_ref()) {
                        words[lane] = *word;
                    }
                    self.occupants[lane] = Some(slot);
                    self.filled += 1;
                }
            }
        }
    }

    /// Takes the message out of a lane, with its state.
    fn vacate(&mut self, lane: usize) {
        if let Some(slot) = self.occupants[lane].take() {
            self.filled -= 1;
            let message = &mut self.slots[slot].message;
            message.place = Place::Waiting;
            for (word, words) in message.state.as_mut().iter_mut().zip(self.states.as_ref()) {
                *word = words[lane];
            }
        }
    }

    /// Hashes some blocks of each message that is in a lane.
    fn step(&mut self, done: &mut impl FnMut(T, A::Digest)) {
        match self.instructions {
            Some(instructions) if self.filled >= self.break_even => self.step_in_lanes(instructions, done),
            _ => self.step_serially(done),
        }
    }

    /// Hashes in all lanes as many blocks as the message has of which the fewest lie one behind the other.
    fn step_in_lanes(&mut self, instructions: Instructions, done: &mut impl FnMut(T, A::Digest)) {
        let slots = &self.slots;
        let blocks_of = |slot: &usize| slots[*slot].message.blocks();
        let shortest = self.occupants.iter().flatten().map(blocks_of).min_by_key(|blocks| blocks.len());
        let Some(shortest) = shortest else { return };
        let count = shortest.len();
        // A lane without a message does the work of another once more.
        let streams = self.occupants.each_ref().map(|slot| slot.as_ref().map_or(shortest, blocks_of));
        A::compress_lanes(instructions, &mut self.states, &streams, count);
        self.usage.in_lanes += widen(self.filled * count);
        self.usage.room_in_lanes += widen(LANES * count);
        for lane in 0..LANES {
            self.settle(lane, count, done);
        }
    }

    /// Hashes for each message all blocks that lie one behind the other.
    fn step_serially(&mut self, done: &mut impl FnMut(T, A::Digest)) {
        for lane in 0..LANES {
            let Some(slot) = self.occupants[lane] else { continue };
            let blocks = self.slots[slot].message.blocks();
            let mut state = A::INITIAL;
            for (word, words) in state.as_mut().iter_mut().zip(self.states.as_ref()) {
                *word = words[lane];
            }
            A::compress(&mut state, blocks);
            for (words, word) in self.states.as_mut().iter_mut().zip(state.as_ref()) {
                words[lane] = *word;
            }
            let count = blocks.len();
            self.usage.serial += widen(count);
            self.settle(lane, count, done);
        }
    }

    /// Takes what was hashed off the message in a lane, and the message out of the lane if it has nothing more to hash or
    /// it is another's turn.
    fn settle(&mut self, lane: usize, hashed: usize, done: &mut impl FnMut(T, A::Digest)) {
        let Some(slot) = self.occupants[lane] else { return };
        let message = &mut self.slots[slot].message;
        message.take(hashed);
        if !message.blocks().is_empty() {
            return;
        }
        let next = message.advance();
        // The padding alone is not worth another turn.
        if next == Next::Blocks && (self.queue.is_empty() || !message.has_chunk()) {
            return;
        }
        self.vacate(lane);
        match next {
            Next::Blocks => self.enqueue(slot),
            Next::Waits => {}
            Next::Ended => {
                let digest = A::digest(&self.slots[slot].message.state);
                if let Some(tag) = self.release(slot) {
                    done(tag, digest);
                }
            }
        }
    }

    fn release(&mut self, slot: usize) -> Option<T> {
        self.free.push(slot);
        self.slots[slot].message.reset();
        self.slots[slot].tag.take()
    }
}

impl<A: Algorithm, B: AsRef<[u8]>, T> Default for Lanes<A, B, T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<A: Algorithm, B, T> fmt::Debug for Lanes<A, B, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lanes")
            .field("level", &self.level)
            .field("filled", &self.filled)
            .field("queued", &self.queue.len())
            .finish_non_exhaustive()
    }
}

impl Usage {
    /// Which part of the lanes was filled, from 0 to 1, while lanes were used; `None` if they never were.
    #[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "a ratio")]
    pub fn filled(&self) -> Option<f64> {
        (self.room_in_lanes > 0).then(|| self.in_lanes as f64 / self.room_in_lanes as f64)
    }
}

fn widen(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
