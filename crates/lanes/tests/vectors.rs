//! The published test vectors, at every level of this machine.
#![expect(clippy::expect_used, reason = "a test")]

use std::iter::repeat_n;

use stocktake_lanes::{Algorithm, LANES, Lanes, Level, Md5, Sha256};

/// FIPS 180-4 by the examples that NIST gives for it, and messages of `SHA256ShortMsg.rsp`.
const SHA256: [(&[u8], &str); 6] = [
    (b"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    (b"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    (
        b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
    ),
    (
        b"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
        "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1",
    ),
    (&[0xd3], "28969cdfa74a12c82f3bad960b0b000aca2ac329deea5c2328ebc6f2ba9802c1"),
    (&[0x11, 0xaf], "5ca7133fa735326081558ac312c620eeca9970d1e70a4b95533d956f072d1f98"),
];

/// A million times "a", the third example for SHA-256.
const MILLION_SHA256: &str = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";

/// RFC 1321, A.5.
const MD5: [(&[u8], &str); 7] = [
    (b"", "d41d8cd98f00b204e9800998ecf8427e"),
    (b"a", "0cc175b9c0f1b6a831c399e269772661"),
    (b"abc", "900150983cd24fb0d6963f7d28e17f72"),
    (b"message digest", "f96b697d7cb7938d525a2f31aaf161d0"),
    (b"abcdefghijklmnopqrstuvwxyz", "c3fcd3d76192e4007dfb496cca67e13b"),
    (b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", "d174ab98d277d9f5a5611c2c9f419d9f"),
    (
        b"12345678901234567890123456789012345678901234567890123456789012345678901234567890",
        "57edf4a22be3c955ac49da2e2107b67a",
    ),
];

/// Each message as often as there are lanes, so that lanes are filled, and once alone.
fn check<A: Algorithm>(level: Level, vectors: &[(&[u8], &str)]) {
    for copies in [1, LANES] {
        let mut lanes = Lanes::<A, &[u8], &str>::with_level(level).expect("it is supported").lanes_from(1);
        let mut reported = 0;
        for (message, expected) in vectors.iter().flat_map(|vector| repeat_n(vector, copies)) {
            let id = lanes.open(expected);
            lanes.push(&id, message);
            lanes.finish(id);
        }
        lanes.drain(|expected, digest| {
            assert_eq!(hex::encode(digest), expected, "{level}");
            reported += 1;
        });
        assert_eq!(reported, vectors.len() * copies);
        assert_eq!(lanes.usage().filled().is_some(), level != Level::Serial, "{level}");
    }
}

#[test]
fn sha256_of_fips_180_4() {
    let million = vec![b'a'; 1_000_000];
    for level in Level::supported() {
        check::<Sha256>(level, &SHA256);
        check::<Sha256>(level, &[(&million, MILLION_SHA256)]);
    }
}

#[test]
fn md5_of_rfc_1321() {
    for level in Level::supported() {
        check::<Md5>(level, &MD5);
    }
}

#[test]
fn a_level_without_instructions_is_refused() {
    for level in Level::ALL {
        let lanes = Lanes::<Md5, &[u8], ()>::with_level(level);
        assert_eq!(lanes.is_ok(), Level::supported().any(|supported| supported == level));
        if let Err(refused) = lanes {
            assert_eq!(refused.0, level);
        }
    }
    assert!(Level::supported().any(|level| level == Level::recommended::<Sha256>()));
    assert_eq!(Level::supported().next().unwrap(), Level::Serial);
}
