//! The header of an object in a pack.

use stocktake_content::num::widen;

use crate::id::{ObjectFormat, ObjectId};
use crate::objects::delta;
use crate::objects::kind::Kind;

/// More than an object's header can have.
pub(super) const HEADER_BYTES: usize = 64;

/// Where the content of an object is, or its delta.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deflated {
    /// Where the object begins.
    pub(super) offset: u64,
    /// In bytes, once it is inflated.
    pub(super) size: u64,
    /// Where the deflated bytes begin.
    pub(super) begin: u64,
}

/// What an object in a pack builds on.
pub(in crate::objects) enum Base {
    None(Kind),
    Offset(u64),
    Id(ObjectId),
}

/// The header of the object at this offset: what it builds on, its inflated size, and the bytes of the header.
pub(super) fn parse(bytes: &[u8], offset: u64, format: ObjectFormat) -> Option<(Base, u64, u64)> {
    let mut rest = bytes;
    let first = take(&mut rest)?;
    let mut size = u64::from(first & 15);
    if first & 0x80 != 0 {
        let high = delta::size(&mut rest)?;
        size |= high.checked_mul(16)?;
    }
    let base = match (first >> 4) & 7 {
        6 => {
            let distance = delta::distance(&mut rest)?;
            Base::Offset(offset.checked_sub(distance).filter(|base| *base < offset)?)
        }
        7 => {
            let (id, behind) = rest.split_at_checked(format.bytes())?;
            rest = behind;
            Base::Id(format.id(id)?)
        }
        number => Base::None(Kind::of_number(number)?),
    };
    Some((base, size, widen(bytes.len() - rest.len())))
}

fn take(rest: &mut &[u8]) -> Option<u8> {
    let (first, behind) = rest.split_first()?;
    *rest = behind;
    Some(*first)
}

#[cfg(test)]
mod tests {
    use stocktake_content::num::big_endian;

    use super::*;

    #[test]
    fn headers_are_parsed() {
        let of = |bytes: &[u8], offset| {
            let (base, size, length) = parse(bytes, offset, ObjectFormat::Sha1)?;
            let base = match base {
                Base::None(kind) => format!("{kind:?}"),
                Base::Offset(offset) => format!("at {offset}"),
                Base::Id(id) => format!("{}", big_endian(id.as_bytes())),
            };
            Some((base, size, length))
        };
        assert_eq!(of(&[0x15], 12), Some(("Commit".to_owned(), 5, 1)));
        assert_eq!(of(&[0xb5, 0x03], 12), Some(("Blob".to_owned(), 0x35, 2)));
        assert_eq!(of(&[0x43], 12), Some(("Tag".to_owned(), 3, 1)));
        assert_eq!(of(&[0x61, 5], 12), Some(("at 7".to_owned(), 1, 2)));
        // The second byte of a distance counts from 128.
        assert_eq!(of(&[0x61, 0x80, 1], 200), Some(("at 71".to_owned(), 1, 3)));
        let by_id = [&[0x71][..], &[0, 0, 0, 9], &[0; 16]].concat();
        assert_eq!(of(&by_id, 12), Some(("9".to_owned(), 1, 21)));
        for bad in [&[][..], &[0x05], &[0x55], &[0x95], &[0x61, 0], &[0x61, 13], &[0x71, 1]] {
            assert_eq!(of(bad, 12), None, "{bad:?}");
        }
    }
}
