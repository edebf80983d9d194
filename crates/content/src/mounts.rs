//! What is mounted below a folder.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use stocktake_domain::PathText;

/// The folders below this one at which something is mounted, by their paths relative to it. None, if the system does not
/// tell.
pub(crate) fn below(folder: &Path) -> BTreeSet<String> {
    let (Ok(folder), Ok(table)) = (folder.canonicalize(), std::fs::read("/proc/self/mountinfo")) else {
        return BTreeSet::new();
    };
    let mounts = table.split(|byte| *byte == b'\n').filter_map(mount_point);
    mounts.filter_map(|mount| below_in(&folder, &mount)).collect()
}

/// The path of a mount point relative to a folder that it lies below.
fn below_in(folder: &Path, mount: &[u8]) -> Option<String> {
    let below = Path::new(OsStr::from_bytes(mount)).strip_prefix(folder).ok()?.as_os_str();
    (!below.is_empty()).then(|| PathText::of_bytes(below.as_bytes()).into_string())
}

/// The mount point in a line of the table, whose fields `proc_pid_mountinfo(5)` describes. What waits to mount something when
/// it is needed is no mount.
fn mount_point(line: &[u8]) -> Option<Vec<u8>> {
    let mut fields = line.split(|byte| *byte == b' ');
    let mount = fields.nth(4)?;
    let kind = fields.skip_while(|field| *field != b"-").nth(1)?;
    (kind != b"autofs").then(|| unescape(mount))
}

/// Blanks, tabs, line breaks and backslashes are written as a backslash and three octal digits.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, behind)) = rest.split_first() {
        if let (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', behind @ ..]) = (first, behind) {
            bytes.push((a - b'0') * 64 + (b - b'0') * 8 + (c - b'0'));
            rest = behind;
        } else {
            bytes.push(*first);
            rest = behind;
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_points_are_read_from_the_table() {
        for (line, mount) in [
            ("36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw", Some("/mnt2")),
            ("36 35 98:0 / /a\\040b\\134\\011c rw - tmpfs none rw", Some("/a b\\\tc")),
            ("36 35 0:9 / /auto rw shared:3 unbindable - autofs systemd-1 rw", None),
            ("36 35 98:0 / /mnt2 rw", None),
            ("", None),
        ] {
            assert_eq!(mount_point(line.as_bytes()).as_deref(), mount.map(str::as_bytes), "{line}");
        }
        for (mount, below) in [("/srv/a/b", Some("a/b")), ("/srv", None), ("/srv2/a", None), ("/", None)] {
            assert_eq!(below_in(Path::new("/srv"), mount.as_bytes()).as_deref(), below, "{mount}");
        }
    }

    #[test]
    fn the_system_tells_what_is_mounted() {
        assert!(below(Path::new("/")).contains("proc"));
        assert_eq!(below(tempfile::tempdir().unwrap().path()), BTreeSet::new());
    }
}
