//! Reading an open file.

use std::os::fd::AsFd;

use rustix::io::{Errno, pread};

use crate::num::widen;

/// Reads from `offset` until `buffer` is full or the file ends; returns the number of bytes read.
pub fn read_at(file: impl AsFd, offset: u64, buffer: &mut [u8]) -> Result<usize, Errno> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match pread(&file, rest, offset + widen(filled)) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_file_is_read_from_an_offset_to_its_end() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"abcdef").unwrap();
        let mut buffer = [0; 4];
        assert_eq!(read_at(&file, 1, &mut buffer), Ok(4));
        assert_eq!(&buffer, b"bcde");
        assert_eq!(read_at(&file, 4, &mut buffer), Ok(2));
        assert_eq!(&buffer[..2], b"ef");
        assert_eq!(read_at(&file, 6, &mut buffer), Ok(0));
        assert_eq!(read_at(&file, 0, &mut []), Ok(0));
    }

    #[test]
    fn a_folder_cannot_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let handle = std::fs::File::open(folder.path()).unwrap();
        assert_eq!(read_at(&handle, 0, &mut [0]), Err(Errno::ISDIR));
    }
}
