//! Objects: what is too large for a row, or is fetched by others. In a folder of this machine, or
//! in a bucket that is reached as S3.
//!
//! - A [`Key`] says where an object is. It is made from names that others chose, and stays inside
//!   whatever they are.
//! - An object is written once and never changed: a key holds the version of its content. Whoever
//!   reads sees the whole object or none, and who writes the same key twice writes the same bytes.
//! - [`Objects`] writes, reads, lists and removes; it keeps no account of what is still needed.

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

/// Where objects are kept.
#[derive(Debug, Clone)]
pub enum Place {
    /// In this folder, which is made when the first object comes.
    Folder(PathBuf),
    /// In a bucket.
    S3(S3),
    /// Nowhere: until the process ends.
    Memory,
}

/// The objects. Cheap to clone; every clone is the same place.
#[derive(Debug, Clone)]
pub struct Objects(Backend);

#[derive(Debug, Clone)]
enum Backend {
    Folder {
        folder: PathBuf,
        opened: Arc<OnceCell<Arc<LocalFileSystem>>>,
    },
    /// Keeps media types with the objects.
    Described(Arc<dyn ObjectStore>),
}

/// What is kept of an object beside its bytes, where the place can.
#[derive(Debug, Clone, Copy)]
pub struct About {
    /// Its media type.
    pub media_type: &'static str,
    /// Whether a browser that is led to it must save it and not show it: what may hold scripts.
    pub download: bool,
}

/// An object in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Where it is.
    pub key: Key,
    /// When it was written, by the clock of the place.
    pub written_at: OffsetDateTime,
}

/// Why an object could not be reached.
#[derive(Debug, thiserror::Error)]
pub enum ObjectsError {
    /// The folder cannot be made or opened.
    #[error("cannot open the object folder {folder}")]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// Why.
        #[source]
        error: std::io::Error,
    },
    /// The bucket's settings cannot be.
    #[error("invalid bucket settings")]
    Settings(#[source] object_store::Error),
    /// A client for the bucket cannot be made.
    #[error("cannot create the bucket client")]
    Client(#[source] reqwest::Error),
    /// This program cannot reach buckets.
    #[error("this build has no S3 support")]
    WithoutS3,
    /// The place did not do what it was asked for.
    #[error("cannot {what} the object {key}")]
    Failed {
        /// What it was asked for, such as `write`.
        what: &'static str,
        /// The object, or the beginning of a list.
        key: String,
        /// Why.
        #[source]
        error: object_store::Error,
    },
}

impl Objects {
    /// The objects of this place. Nothing is made or asked for yet.
    ///
    /// # Errors
    /// [`ObjectsError`], for a bucket whose settings cannot be.
    pub fn at(place: &Place) -> Result<Self, ObjectsError> {
        Ok(Self(match place {
            Place::Folder(folder) => {
                Backend::Folder { folder: folder.clone(), opened: Arc::default() }
            }
            Place::S3(s3) => Backend::Described(s3.open()?),
            Place::Memory => Backend::Described(Arc::new(InMemory::new())),
        }))
    }

    /// Writes an object, whole or not at all. In a folder it is on disk when this returns.
    ///
    /// # Errors
    /// [`ObjectsError`].
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

    /// In a folder that only its owner may look into, an object is its owner's alone too. Whoever
    /// has opened the folder to others, such as to a web server, has opened the objects.
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
            // Another gateway may have removed it meanwhile.
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(ObjectsError::Folder { folder: folder.clone(), error })
            }
            _ => Ok(()),
        }
    }

    /// The size of an object in bytes; `None` where there is none.
    ///
    /// # Errors
    /// [`ObjectsError`].
    pub async fn size(&self, key: &Key) -> Result<Option<u64>, ObjectsError> {
        match self.store().await?.head(key.path()).await {
            Ok(meta) => Ok(Some(meta.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed("check", key, error)),
        }
    }

    /// Reads an object; `None` where there is none.
    ///
    /// # Errors
    /// [`ObjectsError`].
    pub async fn get(&self, key: &Key) -> Result<Option<Bytes>, ObjectsError> {
        match self.store().await?.get(key.path()).await {
            Ok(found) => found.bytes().await.map(Some).map_err(|error| failed("read", key, error)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed("read", key, error)),
        }
    }

    /// Removes an object. One that is not there is removed already.
    ///
    /// # Errors
    /// [`ObjectsError`].
    pub async fn remove(&self, key: &Key) -> Result<(), ObjectsError> {
        match self.store().await?.delete(key.path()).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(failed("remove", key, error)),
        }
    }

    /// Every object whose key begins with these names, in no order.
    ///
    /// # Errors
    /// [`ObjectsError`], also within the list.
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
    // Folders that are empty go with their last object; what was written is on disk.
    Ok(Arc::new(store.with_automatic_cleanup(true).with_fsync(true)))
}

fn failed(what: &'static str, key: &Key, error: object_store::Error) -> ObjectsError {
    ObjectsError::Failed { what, key: key.as_str().to_owned(), error }
}
