//! Keys as bytes whose order is the keys' order: each part in 8 bytes, big end first, sign bit flipped.

use stocktake_domain::RecordKey;

use crate::error::DbError;

const PART: usize = size_of::<i64>();
const SIGN: i64 = i64::MIN;

/// Sorts behind every key.
pub(crate) const END: [u8; RecordKey::MAX_PARTS * PART + 1] = [0xff; RecordKey::MAX_PARTS * PART + 1];

/// The key's bytes.
pub(crate) fn encode(key: &RecordKey) -> Vec<u8> {
    key.parts().iter().flat_map(|part| (part ^ SIGN).to_be_bytes()).collect()
}

/// The key with these bytes.
pub(crate) fn decode(bytes: &[u8]) -> Result<RecordKey, DbError> {
    let (parts, rest) = bytes.as_chunks::<PART>();
    let parts = parts.iter().map(|part| i64::from_be_bytes(*part) ^ SIGN).collect();
    RecordKey::from_parts(parts)
        .filter(|_| rest.is_empty())
        .ok_or_else(|| DbError::data(format!("a key of {} bytes", bytes.len())))
}

/// The least byte string behind this key. No key lies between the two, also none that begins with this one.
pub(crate) fn behind(mut key: Vec<u8>) -> Vec<u8> {
    key.push(0);
    key
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keys() -> impl Strategy<Value = RecordKey> {
        let part = prop_oneof![Just(i64::MIN), Just(-1), Just(0), Just(1), Just(i64::MAX), any::<i64>()];
        prop::collection::vec(part, 1..=RecordKey::MAX_PARTS)
            .prop_map(|parts| RecordKey::from_parts(parts).unwrap())
    }

    proptest! {
        #[test]
        fn bytes_order_as_keys_do(a in keys(), b in keys()) {
            prop_assert_eq!(encode(&a).cmp(&encode(&b)), a.cmp(&b));
            prop_assert!(encode(&a).as_slice() < END.as_slice());
        }

        #[test]
        fn nothing_lies_between_a_key_and_what_is_behind_it(a in keys(), b in keys()) {
            let bound = behind(encode(&a));
            prop_assert_eq!(encode(&b) < bound, b <= a);
        }

        #[test]
        fn bytes_decode_back(key in keys()) {
            prop_assert_eq!(decode(&encode(&key)).unwrap(), key);
        }
    }

    #[test]
    fn other_lengths_are_no_keys() {
        for length in [0, 7, 9, END.len()] {
            assert!(decode(&vec![0; length]).is_err());
        }
    }
}
