//! Objects in a pack that are kept as their difference from another one (git's `Documentation/gitformat-pack`).

use super::kind::Malformed;

const MALFORMED: Malformed = "its delta is malformed";

/// The size in bytes of the object that this delta gives.
pub(super) fn result_size(mut delta: &[u8]) -> Result<u64, Malformed> {
    size(&mut delta).ok_or(MALFORMED)?;
    size(&mut delta).ok_or(MALFORMED)
}

/// Bytes that an object has in common with the one that it builds on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Copied {
    /// Where they begin.
    pub(super) at: usize,
    /// Where they begin in the other one.
    pub(super) from: usize,
    pub(super) length: usize,
}

/// Replaces `result` by the object that this delta gives on this base, and `copies` by what it has of the base, in order.
pub(super) fn apply(
    base: &[u8],
    mut delta: &[u8],
    result: &mut Vec<u8>,
    copies: &mut Vec<Copied>,
) -> Result<(), Malformed> {
    copies.clear();
    result.clear();
    let base_size = size(&mut delta).and_then(|size| usize::try_from(size).ok());
    let result_size = size(&mut delta).and_then(|size| usize::try_from(size).ok()).ok_or(MALFORMED)?;
    if base_size != Some(base.len()) {
        return Err(MALFORMED);
    }
    result.reserve(result_size);
    while let Some((instruction, rest)) = delta.split_first() {
        delta = rest;
        let piece = if instruction & 0x80 == 0 {
            // Zero is reserved.
            let (piece, rest) = delta
                .split_at_checked(usize::from(*instruction))
                .filter(|(piece, _)| !piece.is_empty())
                .ok_or(MALFORMED)?;
            delta = rest;
            piece
        } else {
            let offset = number(&mut delta, *instruction, 4).ok_or(MALFORMED)?;
            let length = number(&mut delta, instruction >> 4, 3).ok_or(MALFORMED)?;
            let length = if length == 0 { 0x1_0000 } else { length };
            copies.push(Copied { at: result.len(), from: offset, length });
            base.get(offset..).and_then(|rest| rest.get(..length)).ok_or(MALFORMED)?
        };
        if piece.len() > result_size - result.len() {
            return Err(MALFORMED);
        }
        result.extend_from_slice(piece);
    }
    if result.len() == result_size { Ok(()) } else { Err(MALFORMED) }
}

/// A number with seven bits in each byte, the lowest first.
pub(super) fn size(rest: &mut &[u8]) -> Option<u64> {
    let (mut number, mut shift) = (0_u64, 0);
    loop {
        let (byte, behind) = rest.split_first()?;
        *rest = behind;
        number |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(number);
        }
        shift += 7;
    }
}

/// A number with seven bits in each byte, the highest first, in which each byte but the last counts one more.
pub(super) fn distance(rest: &mut &[u8]) -> Option<u64> {
    let mut next = || {
        let (byte, behind) = rest.split_first()?;
        *rest = behind;
        Some(*byte)
    };
    let mut byte = next()?;
    let mut number = u64::from(byte & 0x7f);
    while byte & 0x80 != 0 {
        byte = next()?;
        number = number.checked_add(1)?.checked_mul(128)? | u64::from(byte & 0x7f);
    }
    Some(number)
}

/// A number of up to `count` bytes, the lowest first, of which only those are there whose bit is set.
fn number(rest: &mut &[u8], present: u8, count: u32) -> Option<usize> {
    let mut number = 0;
    for place in 0..count {
        if present & (1 << place) != 0 {
            let (byte, behind) = rest.split_first()?;
            *rest = behind;
            number |= usize::from(*byte) << (8 * place);
        }
    }
    Some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deltas_copy_and_insert() {
        let base = b"0123456789";
        // Copies 4 bytes from 2, inserts "ab", copies 1 byte from 0.
        let delta = [10, 7, 0x91, 2, 4, 2, b'a', b'b', 0x90, 1];
        let (mut result, mut copies) = (b"of another one".to_vec(), Vec::new());
        apply(base, &delta, &mut result, &mut copies).unwrap();
        assert_eq!(result, b"2345ab0");
        let piece = |at, from, length| Copied { at, from, length };
        assert_eq!(copies, [piece(0, 2, 4), piece(6, 0, 1)]);
        assert_eq!(result_size(&delta), Ok(7));
        let large = vec![7; 0x1_0000];
        // No length stands for 65,536 bytes.
        apply(&large, &[0x80, 0x80, 4, 0x80, 0x80, 4, 0x80], &mut result, &mut copies).unwrap();
        assert_eq!(result, large);
        assert_eq!(copies, [piece(0, 0, 0x1_0000)]);
    }

    #[test]
    fn malformed_deltas_are_refused() {
        for delta in [
            &[][..],
            &[9, 1, 1, b'a'],
            &[10, 2, 1, b'a'],
            &[10, 1, 2, b'a', b'b'],
            &[10, 1, 0],
            &[10, 3, 0x91, 9, 3],
            &[10, 1, 3, b'a'],
            &[10, 1, 0x91],
            &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
        ] {
            assert_eq!(
                apply(b"0123456789", delta, &mut Vec::new(), &mut Vec::new()),
                Err(MALFORMED),
                "{delta:?}"
            );
        }
    }
}
