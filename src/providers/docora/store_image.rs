//! Stores the objects of an image: the image itself and, if configured, a smaller rendition.
//!
//! Objects are written before their row, so that a row never refers to a missing object. A key
//! contains the digest of its content, so an object written for an event that fails replaces
//! nothing; maintenance removes it.

use bytes::Bytes;
use tokio::sync::Semaphore;

use super::images::Image;
use super::rendition;
use super::tables::{ImageRow, RenditionRow, StoreFile};
use crate::objects::{About, Key, Objects, ObjectsError};

/// Decoding an image may take hundreds of megabytes: one at a time in the whole process.
static DECODING: Semaphore = Semaphore::const_new(1);

pub(super) struct ImageStore {
    pub(super) objects: Objects,
    /// Wider images get a rendition of this width, in pixels.
    pub(super) rendition_width: Option<u32>,
}

impl ImageStore {
    /// Stores an image and returns its row. Objects that exist already are not written again. A
    /// failed rendition is not an error.
    pub(super) async fn store(
        &self,
        tenant: &str,
        file: &StoreFile,
        content: Bytes,
        image: Image,
    ) -> Result<ImageRow, ObjectsError> {
        let (repository, file) = (&file.repository, &file.file);
        let key =
            |version: &str| Key::new(&[tenant, &repository.repository_id], &file.path, version);
        let about =
            About { media_type: image.media_type, download: image.media_type == "image/svg+xml" };
        let own = key(&file.content_sha);
        if self.objects.size(&own).await? != Some(content.len() as u64) {
            self.objects.put(&own, content.clone(), about).await?;
        }
        let mut row = ImageRow {
            media_type: image.media_type,
            width: image.size.and_then(|(width, _)| i32::try_from(width).ok()),
            height: image.size.and_then(|(_, height)| i32::try_from(height).ok()),
            object_key: own.as_str().to_owned(),
            rendition: None,
            rendition_problem: None,
        };
        let Some(size) = self.rendition_width.and_then(|width| rendition::size(&image, width))
        else {
            return Ok(row);
        };
        let smaller = key(&format!("{}-{}w", file.content_sha, size.0));
        if self.objects.size(&smaller).await?.is_none() {
            match render(content, size).await {
                Ok(bytes) => self.objects.put(&smaller, bytes, about).await?,
                Err(problem) => {
                    row.rendition_problem = Some(problem);
                    return Ok(row);
                }
            }
        }
        row.rendition = Some(RenditionRow {
            key: smaller.as_str().to_owned(),
            width: i32::try_from(size.0).unwrap_or(i32::MAX),
            height: i32::try_from(size.1).unwrap_or(i32::MAX),
        });
        Ok(row)
    }
}

async fn render(content: Bytes, size: (u32, u32)) -> Result<Bytes, String> {
    let permit = DECODING.acquire().await.map_err(|error| error.to_string())?;
    let rendering = tokio::task::spawn_blocking(move || {
        // Held until rendering is done, even if nobody waits for it any more.
        let _permit = permit;
        rendition::render(&content, size)
    });
    rendering.await.map_err(|error| error.to_string())?.map(Bytes::from)
}
