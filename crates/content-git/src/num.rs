//! Conversions between the sizes of memory and of files.

/// A number of bytes in memory as a number of bytes of a file.
pub(crate) fn widen(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// A number of bytes of a file as one of memory; saturates where memory is the smaller.
pub(crate) fn narrow(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

/// The number in the first four bytes, which git writes with the highest byte first; 0 if there are fewer.
pub(crate) fn big_endian(bytes: &[u8]) -> u32 {
    bytes.first_chunk().copied().map_or(0, u32::from_be_bytes)
}
