//! Files that only their owner can read.

use std::fs::{DirBuilder, OpenOptions, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

/// Replaces a file, or leaves it as it is if that fails. Its folder is created if it is missing, and
/// closed to others.
pub(super) fn replace(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    std::fs::set_permissions(folder, Permissions::from_mode(0o700))?;
    // A random name, so that nobody else can have created it.
    let new = folder.join(format!(".new-{:016x}", rand::random::<u64>()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    let written = file
        .write_all(content)
        .and_then(|()| file.sync_all())
        .and_then(|()| std::fs::rename(&new, path));
    if written.is_err() {
        drop(std::fs::remove_file(&new));
    }
    written
}

/// Whether others than the owner can read or change an open file.
pub(super) fn is_open_to_others(file: &std::fs::File) -> std::io::Result<bool> {
    Ok(file.metadata()?.permissions().mode() & 0o077 != 0)
}
