//! Directories and files that nobody else may read.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use uuid::Uuid;

/// Makes a directory and those above it, for the owner only (0700).
pub(crate) fn create_directory(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Takes from everybody else what rights to a directory they have.
#[cfg(unix)]
pub(crate) fn close_to_others(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;

    let mut permissions = std::fs::metadata(path)?.permissions();
    let mode = permissions.mode();
    if mode & 0o077 == 0 {
        return Ok(());
    }
    permissions.set_mode(mode & 0o700);
    std::fs::set_permissions(path, permissions)
}

/// Windows hands down the rights of the directory above.
#[cfg(not(unix))]
pub(crate) fn close_to_others(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Whose a directory is, and whose the files are that this process makes in it. They differ, for
/// example, where an application was started by another user once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Owners {
    pub(crate) directory: u32,
    /// `None` where this process may make none.
    pub(crate) own: Option<u32>,
}

/// Finds out the owners; `None` where that cannot be told.
#[cfg(unix)]
pub(crate) fn owners(path: &Path) -> Option<Owners> {
    use std::os::unix::fs::MetadataExt;

    let directory = std::fs::metadata(path).ok()?.uid();
    let probe = path.join(format!(".owner-{}", Uuid::new_v4()));
    let own = match open_file(&probe).and_then(|file| file.metadata()) {
        Ok(metadata) => Some(metadata.uid()),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => None,
        // A full disk says nothing of owners.
        Err(_) => return None,
    };
    // One that stays is empty, and in nobody's way.
    let _ = std::fs::remove_file(&probe);
    Some(Owners { directory, own })
}

/// Windows has no such numbers.
#[cfg(not(unix))]
pub(crate) fn owners(_: &Path) -> Option<Owners> {
    None
}

/// Opens a file for writing, made for the owner only (0600). What it holds stays.
pub(crate) fn open_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Replaces a file as a whole: after a crash it is the old one or the new one.
pub(crate) fn write_file(path: &Path, contents: &[u8]) -> io::Result<()> {
    let mut partial = path.as_os_str().to_owned();
    partial.push(".tmp");
    let partial = Path::new(&partial);
    let mut file = open_file(partial)?;
    file.set_len(0)?;
    file.write_all(contents)?;
    file.sync_all()?;
    std::fs::rename(partial, path)?;
    // The new name has to survive too.
    if let Some(directory) = path.parent() {
        File::open(directory)?.sync_all()?;
    }
    Ok(())
}
