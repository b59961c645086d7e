//! The paths of the cluster's files, and the account that runs the server.

use std::fs::{self, DirBuilder, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _, lchown};
use std::path::{Path, PathBuf};

use nix::unistd::{Gid, Uid, User, getegid, geteuid};
use sha2::{Digest as _, Sha256};

use super::ClusterError;

/// Where root creates a cluster if the server's account cannot access the configured location.
const FALLBACK: &str = "/var/lib/sealpost";
/// `sun_path` of a Unix socket address has 108 bytes, including the final zero.
const MAX_SOCKET_PATH: usize = 107;
const MAX_SOCKET_NAME: usize = "/.s.PGSQL.65535".len();

/// A data directory as an absolute path without symlinks, so that every gateway with the same
/// directory uses the same files next to it.
#[derive(Debug, Clone)]
pub(super) struct Place {
    data: PathBuf,
}

impl Place {
    /// Creates the parents, as the gateway's own account.
    pub(super) fn prepared(data_dir: &Path) -> Result<Self, ClusterError> {
        let absolute = absolute(data_dir)?;
        if let Some(parent) = absolute.parent() {
            // If root runs the server under another account, that account has to pass through it.
            let mode = if geteuid().is_root() { 0o711 } else { 0o700 };
            let mut made = DirBuilder::new();
            let made = made.recursive(true).mode(mode).create(parent);
            made.map_err(ClusterError::io("create", parent))?;
        }
        Self::existing(&absolute)
    }

    /// Creates nothing.
    pub(super) fn existing(data_dir: &Path) -> Result<Self, ClusterError> {
        let absolute = absolute(data_dir)?;
        match fs::canonicalize(&absolute) {
            Ok(data) => return Ok(Self { data }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(ClusterError::io("resolve", &absolute)(error)),
        }
        let parent = absolute.parent().and_then(|parent| fs::canonicalize(parent).ok());
        let data = match (parent, absolute.file_name()) {
            (Some(parent), Some(name)) => parent.join(name),
            _ => absolute,
        };
        Ok(Self { data })
    }

    /// The file or folder next to the data directory with its name and this extension.
    pub(super) fn sibling(&self, extension: &str) -> PathBuf {
        let mut name = self.data.file_name().unwrap_or_default().to_owned();
        name.push(".");
        name.push(extension);
        self.data.with_file_name(name)
    }

    pub(super) fn has_parent(&self) -> bool {
        self.parent().is_dir()
    }

    fn parent(&self) -> &Path {
        self.data.parent().unwrap_or(&self.data)
    }

    fn holds_cluster(&self) -> bool {
        self.data.join("PG_VERSION").is_file()
    }

    /// Where root creates this cluster if the server's account cannot access the configured
    /// location.
    fn fallback(&self) -> Self {
        Self { data: Path::new(FALLBACK).join(short_hash(&self.data)).join("postgres") }
    }
}

/// The account that owns the data directory and runs the server.
#[derive(Debug, Clone, Copy)]
pub(super) struct Account {
    pub(super) uid: Uid,
    gid: Gid,
}

impl Account {
    /// The account a child has to change to; `None` if it is the current one.
    pub(super) fn change(self) -> Option<(Uid, Gid)> {
        (self.uid != geteuid()).then_some((self.uid, self.gid))
    }

    fn of(metadata: &Metadata) -> Self {
        Self { uid: Uid::from_raw(metadata.uid()), gid: Gid::from_raw(metadata.gid()) }
    }

    /// Whether this account may pass through `dir` and all its parents. Access control lists are
    /// ignored: in the worst case the fallback is used without need.
    fn reaches(self, dir: &Path) -> bool {
        dir.ancestors().all(|dir| {
            fs::metadata(dir).is_ok_and(|metadata| {
                let search = match metadata.mode() {
                    mode if metadata.uid() == self.uid.as_raw() => mode >> 6,
                    mode if metadata.gid() == self.gid.as_raw() => mode >> 3,
                    mode => mode,
                };
                search & 1 == 1
            })
        })
    }

    fn must_own(self, path: &Path, metadata: &Metadata) -> Result<(), ClusterError> {
        if metadata.uid() == self.uid.as_raw() {
            return Ok(());
        }
        Err(ClusterError::WrongOwner {
            path: path.to_owned(),
            owner: metadata.uid(),
            uid: self.uid.as_raw(),
        })
    }

    fn default_for_root() -> Result<Self, ClusterError> {
        ["postgres", "nobody"]
            .into_iter()
            .find_map(|name| User::from_name(name).ok().flatten())
            .map(|user| Self { uid: user.uid, gid: user.gid })
            .ok_or(ClusterError::NoAccount)
    }
}

/// The locations, decided before any file is changed.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    pub(super) account: Account,
    pub(super) data: PathBuf,
    /// Renamed to the data directory once it is complete; leftovers in it are incomplete.
    pub(super) unfinished: PathBuf,
    pub(super) socket_dir: PathBuf,
    pub(super) log: PathBuf,
    /// The parent folder, also of downloaded programs.
    pub(super) base: PathBuf,
}

