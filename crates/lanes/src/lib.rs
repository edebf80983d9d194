//! SHA-256 and MD5 of many messages at once.
//!
//! A processor calculates one digest no faster the wider its vectors are, because each step needs the one before. But it
//! calculates as many independent digests in the time of one as a vector has words. Here a vector has sixteen words of
//! 32 bits, its *lanes*, and each lane has a message of its own. The messages are streams: of any length, in chunks of any
//! length, which come in any order. When a message ends, or has nothing to hash for the moment, its lane goes to
//! another.
//!
//! ```
//! use stocktake_lanes::{Lanes, Sha256};
//!
//! let mut lanes = Lanes::<Sha256, Vec<u8>, &str>::new();
//! let (first, second) = (lanes.open("first"), lanes.open("second"));
//! lanes.push(&first, b"ab".to_vec());
//! lanes.push(&second, b"a message whose digest nobody looks at".to_vec());
//! lanes.push(&first, b"c".to_vec());
//! lanes.finish(first);
//! lanes.finish(second);
//!
//! let mut digests = std::collections::BTreeMap::new();
//! lanes.advance(|name, digest| drop(digests.insert(name, digest))); // waits: two messages fill no sixteen lanes
//! lanes.drain(|name, digest| drop(digests.insert(name, digest)));
//! assert_eq!(digests["first"][..4], [0xba, 0x78, 0x16, 0xbf]);
//! assert!(lanes.is_empty());
//! ```
//!
//! # When it pays
//!
//! With AVX-512, for both algorithms; with AVX2, for MD5. Anywhere else, and on Arm as long as nobody has measured it there,
//! [`Lanes::new`] hashes one message after another with the crates `sha2` and `md-5`, through the same interface; so it
//! does where there are few messages, of which one long one alone is the extreme. [`Lanes::with_level`] forces a [`Level`].
//!
//! The tests cover the levels of the machine that they run on.
//!
//! The instructions are chosen at run time by `fearless_simd`; this crate has no unsafe code.

mod algorithm;
mod level;
mod md5;
mod message;
mod scheduler;
mod sha256;
mod vectors;

pub use algorithm::Algorithm;
pub use level::{Level, Unsupported};
pub use md5::Md5;
pub use message::Progress;
pub use scheduler::{Lanes, MessageId, Usage};
pub use sha256::Sha256;

/// How many messages are hashed at once.
pub const LANES: usize = 16;

/// The bytes that both algorithms hash at a time.
const BLOCK_BYTES: usize = 64;
