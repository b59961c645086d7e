//! Object storage, for content that is too large for a row or is served to others: a local folder,
//! or an S3 bucket.
//!
//! - A [`Key`] is made from untrusted names, and cannot leave its folder.
//! - An object is written once and never changed: its key contains the version of its content.
//!   Readers see the whole object or none, and writers of the same key write the same bytes.
//! - [`Objects`] writes, reads, lists and removes; it does not track references.

mod key;
mod s3;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::{
    Attribute, Attributes, ObjectMeta, ObjectStore, ObjectStoreExt, PutOptions, PutPayload,
};
use time::OffsetDateTime;
use tokio::sync::OnceCell;

pub use key::Key;
pub use s3::S3;

#[derive(Debug, Clone)]
pub enum Place {
    /// A folder, created with the first object.
    Folder(PathBuf),
    S3(S3),
    /// In memory, until the process ends.
    Memory,
}

#[derive(Debug, Clone)]
pub struct Objects(Backend);

#[derive(Debug, Clone)]
enum Backend {
    Folder {
        folder: PathBuf,
        opened: Arc<OnceCell<Arc<LocalFileSystem>>>,
    },
    /// Stores media types with the objects.
    Described(Arc<dyn ObjectStore>),
}

/// Metadata of an object, where the storage supports it.
#[derive(Debug, Clone, Copy)]
pub struct About {
    pub media_type: &'static str,
    /// Whether browsers must save it instead of showing it, since it may contain scripts.
    pub download: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub key: Key,
    /// When it was written, by the clock of the storage.
    pub written_at: OffsetDateTime,
}

/// Why a request to the storage failed.
#[derive(Debug, thiserror::Error)]
pub enum ObjectsError {
    /// The folder cannot be created or opened.
    #[error("cannot open the object folder {folder}")]
    Folder {
        folder: PathBuf,
        #[source]
        error: std::io::Error,
    },
    /// The settings of the bucket are invalid.
    #[error("invalid bucket settings")]
    Settings(#[source] object_store::Error),
    /// The client of the bucket cannot be created.
    #[error("cannot create the bucket client")]
    Client(#[source] reqwest::Error),
    /// This build does not support buckets.
    #[error("this build has no S3 support")]
    WithoutS3,
    /// A request failed.
    #[error("cannot {what} the object {key}")]
    Failed {
        /// The operation, such as `write`.
        what: &'static str,
        /// The key, or the prefix of a list.
        key: String,
        #[source]
        error: object_store::Error,
    },
}

impl Objects {
    /// The storage at this location. It is not accessed yet.
    pub fn at(place: &Place) -> Result<Self, ObjectsError> {
        Ok(Self(match place {
            Place::Folder(folder) => {
                Backend::Folder { folder: folder.clone(), opened: Arc::default() }
            }
            Place::S3(s3) => Backend::Described(s3.open()?),
            Place::Memory => Backend::Described(Arc::new(InMemory::new())),
        }))
    }

    /// Writes an object atomically. In a folder it is on disk when this returns.
    pub async fn put(&self, key: &Key, bytes: Bytes, about: About) -> Result<(), ObjectsError> {
        let mut options = PutOptions::default();
        if matches!(self.0, Backend::Described(_)) {
            let mut attributes = Attributes::new();
            attributes.insert(Attribute::ContentType, about.media_type.into());
            if about.download {
                attributes.insert(Attribute::ContentDisposition, "attachment".into());
            }
            options.attributes = attributes;
        }
        let payload = PutPayload::from_bytes(bytes);
        let written = self.store().await?.put_opts(key.path(), payload, options).await;
        written.map_err(|error| failed("write", key, error))?;
        self.close_to_others(key).await
    }

    /// In a private folder, objects are private too. If the operator has opened the folder to
    /// others, such as a web server, objects are readable for them.
    async fn close_to_others(&self, key: &Key) -> Result<(), ObjectsError> {
        let Backend::Folder { folder, opened } = &self.0 else { return Ok(()) };
        let Some(store) = opened.get() else { return Ok(()) };
        let closing = async {
            if tokio::fs::metadata(folder).await?.permissions().mode() & 0o077 != 0 {
                return Ok(());
            }
            let path = store.path_to_filesystem(key.path()).map_err(std::io::Error::other)?;
            tokio::fs::set_permissions(path, Permissions::from_mode(0o600)).await
        };
        match closing.await {
            // Another gateway may have removed it in the meantime.
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(ObjectsError::Folder { folder: folder.clone(), error })
            }
            _ => Ok(()),
        }
    }

    /// The size of an object in bytes; `None` if it does not exist.
    pub async fn size(&self, key: &Key) -> Result<Option<u64>, ObjectsError> {
        match self.store().await?.head(key.path()).await {
            Ok(meta) => Ok(Some(meta.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed("check", key, error)),
        }
    }

    /// Reads an object; `None` if it does not exist.
    pub async fn get(&self, key: &Key) -> Result<Option<Bytes>, ObjectsError> {
        match self.store().await?.get(key.path()).await {
            Ok(found) => found.bytes().await.map(Some).map_err(|error| failed("read", key, error)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed("read", key, error)),
        }
    }

    /// Removes an object. A missing one is not an error.
    pub async fn remove(&self, key: &Key) -> Result<(), ObjectsError> {
        match self.store().await?.delete(key.path()).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(failed("remove", key, error)),
        }
    }

    /// Every object in this folder, in no order. Errors can also occur within the list.
    pub async fn list(
        &self,
        names: &[&str],
    ) -> Result<BoxStream<'static, Result<Listed, ObjectsError>>, ObjectsError> {
        let prefix = Key::folder(names);
        let path = prefix.path().clone();
        let listed = move |meta: Result<ObjectMeta, object_store::Error>| match meta {
            Ok(meta) => Ok(Listed {
                key: Key::read(meta.location.as_ref()),
                written_at: OffsetDateTime::from_unix_timestamp(meta.last_modified.timestamp())
                    .unwrap_or(OffsetDateTime::UNIX_EPOCH),
            }),
            Err(error) => Err(failed("list", &prefix, error)),
        };
        Ok(self.store().await?.list(Some(&path)).map(listed).boxed())
    }

    async fn store(&self) -> Result<Arc<dyn ObjectStore>, ObjectsError> {
        match &self.0 {
            Backend::Described(store) => Ok(Arc::clone(store)),
            Backend::Folder { folder, opened } => {
                let store: &Arc<LocalFileSystem> = opened.get_or_try_init(|| open(folder)).await?;
                Ok(Arc::clone(store) as Arc<dyn ObjectStore>)
            }
        }
    }
}

async fn open(folder: &std::path::Path) -> Result<Arc<LocalFileSystem>, ObjectsError> {
    let unusable = |error| ObjectsError::Folder { folder: folder.to_owned(), error };
    let mut made = tokio::fs::DirBuilder::new();
    made.recursive(true).mode(0o700).create(folder).await.map_err(unusable)?;
    let store = LocalFileSystem::new_with_prefix(folder)
        .map_err(|error| unusable(std::io::Error::other(error)))?;
    // Removes empty folders with their last object, and syncs every write to disk.
    Ok(Arc::new(store.with_automatic_cleanup(true).with_fsync(true)))
}

fn failed(what: &'static str, key: &Key, error: object_store::Error) -> ObjectsError {
    ObjectsError::Failed { what, key: key.as_str().to_owned(), error }
}
