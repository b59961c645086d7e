//! Files that only their owner can read.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use zeroize::Zeroizing;

use super::ApiError;

/// Reads the API key in a file.
pub(in crate::cli) fn read_key(path: &Path) -> Result<Zeroizing<String>, ApiError> {
    let mut file = File::open(path).map_err(|error| unreadable(path, &error))?;
    let text = read(&mut file, path)?;
    Ok(Zeroizing::new(text.trim().to_owned()))
}

/// Reads an open file with keys. One that others can read is rejected: its keys are not secret.
pub(super) fn read(file: &mut File, path: &Path) -> Result<Zeroizing<String>, ApiError> {
    if is_open_to_others(file).map_err(|error| unreadable(path, &error))? {
        let shown = path.display();
        return Err(ApiError::Usage(format!(
            "others can read the keys in {shown}: replace the keys, and run `chmod 600 {shown}`"
        )));
    }
    let mut text = Zeroizing::new(String::new());
    file.read_to_string(&mut text).map_err(|error| unreadable(path, &error))?;
    Ok(text)
}

pub(super) fn unreadable(path: &Path, error: &std::io::Error) -> ApiError {
    ApiError::Usage(format!("cannot read {}: {error}", path.display()))
}

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
fn is_open_to_others(file: &File) -> std::io::Result<bool> {
    Ok(file.metadata()?.permissions().mode() & 0o077 != 0)
}
