//! The link with which the first user is created.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use tracing::{error, info};
use zeroize::Zeroizing;

use crate::admin::{Access, Invitation};
use crate::app::App;
use crate::config::{Config, Environment};
use crate::store::StoreError;

const FILE: &str = "sealpost-setup-link";

/// Hands out the link while there is no user: a new one at the first start, and the same one at a
/// later start. It is in a file that only its owner can read. Standard error is often kept as a log,
/// so the link itself is printed on a terminal only.
pub(super) async fn hand_out(
    config: &Config,
    environment: &Environment,
    app: &App,
    operator: SocketAddr,
) -> Result<(), StoreError> {
    let access = &app.admin().access;
    let (data, temporary) = (&config.managed.data_dir, environment.temp_dir());
    let Some(invitation) = access.first_invitation().await? else {
        if access.awaits_first_user().await? {
            let base = config.operator_base(operator);
            show_again(access, &base, [&beside(data), &temporary]).await;
        }
        return Ok(());
    };
    let link = super::setup_link(&config.operator_base(operator), &invitation);
    match keep(data, &temporary, &link) {
        Ok(path) => show(&link, &path, "written to a file"),
        Err(_) if std::io::stderr().is_terminal() => print(&link),
        Err(error) => error!(
            error = &error as &dyn std::error::Error,
            "cannot write the link to create the first user to a file: \
             `sealpost users add NAME --scopes admin` prints another"
        ),
    }
    Ok(())
}

/// Names the link of an earlier start, if its file is still there.
async fn show_again(access: &Access, base: &str, folders: [&Path; 2]) {
    for folder in folders {
        let path = folder.join(FILE);
        let Ok(link) = std::fs::read_to_string(&path) else { continue };
        let Some((_, token)) = link.trim().split_once(Invitation::PATH) else { continue };
        if access.setup_link(token).await.is_ok() {
            // The address may have changed since.
            let link = Zeroizing::new(format!("{base}{}{token}", Invitation::PATH));
            let path = write_private(folder, &link).unwrap_or(path);
            let path = std::path::absolute(&path).unwrap_or(path);
            return show(&link, &path, "still in its file");
        }
    }
    info!(
        "there is no user yet, and a link to create the first one was handed out before: \
         `sealpost users add NAME --scopes admin` prints another"
    );
}

fn show(link: &str, path: &Path, place: &str) {
    if std::io::stderr().is_terminal() {
        return print(link);
    }
    info!(
        path = %path.display(),
        "link to create the first user {place} (single use, valid for 24 hours)"
    );
}

fn print(link: &str) {
    super::print_message(&format!(
        "create the first user with this link (single use, valid for 24 hours): {link}"
    ));
}

/// The folder of the data directory of the managed cluster.
fn beside(data: &Path) -> PathBuf {
    data.parent().map(Path::to_owned).unwrap_or_default()
}

/// Writes the link to a file that only its owner can read, next to the data directory of the
/// managed cluster or in the temporary directory.
fn keep(data: &Path, temporary: &Path, link: &str) -> std::io::Result<PathBuf> {
    let beside = beside(data);
    let written = DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&beside)
        .and_then(|()| write_private(&beside, link));
    let path = written.or_else(|_| write_private(temporary, link))?;
    std::path::absolute(path)
}

fn write_private(folder: &Path, link: &str) -> std::io::Result<PathBuf> {
    let path = folder.join(FILE);
    // Written under a random name first, so that nobody else can have created it, then renamed.
    let new = folder.join(format!(".{FILE}-{:016x}", rand::random::<u64>()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    let written = writeln!(file, "{link}").and_then(|()| std::fs::rename(&new, &path));
    if written.is_err() {
        drop(std::fs::remove_file(&new));
    }
    written.map(|()| path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_setup_link_file_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data/postgres");
        for link in ["https://one", "https://two"] {
            let path = keep(&data, folder.path(), link).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{link}\n"));
            let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        }
        let left = std::fs::read_dir(folder.path().join("data")).unwrap().count();
        assert_eq!(left, 1, "nothing else is left behind");
    }
}