impl Layout {
    pub(super) fn choose(wanted: &Place) -> Result<Self, ClusterError> {
        let (place, account) =
            if geteuid().is_root() { for_root(wanted)? } else { for_ordinary_user(wanted)? };
        let sibling = place.sibling("run");
        let socket_dir = if sibling.as_os_str().len() + MAX_SOCKET_NAME <= MAX_SOCKET_PATH {
            sibling
        } else {
            Path::new("/tmp").join(format!("sealpost-{}", short_hash(&place.data)))
        };
        Ok(Self {
            account,
            unfinished: place.sibling("unfinished"),
            socket_dir,
            log: place.sibling("log"),
            base: place.parent().to_owned(),
            data: place.data,
        })
    }

    /// The major version of the cluster in the data directory; `None` if there is none yet.
    pub(super) fn major(&self) -> Result<Option<u16>, ClusterError> {
        let path = self.data.join("PG_VERSION");
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return if self.data_is_vacant()? { Ok(None) } else { Err(self.not_a_cluster()) };
            }
            Err(error) => return Err(ClusterError::io("read", &path)(error)),
        };
        text.trim().parse().map(Some).map_err(|_| self.not_a_cluster())
    }

    /// Makes `dir` a folder that only the account can access.
    pub(super) fn make_private(&self, dir: &Path) -> Result<(), ClusterError> {
        match DirBuilder::new().mode(0o700).create(dir) {
            Ok(()) => {
                if let Some((uid, gid)) = self.account.change() {
                    lchown(dir, Some(uid.as_raw()), Some(gid.as_raw()))
                        .map_err(ClusterError::io("change the owner of", dir))?;
                }
                return Ok(());
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(ClusterError::io("create", dir)(error)),
        }
        // In `/tmp` another user may have created it, even as a symlink: its owner is checked.
        let found = fs::symlink_metadata(dir).map_err(ClusterError::io("inspect", dir))?;
        if !found.is_dir() {
            return Err(ClusterError::io("create", dir)(io::ErrorKind::AlreadyExists.into()));
        }
        self.account.must_own(dir, &found)?;
        fs::set_permissions(dir, fs::Permissions::from_mode(0o700))
            .map_err(ClusterError::io("close", dir))
    }

    fn data_is_vacant(&self) -> Result<bool, ClusterError> {
        match fs::read_dir(&self.data) {
            Ok(mut entries) => Ok(entries.next().is_none()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
            Err(error) => Err(ClusterError::io("read", &self.data)(error)),
        }
    }

    fn not_a_cluster(&self) -> ClusterError {
        ClusterError::NotACluster { data_dir: self.data.clone() }
    }
}

fn for_ordinary_user(wanted: &Place) -> Result<(Place, Account), ClusterError> {
    let account = Account { uid: geteuid(), gid: getegid() };
    if let Ok(found) = fs::metadata(&wanted.data) {
        account.must_own(&wanted.data, &found)?;
    }
    Ok((wanted.clone(), account))
}

/// PostgreSQL does not run as root. An existing cluster is run by its owner, a new one by an
/// unprivileged account, at the fallback location if that account cannot access the configured one.
fn for_root(wanted: &Place) -> Result<(Place, Account), ClusterError> {
    let fallback = wanted.fallback();
    if wanted.holds_cluster() {
        let account = owner(&wanted.data)?;
        if account.reaches(wanted.parent()) {
            return Ok((wanted.clone(), account));
        }
        // Creating an empty cluster elsewhere would look like a loss of all events.
        return Err(ClusterError::Unreachable {
            data_dir: wanted.data.clone(),
            uid: account.uid.as_raw(),
        });
    }
    // A cluster at the fallback location stays there, even if the configured one has become
    // accessible.
    if fallback.holds_cluster() {
        let account = owner(&fallback.data)?;
        announce(wanted, &fallback);
        return Ok((fallback, account));
    }
    let account = Account::default_for_root()?;
    if account.reaches(wanted.parent()) {
        return Ok((wanted.clone(), account));
    }
    announce(wanted, &fallback);
    for dir in [Path::new(FALLBACK), fallback.parent()] {
        // Accessible regardless of the umask; its contents have owners of their own.
        fs::create_dir_all(dir)
            .and_then(|()| fs::set_permissions(dir, fs::Permissions::from_mode(0o711)))
            .map_err(ClusterError::io("create", dir))?;
    }
    Ok((fallback, account))
}

fn owner(data: &Path) -> Result<Account, ClusterError> {
    let metadata = fs::metadata(data).map_err(ClusterError::io("inspect", data))?;
    let account = Account::of(&metadata);
    if account.uid.is_root() {
        Account::default_for_root()?.must_own(data, &metadata)?;
    }
    Ok(account)
}

fn announce(wanted: &Place, fallback: &Place) {
    tracing::warn!(
        wanted = %wanted.data.display(),
        used = %fallback.data.display(),
        "the account that runs PostgreSQL cannot access the configured data directory, using \
         another"
    );
}

fn absolute(path: &Path) -> Result<PathBuf, ClusterError> {
    std::path::absolute(path).map_err(ClusterError::io("resolve", path))
}

fn short_hash(path: &Path) -> String {
    let mut hash = hex::encode(Sha256::digest(path.as_os_str().as_bytes()));
    hash.truncate(16);
    hash
}
