//! Conversions between sizes in memory, sizes of files, and numbers in files.

/// A size in memory as a size of a file, in bytes.
pub fn widen(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// A size of a file as a size in memory, in bytes; the largest there is where memory has smaller sizes.
pub fn narrow(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

/// The number in the first four bytes, highest byte first; 0 if there are fewer than four.
pub fn big_endian(bytes: &[u8]) -> u32 {
    bytes.first_chunk().copied().map_or(0, u32::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_converted_both_ways() {
        for size in [0, 1, usize::MAX] {
            assert_eq!(narrow(widen(size)), size);
        }
    }

    #[test]
    fn four_bytes_are_a_number_and_fewer_are_zero() {
        assert_eq!(big_endian(&[1, 2, 3, 4, 5]), 0x0102_0304);
        assert_eq!(big_endian(&[1, 2, 3]), 0);
    }
}
