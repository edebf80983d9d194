//! Files that end with a checksum over all that is before it.

use std::os::fd::AsFd as _;

use stocktake_content::Manners;

use super::broken;
use crate::beside::Beside;
use crate::id::{Hash, ObjectFormat, ObjectId};
use crate::num::{narrow, widen};
use crate::visit::{Halt, Opened, Place, Visit};

/// The size from which on it is minded what the page cache holds.
const LARGE: u64 = 1024 * 1024;

/// Reads the file as a whole and compares it with the checksum at its end.
pub(super) fn check(
    visit: &Visit<'_>,
    place: &Place,
    name: &[u8],
    format: ObjectFormat,
    file: &Opened,
) -> Result<(), Halt> {
    let body = file.size.checked_sub(widen(format.bytes()));
    let Some(body) = body else {
        return Err(broken(visit, place, name, file.identity, "too short to be whole"));
    };
    let mut manners = (body >= LARGE).then(|| Manners::new(file.as_fd(), file.size));
    let mut hashing = Beside::new(format.hash());
    let (mut buffer, mut offset, step) = (visit.take_buffer(), 0, widen(visit.step()));
    while offset < body {
        let wanted = step.min(body - offset);
        visit.wait_for_turn(wanted)?;
        let read = visit.read_at(file, offset, &mut buffer, narrow(wanted));
        let read = widen(read.map_err(|error| place.refused(name, error))?);
        if read < wanted {
            return Err(Halt::Changed);
        }
        offset += read;
        (hashing, buffer) = hashing.push(visit, buffer, Hash::update)?;
        if let Some(manners) = &mut manners {
            manners.passed(offset);
        }
    }
    visit.keep_buffer(buffer);
    let calculated = hashing.finish(visit)?.finish();
    match id_from_end(visit, place, name, format, file, 1)? {
        Some(stored) if stored == calculated => Ok(()),
        Some(_) => Err(broken(
            visit,
            place,
            name,
            file.identity,
            "its content is not what the checksum at its end says",
        )),
        None => Err(Halt::Changed),
    }
}

/// The `number`-th id counted from the end of the file; `None` if the file is too short for it.
pub(super) fn id_from_end(
    visit: &Visit<'_>,
    place: &Place,
    name: &[u8],
    format: ObjectFormat,
    file: &Opened,
    number: u64,
) -> Result<Option<ObjectId>, Halt> {
    let Some(offset) = file.size.checked_sub(number * widen(format.bytes())) else { return Ok(None) };
    let mut bytes = vec![0; format.bytes()];
    let read = visit.read_into(file, offset, &mut bytes).map_err(|error| place.refused(name, error))?;
    Ok(bytes.get(..read).and_then(|bytes| format.id(bytes)))
}
