//! A disk of one's own to fill; the tests of `streams-kafka` compile this file too.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// What runs a command that may mount disks, which nobody else sees.
pub(crate) fn alone() -> &'static [&'static str] {
    let is_root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
    let all: &[_] = &["unshare", "--mount", "--user", "--map-root-user"];
    if is_root { &all[..2] } else { all }
}

/// Takes all space that is left on the disk of this file.
pub(crate) fn fill(ballast: &Path) {
    let mut file = OpenOptions::new().append(true).create(true).open(ballast).unwrap();
    for size in [4096, 1] {
        loop {
            match file.write_all(&vec![0; size]) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => break,
                Err(error) => panic!("{error}"),
            }
        }
    }
}
